"""`selfplay digest`: the fingerprint that two equal runs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfplay.cli.as_json import print_json
from selfplay.cli.output import say


def digest(
    directory: Annotated[Path, typer.Argument(help="The run directory.")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Check that nothing was damaged since it was written.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Print the fingerprint of all that a run has made: ledger content and policy weights."""
    from selfplay.analysis.status import digest as digest_of

    checked = None
    if verify:
        from selfplay.analysis.verifying import verify as verify_run

        checked = verify_run(directory)
    found = digest_of(directory)
    if as_json:
        print_json({"digest": found, **(checked.as_dict() if checked else {})})
        return
    say(found)
    if checked:
        say(checked.words, err=True)
