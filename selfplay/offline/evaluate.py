"""Held-out accuracy of any policy version of a run, or of any model; nothing is written.

What `selfplay evaluate` measures; how is in `selfplay.offline.assess`, which is imported late, so
that a configuration is refused before the libraries are loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfplay.config import Loaded, differences
from selfplay.config.settings import RunConfig
from selfplay.config.sources import plan
from selfplay.core.errors import ConfigError
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER

FIXED = ("model", "spaces", "prompts", "evaluation.source", "seed")
"""Settings that the held-out prompts of a run, and its model, depend on."""


@dataclass(frozen=True)
class Evaluated:
    """What a model reached."""

    model: Path
    """Its directory."""
    metrics: Mapping[str, float]
    """By name: `heldout/greedy`, `heldout/sampled` and what else was asked for."""

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {"model": str(self.model), "metrics": dict(self.metrics)}


def evaluate(
    source: str | Path,
    overrides: Sequence[str] = (),
    version: int | None = None,
    model: str | None = None,
    judged: bool = False,
    watch: Callable[[str, Mapping[str, float]], None] = lambda label, metrics: None,
) -> Evaluated:
    """Measures held-out accuracy, greedy and sampled, and further temperatures as configured.

    Args:
        source: a run directory, a shipped configuration or a YAML file: whose held-out prompts.
        overrides: `key=value` each.
        version: a policy version of the run; the newest one that it keeps by default.
        model: a model directory or name, in place of the run's policy.
        judged: also the win rate that `evaluation.judged` describes.
        watch: is told each way of asking with its metrics, as they come.

    Returns:
        The model that was meant, and all metrics.

    Raises:
        ConfigError: the configuration is wrong, or the run's own prompts would change.
        DataError: nothing is held out.
        LedgerError: there is no readable ledger, or the run does not keep that version.
        ModelError: the model cannot be loaded.
    """
    changes = [*overrides, *(["evaluation.judged.enabled=true"] if judged else [])]
    loaded, planned, is_run = plan(source, changes)
    directory = planned if is_run else None
    if directory is not None:
        _refuse_other_prompts(loaded, directory)
    from selfplay.offline.assess import assess, policy_to_assess

    path = policy_to_assess(loaded.config, directory, version, model)
    found: dict[str, float] = {}
    for label, metrics in assess(loaded.config, directory, path):
        found |= metrics
        watch(label, metrics)
    return Evaluated(path, found)


def _refuse_other_prompts(loaded: Loaded[RunConfig], directory: Path) -> None:
    """Raises ConfigError for an override that would change a run's held-out prompts, or model."""
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        changed = differences(ledger.settings, loaded.as_dict(), set())
    other = [key for key in changed if key.startswith(FIXED)]
    if other:
        raise ConfigError(
            f"{', '.join(other)}: a run is evaluated on its own held-out prompts; name a "
            "configuration in place of the run directory, and the model with --model"
        )
