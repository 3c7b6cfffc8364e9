"""Successive draws without replacement as the first distinct ones of independent draws.

Whoever keeps drawing with replacement and passes over what has come before draws from the rest in
proportion to its weights. So a mixture is drawn from by drawing from its parts, and ranks are drawn
before it is looked up who has them: with 10⁶ prompts this takes half the time of weighing each one.
Where a few prompts have nearly all the weight the same ones keep coming; what is then still missing
is drawn by the race of `creator.samplers.draws`, which is exact whatever the weights.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from creator.estimators.moments import FloatArray, Floats, Integers
from creator.samplers.draws import descending, draw

SMALLEST = 5e-324
"""What a positive share is at least, so that it stays above 0."""


class Distribution(Protocol):
    """Probabilities over P items."""

    def draws(self, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
        """Independent draws, with replacement. Shape (count,)."""

    def shares(self) -> FloatArray:
        """Every item's probability. Shape (items,)."""


def successive(
    distribution: Distribution, size: int, k: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """`min(k, size)` distinct items, drawn one after the other in proportion to what remains.

    Items of probability 0 come after all others, in random order.
    """
    k = min(k, size)
    drawn = distribution.draws(4 * k, rng) if k > 0 else np.empty(0, np.intp)
    _, first = np.unique(drawn, return_index=True)
    winners = drawn[np.sort(first)[:k]]
    if len(winners) == k:
        return winners
    left = np.ones(size, bool)
    left[winners] = False
    others = np.flatnonzero(left)
    rest = draw(logarithms(distribution.shares()[others]), k - len(winners), rng)
    return np.concatenate([winners, others[rest]])


class Uniform:
    """The same for all."""

    def __init__(self, size: int) -> None:
        self._size = size

    def draws(self, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
        return rng.integers(self._size, size=count, dtype=np.intp)

    def shares(self) -> FloatArray:
        return np.full(self._size, 1.0 / max(1, self._size))


class Weighted:
    """In proportion to weights that are 0 or more, one of them above."""

    def __init__(self, weights_P: Floats | Integers) -> None:
        self._weights_P = weights_P
        # Relative to the largest, so that neither the sum nor its products leave the normal range.
        self._cumulative_P = np.asarray(weights_P / weights_P.max(), dtype=np.float64)
        np.cumsum(self._cumulative_P, out=self._cumulative_P)

    def draws(self, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
        return inverse(self._cumulative_P, rng.random(count))

    def shares(self) -> FloatArray:
        shares_P = self._weights_P / self._weights_P.max() / self._cumulative_P[-1]
        return np.where(self._weights_P > 0, np.maximum(shares_P, SMALLEST), 0.0)


class Ranked:
    """P ∝ rank^(−1/β) of scores that are 0 or more, equal ones sharing what their ranks have.

    Scores of 0 have no share, unless all are 0.
    """

    def __init__(self, scores_P: Floats, temperature: float) -> None:
        self._order, self._keys = descending(scores_P)
        self._ranked = np.count_nonzero(scores_P) or len(scores_P)
        self._power = -1.0 / temperature
        self._cumulative = self._weights()
        np.cumsum(self._cumulative, out=self._cumulative)

    def draws(self, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
        keys = self._keys[inverse(self._cumulative, rng.random(count))]
        low = np.searchsorted(self._keys, keys, side="left")
        high = np.searchsorted(self._keys, keys, side="right")
        return self._order[rng.integers(low, high)].astype(np.intp)

    def shares(self) -> FloatArray:
        weights = np.zeros(len(self._order))
        weights[: self._ranked] = self._weights() / self._cumulative[-1]
        _, starts, lengths = np.unique(self._keys, return_index=True, return_counts=True)
        shares_P = np.empty(len(self._order))
        shares_P[self._order] = np.repeat(np.add.reduceat(weights, starts) / lengths, lengths)
        return shares_P

    def _weights(self) -> FloatArray:
        """rank^(−1/β) of every rank that has a share."""
        ranks = np.arange(1, self._ranked + 1, dtype=np.float64)
        ranks **= self._power
        return ranks


class Mixture:
    """(1 − share) of one distribution and `share` of another over the same items."""

    def __init__(self, first: Distribution, second: Distribution, share: float) -> None:
        self._first, self._second, self._share = first, second, share

    def draws(self, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
        lots = rng.random(count) < self._share
        return np.where(lots, self._second.draws(count, rng), self._first.draws(count, rng))

    def shares(self) -> FloatArray:
        return (1.0 - self._share) * self._first.shares() + self._share * self._second.shares()


def floored(distribution: Distribution, size: int, floor: float) -> Distribution:
    """(1 − ε) · P + ε / N."""
    return Mixture(distribution, Uniform(size), floor) if floor > 0 else distribution


def inverse(cumulative: FloatArray, lots: FloatArray) -> NDArray[np.intp]:
    """Where each lot in [0, 1) falls among cumulative weights; never on one that adds nothing."""
    return np.asarray(np.searchsorted(cumulative, lots * cumulative[-1], side="right"))


def logarithms(values_P: FloatArray) -> FloatArray:
    """Logarithms of values that are 0 or more; −inf of 0. Shape (items,)."""
    logs_P = np.full(len(values_P), -np.inf)
    np.log(values_P, out=logs_P, where=values_P > 0)
    return logs_P
