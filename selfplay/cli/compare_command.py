"""`selfplay compare`: runs side by side, as a table and as a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from selfplay.cli.as_json import print_json
from selfplay.cli.output import say

if TYPE_CHECKING:
    from selfplay.report import Comparison


def compare(
    directories: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Run directories, 2 to 6.")
    ],
    out: Annotated[Path | None, typer.Option(help="Also write an HTML page there.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Put runs side by side: figures, curves, and where their configurations differ."""
    from selfplay.report import compare as compare_runs
    from selfplay.report import write_comparison

    found = compare_runs(directories)
    if out is not None:
        write_comparison(found, out)
    if as_json:
        print_json(found.as_dict())
        return
    show_comparison(found)
    if out is not None:
        say(f"\n{out}: open it in a browser")


def show_comparison(found: Comparison) -> None:
    """Prints the figures and the settings that are not the same in all runs."""
    from selfplay.cli.layout import excerpt, new_console, new_table

    console = new_console()
    for title, rows in (
        ("figures", found.rows()),
        ("settings that differ", [(key, *values) for key, values in found.settings.items()]),
    ):
        table = new_table("", [], [])
        table.add_column("", overflow="fold")
        for name in found.names:
            table.add_column(excerpt(name), overflow="fold")
        for row in rows:
            table.add_row(*map(excerpt, row))
        if rows:
            # Not the table's own title, which would wrap at the width of a narrow table.
            console.print(f"\n{title}", style="bold")
            console.print(table)
    if not found.same_heldout:
        console.print("\nnot all asked the same held-out prompts: accuracies compare only in part")
    console.print(
        "\nin brackets: 95 % intervals over held-out prompts, which say nothing about other seeds"
    )
