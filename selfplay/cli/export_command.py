"""`selfplay export`: the evolved prompt set as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    directory: Annotated[Path, typer.Argument(help="The run directory.")],
    path: Annotated[Path, typer.Argument(help="The JSONL file to write.")],
) -> None:
    """Write the prompts that a run asked, with lineage and estimates, as JSON Lines."""
    from selfplay.export import export_prompts
    from selfplay.ledger import Ledger
    from selfplay.paths import LEDGER

    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        count = export_prompts(ledger, path)
    typer.echo(f"{count:,} prompts written to {path}")
    typer.echo(f"next: selfplay run own prompts={path} model=DIR trains another model on them")
