"""`selfplay export`: the evolved prompt set as a file, or a trained reward model as a directory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    directory: Annotated[
        Path, typer.Argument(help="The run directory, or policy/<version> with a reward head.")
    ],
    path: Annotated[Path, typer.Argument(help="The JSONL file or model directory to write.")],
) -> None:
    """Write the prompts that a run asked as JSON Lines, or a policy's reward model.

    Prompts come with lineage and estimates; a reward model in transformers' layout.
    """
    if (directory / "policy.json").is_file():
        export_model(directory, path)
        return
    from selfplay.export import export_prompts
    from selfplay.ledger import Ledger
    from selfplay.paths import LEDGER

    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        count = export_prompts(ledger, path)
    typer.echo(f"{count:,} prompts written to {path}")
    typer.echo(f"next: selfplay run own prompts={path} model=DIR trains another model on them")


def export_model(policy: Path, path: Path) -> None:
    """Writes the reward model of a saved policy."""
    from selfplay.policies import writing
    from solver.export import export_saved

    with writing(path):
        export_saved(policy, path)
    typer.echo(f"reward model written to {path}")
    typer.echo(f"next: meta.judge=reward_model meta.judge.path={path} makes it the judge of a run")
