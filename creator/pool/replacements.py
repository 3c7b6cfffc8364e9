"""Who leaves a full pool: the least valuable, the oldest, or the weakest of the fullest cells.

With `cells` the pool is an archive of elites: a cell for each skill and each part of the success
rate, and one more for unknown rates, keeps the best of its kind. Where a capacity allows for less
than all cells together, the fullest are cut down to a common level.

Sources: Jiang et al., 2021, "Prioritized Level Replay", arXiv 2010.03934, section 3 (lowest value);
Mouret & Clune, 2015, MAP-Elites, arXiv 1504.04909. Left out: MAP-Elites' search, which is the
operators' business.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from creator.estimators.moments import IntArray
from creator.pool.contents import Contents, Replacement, Rows, lowest
from creator.pool.table import CellsOptions, LowestValueOptions
from selfplay.core.components import NoOptions

NONE: Rows = np.empty(0, np.intp)
"""No row goes."""


def lowest_value(options: LowestValueOptions) -> Replacement:
    """What is worth least goes, newcomers as others or after all others."""

    def going(contents: Contents, room: int | None) -> Rows:
        over = excess(len(contents), room)
        spared = (contents.new_P,) if options.newcomers_stay else ()
        return lowest((*spared, *worth(contents)), over) if over else NONE

    return going


def oldest(options: NoOptions) -> Replacement:
    """What was scored longest ago goes; before that, what never was."""
    return lambda contents, room: lowest((contents.seen_P,), excess(len(contents), room))


def cells(options: CellsOptions) -> Replacement:
    """Each cell keeps its best `per_cell`, fewer where the room asks for it."""

    def going(contents: Contents, room: int | None) -> Rows:
        counts_C, cells_P = occupied(contents, options)
        level = common_level(counts_C, options.per_cell, room)
        ranked, ranks = places(contents, cells_P, np.flatnonzero(counts_C[cells_P] >= level))
        beyond, last = ranked[ranks > level], np.sort(ranked[ranks == level])
        over = excess(len(contents) - len(beyond), room)
        cut = last[lowest(worth(contents.only(last)), over)]
        return np.sort(np.concatenate([beyond, cut]))

    return going


def excess(size: int, room: int | None) -> int:
    """How many of `size` prompts have no room."""
    return 0 if room is None else max(0, size - room)


def worth(contents: Contents) -> tuple[NDArray[Any], ...]:
    """Keys by which the least valuable goes first, and of equals the one scored longest ago."""
    return contents.worths_P, contents.seen_P


def occupied(contents: Contents, options: CellsOptions) -> tuple[IntArray, IntArray]:
    """How many prompts are in each cell, and the cell of each prompt.

    Shapes (cells,) and (prompts,).
    """
    rates_P = np.nan_to_num(contents.rates_P, nan=0.0).clip(0.0, 1.0)
    bins_P = np.minimum(rates_P * options.bins, options.bins - 1).astype(np.int64)
    bins_P[np.isnan(contents.rates_P)] = options.bins
    skills_P = contents.tasks_P.astype(np.int64)
    if options.skill == "task_and_operator":
        operators = int(contents.operators_P.max(initial=0)) + 1
        skills_P = skills_P * operators + contents.operators_P
    cells_P = skills_P * (options.bins + 1) + bins_P
    return np.bincount(cells_P), cells_P


def common_level(counts_C: IntArray, most: int, room: int | None) -> int:
    """The lowest level that, kept in every cell, fills the room; `most` where that is less."""
    low, high = 1, most
    while room is not None and low < high:
        middle = (low + high) // 2
        enough = np.minimum(counts_C, middle).sum() >= room
        low, high = (low, middle) if enough else (middle + 1, high)
    return high


def places(contents: Contents, cells_P: IntArray, rows: Rows) -> tuple[Rows, IntArray]:
    """Some rows, and the place of each in its cell, 1 being the best.

    `rows` holds whole cells, so that their other prompts need not be sorted. Of equals the one
    scored last is better, then the one that came last.
    """
    rows = rows[::-1]
    keys = (-contents.seen_P[rows], -contents.worths_P[rows], cells_P[rows])
    order = rows[np.lexsort(keys)]
    _, starts, lengths = np.unique(cells_P[order], return_index=True, return_counts=True)
    return order, np.arange(len(order)) - np.repeat(starts, lengths) + 1
