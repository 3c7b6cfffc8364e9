"""What the commands that print tables share: they fit 80 columns and show texts as they are.

Texts are never read as markup, and their control characters are made visible, since a model's text
may hold what a terminal would obey.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

NAME = 26
"""Columns that a name may take: `package.module:Class` is one."""
EXCERPT = 200
"""Characters of a prompt of which as many are shown as the line takes."""
NONE = "–"

VISIBLE = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\n\t"} | {
    0x7F: "␡",
    **dict.fromkeys((*range(0x80, 0xA0), 0x2028, 0x2029), "�"),
}


def new_console() -> Console:
    """Standard output, without markup: a prompt that contains some is shown as it is."""
    return Console(highlight=False, markup=False, emoji=False)


def ranges(rounds: Sequence[int]) -> str:
    """Ascending integers with runs drawn together: `1–3, 7`."""
    found = []
    for _, run in groupby(enumerate(rounds), key=lambda item: item[1] - item[0]):
        members = [t for _, t in run]
        found.append(f"{members[0]}–{members[-1]}" if len(members) > 1 else str(members[0]))
    return ", ".join(found)


def new_table(title: str, left: Sequence[str], right: Sequence[str]) -> Table:
    """A table without lines: columns of names, then columns of figures."""
    table = Table(
        title=f"\n{title}" if title else None,
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        header_style="dim",
    )
    for name in left:
        table.add_column(name, no_wrap=True, max_width=NAME)
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def new_grid(columns: int) -> Table:
    """A table without a head; what is in its last column is wrapped."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(columns - 1):
        grid.add_column(style="dim")
    grid.add_column(ratio=1, overflow="fold")
    return grid


def number(value: float | None) -> str:
    """Three decimals at most; a dash where there is none."""
    if value is None or value != value:
        return NONE
    return f"{value:.3f}" if abs(value) < 1000 else f"{value:.4g}"


def plain(text: str) -> Text:
    """The text as it is, control characters made visible."""
    return Text(text.translate(VISIBLE), overflow="fold")


def excerpt(text: str) -> str:
    """The first words, in one line."""
    return " ".join(text[:EXCERPT].split()).translate(VISIBLE)
