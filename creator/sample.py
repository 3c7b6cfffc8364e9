"""Choosing parents: weighted sampling without replacement.

An exponential race (Efraimidis & Spirakis, 2006): item i finishes at Exp(1)/w_i and the first k
win, which is exactly successive drawing proportional to the remaining weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from selfplay.core.components import NoOptions

Sampler: TypeAlias = Callable[[NDArray[np.float64], int, np.random.Generator], NDArray[np.intp]]
"""From scores of shape (N,), how many to draw and a generator, to distinct indices."""


def draw(scores: NDArray[np.float64], k: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """`min(k, N)` distinct indices, drawn one after the other in proportion to `scores`.

    Scores have shape (N,) and are at least 0. NaN means unknown and weighs as much as the mean of
    the known: ignorance is no evidence that a prompt is useless. Where nothing is known, or every
    score is 0, all items weigh the same. Items of score 0 come after all others.

    Raises:
        ValueError: a score is negative or infinite.
    """
    weights = filled(scores)
    zero = weights == 0
    race = rng.exponential(size=len(weights))
    race[~zero] /= weights[~zero]
    order = np.lexsort((race, zero))
    return order[:k]


def filled(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """`scores` with every NaN replaced by the mean of the others, or by 1 where there are none."""
    unknown = np.isnan(scores)
    if np.any(scores[~unknown] < 0) or np.any(np.isinf(scores)):
        raise ValueError("scores to sample by are finite and not negative")
    return np.where(unknown, scores[~unknown].mean() if not unknown.all() else 1.0, scores)


def proportional(options: NoOptions) -> Sampler:
    """As eva does: successive draws without replacement, P ∝ score."""
    return draw
