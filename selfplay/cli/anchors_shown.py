"""How `selfplay anchors show` lays out what a set of anchors holds."""

from __future__ import annotations

from collections.abc import Sequence

from selfplay.cli.layout import excerpt, new_console, new_table
from selfplay.review.anchor_sets import Count, Counts

COLUMNS = ("prompts", "core", "suspects", "core pairs", "suspect pairs")


def show_counts(counts: Counts) -> None:
    """Prints the counts by part and by scorer."""
    console = new_console()
    console.print(
        f"version {counts.version}: {counts.anchors:,} anchors, {counts.replaced:,} of them "
        "replaced by a later score of the same response"
    )
    if counts.mixed:
        console.print(
            f"{counts.mixed:,} prompts have anchors of several scorers, whose scores are not "
            "compared with each other"
        )
    for title, rows in (("parts", counts.parts), ("scorers", counts.scorers)):
        _table(title, rows)


def _table(title: str, rows: Sequence[Count]) -> None:
    table = new_table(title, [""], COLUMNS)
    for row in rows:
        numbers = (row.prompts, row.core, row.suspects, row.core_pairs, row.suspect_pairs)
        table.add_row(excerpt(row.name), *(f"{n:,}" for n in numbers))
    new_console().print(table)
