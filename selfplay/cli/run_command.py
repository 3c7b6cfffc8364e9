"""`selfplay run`: starts a run, or goes on with the one that is there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from selfplay.paths import LEDGER

if TYPE_CHECKING:
    from selfplay.config import Loaded
    from selfplay.settings import RunConfig


def run(
    source: Annotated[
        str, typer.Argument(help="A shipped configuration, a YAML file, or a run directory.")
    ] = "tiny",
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value, for example solver.objective=dpo.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The run directory. Default: runs/<configuration>.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line per stage.")] = False,
) -> None:
    """Play: start a run, or go on with it where it stopped.

    Under torchrun or accelerate launch, several processes learn together.
    """
    from solver.learning.team import is_follower

    if is_follower():
        from selfplay.build import follow

        follow()
        return
    loaded, directory = plan(source, overrides or [], out)
    if not as_json:
        typer.echo(f"run directory: {directory}")
    interrupted = play_out(loaded, directory, as_json)
    from selfplay.cli.status import show_standing
    from selfplay.summary import standing

    if not as_json:
        show_standing(standing(directory))
    if interrupted:
        raise typer.Exit(130)


def plan(source: str, overrides: list[str], out: Path | None) -> tuple[Loaded[RunConfig], Path]:
    """The configuration and the run directory that a command line means.

    Raises:
        ConfigError: the configuration is wrong.
        LedgerError: the run directory named has no readable ledger.
    """
    from selfplay.config import load_config
    from selfplay.core.errors import ConfigError
    from selfplay.settings import RunConfig

    if "=" in source:
        source, overrides = "tiny", [source, *overrides]
    if (Path(source) / LEDGER).is_file():
        if out is not None and out != Path(source):
            raise ConfigError(f"{source} is a run directory already; leave --out {out} away")
        return resume(Path(source), overrides), Path(source)
    loaded = load_config(source, overrides, RunConfig)
    return loaded, out or Path("runs") / Path(source).stem


def resume(directory: Path, overrides: list[str]) -> Loaded[RunConfig]:
    """The run's own configuration with overrides on top."""
    from selfplay.config import load_values
    from selfplay.ledger import Ledger
    from selfplay.settings import RunConfig

    # For writing, so that a run of an older release is brought up to date.
    with Ledger.open(directory / LEDGER) as ledger:
        return load_values(ledger.settings, str(directory), RunConfig, overrides)


def play_out(loaded: Loaded[RunConfig], directory: Path, as_json: bool) -> bool:
    """Plays to the end or to an interruption; was it interrupted?"""
    from selfplay.cli.watch import make_watcher

    if not as_json:
        typer.echo("loading the libraries and the model …")
    from selfplay import job

    def tell(note: str) -> None:
        typer.echo(f"note: {note}", err=True)

    rounds = loaded.config.rounds
    return job.play_out(loaded, directory, lambda: make_watcher(rounds, as_json), tell)
