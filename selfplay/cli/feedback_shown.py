"""How `selfplay feedback list` lays out the inbox."""

from __future__ import annotations

from collections.abc import Sequence

from selfplay.cli.layout import excerpt, new_console, new_grid, new_table, plain
from selfplay.review.feedback import Entry


def show_listing(entries: Sequence[Entry]) -> None:
    """Prints the files with what they hold, then why some cannot be used."""
    console = new_console()
    table = new_table("", ["file", "state"], ["scores", "comparisons", "prompts"])
    reasons = new_grid(2)
    for entry in entries:
        counts = [f"{n:,}" for n in (entry.ratings, entry.comparisons, entry.prompts)]
        table.add_row(excerpt(entry.name), entry.state, *(counts if not entry.reason else [""] * 3))
        if entry.scorers:
            reasons.add_row(excerpt(entry.name), plain("by " + ", ".join(entry.scorers)))
        if entry.reason:
            reasons.add_row(excerpt(entry.name), plain(entry.reason))
    console.print(table)
    console.print()
    console.print(reasons)
