"""Within-prompt pairwise accuracy: how often a score puts the better of two responses first.

Pairs are two responses of one prompt whose trusted scores differ, both by one scorer: scores of two
scorers are on two scales, and say nothing of each other. The better one having the higher score
counts 1, a tie ½, the reverse 0. A response without a score says nothing of its pairs: they
count ½ too, so leaving hard responses unscored gains nothing. A prompt's accuracy is the mean over
its pairs, and prompts are the units that are compared, one weight each, since responses of one
prompt are not independent (Miller, 2024, arXiv 2411.00640, on clustered questions).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meta.anchors.anchors import Anchor

TIE = 1e-9
"""Scores nearer than this are equal: sums of the same terms in another order."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of N responses, the better one left, sorted by prompt."""

    better_M: NDArray[np.intp]
    """Positions among the N responses."""
    worse_M: NDArray[np.intp]
    prompt_M: NDArray[np.intp]
    """Position of the pair's prompt among the P prompts."""
    suspect_M: NDArray[np.bool_]
    """Whether one of the two, or both, are suspects."""

    @property
    def count(self) -> int:
        """M."""
        return len(self.better_M)

    def where(self, kept_M: NDArray[np.bool_]) -> Pairs:
        """Some of the pairs."""
        return Pairs(
            self.better_M[kept_M],
            self.worse_M[kept_M],
            self.prompt_M[kept_M],
            self.suspect_M[kept_M],
        )

    @property
    def core(self) -> Pairs:
        """Those without a suspect."""
        return self.where(~self.suspect_M)

    @property
    def suspects(self) -> Pairs:
        """Those with one."""
        return self.where(self.suspect_M)


def pairs_of(prompts: Sequence[Sequence[Anchor]]) -> Pairs:
    """All pairs of one scorer's anchors inside prompts; positions count through the prompts."""
    columns: list[tuple[int, int, int, bool]] = []
    start = 0
    for p, anchors in enumerate(prompts):
        for i, a in enumerate(anchors):
            for j in range(i + 1, len(anchors)):
                b = anchors[j]
                if a.scorer == b.scorer and a.score != b.score:
                    better, worse = (i, j) if a.score > b.score else (j, i)
                    suspect = "suspect" in (a.origin, b.origin)
                    columns.append((start + better, start + worse, p, suspect))
        start += len(anchors)
    table_M4 = np.array(columns, dtype=np.intp).reshape(-1, 4)
    return Pairs(table_M4[:, 0], table_M4[:, 1], table_M4[:, 2], table_M4[:, 3].astype(bool))


def accuracy_by_prompt(pairs: Pairs, scores_N: NDArray[np.float64]) -> NDArray[np.float64]:
    """The accuracy of each prompt that has a pair, in order.

    Args:
        pairs: of N responses.
        scores_N: their scores, NaN where there is none: those pairs count as ties.
    """
    gap_M = scores_N[pairs.better_M] - scores_N[pairs.worse_M]
    outcome_M = np.where(gap_M > TIE, 1.0, np.where(gap_M < -TIE, 0.0, 0.5))
    if not pairs.count:
        return np.zeros(0)
    starts = np.flatnonzero(np.diff(pairs.prompt_M, prepend=-1))
    sizes = np.diff(starts, append=pairs.count)
    return np.asarray(np.add.reduceat(outcome_M, starts) / sizes)
