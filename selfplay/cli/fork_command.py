"""`selfplay fork`: a new run from an old round."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from selfplay.cli.as_json import print_json
from selfplay.cli.output import say


def fork(
    directory: Annotated[Path, typer.Argument(help="The run to fork; it may be live.")],
    out: Annotated[Path, typer.Option(help="The new run directory.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value, for example solver.objective=dpo.")
    ] = None,
    t: Annotated[
        int | None, typer.Option("--round", help="After which round. Default: the last one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Start a new run from an old round of another one."""
    from selfplay.fork import fork as make

    made = make(directory, out, t, overrides or [])
    if as_json:
        print_json(made.as_dict())
        return
    changed = f"; changed: {', '.join(made.changed)}" if made.changed else ""
    say(f"{made.directory}: {directory} up to round {made.round}{changed}")
    if made.behind:
        say(f"its policy is not kept there: {made.behind} learning stages are learned again first")
    say(f"next: selfplay run {quote(str(made.directory))}")
