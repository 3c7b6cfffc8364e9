"""What samplers read: columns over the P prompts that can be drawn.

The rules that all samplers keep:

- draws are without replacement, `min(k, P)` of them, and a function of the candidates and the
  generator; the indices come in the order of drawing;
- a score is 0 or more. NaN is unknown and counts as the mean of the known, for ignorance is no
  evidence that a prompt is useless; if all known ones are 0, the unknown come before them;
- a score of 0 says that nothing is to be gained: such prompts come after all others, in random
  order, unless something besides their score gives them a chance (a floor, staleness, a posterior,
  their task's value);
- equal scores are treated alike, so all-equal and all-zero scores are drawn from uniformly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from creator.estimators.moments import FloatArray, Floats, Integers


@dataclass(frozen=True, eq=False)
class Candidates:
    """Columns over P prompts; a sampler says if it needs one that is None."""

    scores_P: Floats
    """What is to be gained: 0 or more, NaN where unknown."""
    ages_P: Integers | None = None
    """Rounds since the last visit; of a prompt never visited, since before the first round."""
    successes_P: Floats | None = None
    """As in `State`, at the last visit."""
    failures_P: Floats | None = None
    """As for successes."""
    tasks_P: Integers | None = None
    """Code of each prompt's task, counted from 0."""
    task_names: tuple[str, ...] = ()
    """By code."""
    tasks_K: FloatArray | None = None
    """Value of each task, by code; None: the mean score of its prompts."""

    def __len__(self) -> int:
        return len(self.scores_P)

    def only(self, rows: NDArray[np.intp]) -> Candidates:
        """Some of the prompts, in the order of `rows`."""
        columns = {
            name: column[rows]
            for name in (item.name for item in fields(self))
            if name.endswith("_P") and (column := getattr(self, name)) is not None
        }
        return replace(self, **columns)


Sampler: TypeAlias = Callable[[Candidates, int, np.random.Generator], NDArray[np.intp]]
"""From candidates, how many to draw and a generator, to distinct indices."""


def filled(scores_P: Floats) -> Floats:
    """A copy with every NaN replaced by the mean of the others, or by 1 where that is 0.

    Raises:
        ValueError: a score is negative or infinite.
    """
    unknown_P = np.isnan(scores_P)
    filled_P: Floats = np.where(unknown_P, scores_P.dtype.type(0), scores_P)
    largest = float(filled_P.max(initial=0.0))
    if not (filled_P.min(initial=0.0) >= 0 and largest < np.inf):
        raise ValueError("scores to draw by are finite and not negative")
    known = len(filled_P) - np.count_nonzero(unknown_P)
    if known < len(filled_P):
        # Relative to the largest, so that the sum cannot overflow.
        share = (filled_P / largest).sum(dtype=np.float64) / known if largest > 0 else 0.0
        filled_P[unknown_P] = largest * share or 1.0
    return filled_P
