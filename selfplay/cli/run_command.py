"""`selfplay run`: starts a run, or goes on with the one that is there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfplay.cli.output import say
from selfplay.core.notices import waiting


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
    from selfplay.cli.watch import make_watcher
    from selfplay.config.sources import plan

    loaded, directory, _ = plan(source, overrides or [], out)
    if not as_json:
        say(f"run directory: {directory}")
        say("loading the libraries and the model …")
    rounds = loaded.config.rounds
    try:
        with waiting("the libraries to be loaded"):
            from selfplay.job import play_out

        interrupted = play_out(loaded, directory, lambda: make_watcher(rounds, as_json), tell)
    except KeyboardInterrupt:
        say("interrupted: nothing was started", err=True)
        raise typer.Exit(130) from None
    if not as_json:
        from selfplay.analysis.status import standing
        from selfplay.cli.status import show_standing

        show_standing(standing(directory))
    if interrupted:
        raise typer.Exit(130)


def tell(note: str) -> None:
    """Prints what is worth knowing before the run begins and while it waits."""
    say(f"note: {note}", err=True)
