"""What replacement looks at: a pool's prompts in columns, and the choice among them.

Missing is not zero. A prompt without a known value (never scored, or under another judging) counts
as worth the mean of the known ones, as samplers have it: it goes after those that are known to be
worse, and before those that are known to be better. One that was never scored is older than any.
Of equals the one scored longest ago goes first, then the one that came first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from creator.estimators.moments import Floats, Integers
from creator.samplers.candidates import filled

Rows: TypeAlias = NDArray[np.intp]
"""Places in the columns."""


@dataclass(frozen=True, eq=False)
class Contents:
    """Columns over P prompts, in order of arrival."""

    values_P: Floats
    """What is to be gained, 0 or more; NaN where unknown."""
    seen_P: Integers
    """Round of the last scored responses, or `NEVER`."""
    rates_P: Floats
    """Success rate at the last visit; NaN where unknown."""
    tasks_P: Integers
    """Code of each prompt's task, counted from 0."""
    operators_P: Integers
    """Code of the operator that made it, counted from 0."""
    new_P: NDArray[np.bool_]
    """Whether it came in since the pool was last looked through."""

    def __len__(self) -> int:
        return len(self.values_P)

    @cached_property
    def worths_P(self) -> Floats:
        """The values, unknown ones replaced by the mean of the known."""
        return filled(self.values_P)

    def only(self, rows: Rows) -> Contents:
        """Some of the prompts, in the order of `rows`; unknown values stay what they are here."""
        columns = {item.name: getattr(self, item.name)[rows] for item in fields(self)}
        return Contents(**columns | {"values_P": self.worths_P[rows]})


Replacement: TypeAlias = Callable[[Contents, int | None], Rows]
"""From the contents and how many may stay (None: all that the kind of replacement allows), to the
rows that go."""


def lowest(keys: Sequence[NDArray[Any]], count: int) -> Rows:
    """The `count` rows that are lowest by the first key, equal ones by the next; then the first.

    Looks for the last that is taken instead of sorting. Ascending; keys have shape (rows,), no NaN.
    """
    if count == 0:
        return np.empty(0, np.intp)
    values = keys[0]
    last = np.partition(values, count - 1)[count - 1]
    taken, equal = np.flatnonzero(values < last), np.flatnonzero(values == last)
    count -= len(taken)
    first = lowest([key[equal] for key in keys[1:]], count) if keys[1:] else np.arange(count)
    return np.sort(np.concatenate([taken, equal[first]]))


def others(size: int, rows: Rows) -> Rows:
    """All of `size` rows but these, ascending."""
    kept = np.ones(size, np.bool_)
    kept[rows] = False
    return np.flatnonzero(kept)
