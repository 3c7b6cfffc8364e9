"""`selfplay doctor`: what is here, what would fail, and how to mend it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from selfplay.cli.output import say, say_json

if TYPE_CHECKING:
    from selfplay.process.doctor import Finding


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what is installed, what would fail and how to mend it."""
    from selfplay.process.doctor import examine

    if not as_json:
        say("looking at packages, devices and disk …", err=True)
    found = examine(Path.cwd())
    if as_json:
        say_json(json.dumps(found.as_dict(), indent=2))
    else:
        for finding in found.findings:
            say(_line(finding))
        healthy = "`selfplay run tiny` can work here."
        say(healthy if found.healthy else "Mend what is missing.")
    raise typer.Exit(0 if found.healthy else 1)


def _line(finding: Finding) -> str:
    head = f"{finding.state:<8}{finding.subject:<23}{finding.detail}"
    return f"{head}\n{'':<31}→ {finding.remedy}" if finding.remedy else head
