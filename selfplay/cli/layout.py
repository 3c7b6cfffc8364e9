"""What the commands that print tables share: they fit 80 columns and show texts as they are.

Texts are never read as markup, and their control characters are made visible, since a model's text
may hold what a terminal would obey.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from selfplay.cli.output import visible

NAME = 26
"""Columns that a name may take: `package.module:Class` is one."""
EXCERPT = 200
"""Characters of a prompt of which as many are shown as the line takes."""
NONE = "–"


class _Plain(Console):
    """A console on which no text is obeyed, whatever part of a table it stands in."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            text, style, control = segment
            yield segment if control else Segment(visible(text), style)


def new_console() -> Console:
    """Standard output, without markup: a prompt that contains some is shown as it is."""
    return _Plain(highlight=False, markup=False, emoji=False)


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
    return Text(visible(text), overflow="fold")


def excerpt(text: str) -> str:
    """The first words, in one line."""
    return visible(" ".join(text[:EXCERPT].split()))
