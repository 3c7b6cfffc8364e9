"""`selfplay digest`: the fingerprint that two equal runs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def digest(directory: Annotated[Path, typer.Argument(help="The run directory.")]) -> None:
    """Print the fingerprint of all that a run has made: ledger content and policy weights."""
    from selfplay.ledger import Ledger
    from selfplay.paths import LEDGER

    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        typer.echo(ledger.digest())
