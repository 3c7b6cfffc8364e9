"""What is meant by a source and overrides: a configuration, and the directory of its run.

A source is a shipped configuration, a YAML file, or a run directory, which has its own
configuration in its ledger. `selfplay run` and `selfplay evaluate` take one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from selfplay.config import Loaded, load_config, load_values
from selfplay.config.settings import RunConfig
from selfplay.core.errors import ConfigError
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER


class Plan(NamedTuple):
    """What is meant."""

    loaded: Loaded[RunConfig]
    directory: Path
    """Of the run."""
    is_run: bool
    """Whether the source is a run directory."""


def plan(
    source: str | Path = "tiny", overrides: Sequence[str] = (), out: str | Path | None = None
) -> Plan:
    """The configuration and the run directory that are meant.

    Args:
        source: a shipped configuration, a YAML file or a run directory; `tiny` where there is an
            override in its place.
        overrides: `key=value` each, on top.
        out: the run directory of a configuration; `runs/<its name>` by default.

    Raises:
        ConfigError: the configuration is wrong, or `out` is another directory than the run's.
        LedgerError: the run directory named has no readable ledger.
    """
    if "=" in str(source):
        source, overrides = "tiny", [str(source), *overrides]
    if (Path(source) / LEDGER).is_file():
        if out is not None and Path(out) != Path(source):
            raise ConfigError(f"{source} is a run directory already; leave --out {out} away")
        return Plan(config_of_run(Path(source), overrides), Path(source), is_run=True)
    loaded = load_config(source, overrides)
    return Plan(loaded, Path(out or Path("runs") / Path(source).stem), is_run=False)


def config_of_run(directory: Path, overrides: Sequence[str] = ()) -> Loaded[RunConfig]:
    """The run's own configuration with overrides on top.

    Raises:
        ConfigError: an override is wrong.
        LedgerError: there is no readable ledger.
    """
    # For writing, so that a run of an older release is brought up to date.
    with Ledger.open(directory / LEDGER) as ledger:
        return load_values(ledger.settings, str(directory), RunConfig, overrides)
