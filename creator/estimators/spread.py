"""eva's eight measures of informativeness, from the rewards of a prompt's group.

Regret r(π*) − r(π_θ) is unknown because π* is; these stand in for it:

    uniform 1 · variance Var(r) · mean r̄ · inverse_mean 1/r̄ · inverse_gap 1/(max − min)
    advantage_mean max − r̄ · advantage_dueling max − second max · regret_gap max − min

Missing rewards are left out. A spread of fewer than two known rewards is unknown (NaN), not 0: one
sample says nothing of spread. The variance is the unbiased one, so that values from different n
compare, and of 0/1 rewards it is their learnability. An inverse counts what is below its floor as
the floor, so that it stays finite and ordered where rewards are 0, negative or all equal. Max and
min grow with n; option `size` gives their expectation at a common n instead. Left out is the
public code's min-max normalisation over the batch, which zeroes one prompt and lets one outlier
dominate.

Source: Ye et al., 2024, arXiv 2411.00062, table 1 and section 4.
"""

from __future__ import annotations

from collections.abc import Callable
from math import comb

import numpy as np

from creator.estimators.evidence import Estimator, stateless
from creator.estimators.moments import FloatArray, counts, highest, lowest, means, variances
from creator.estimators.table import (
    InverseMeanOptions,
    InverseOptions,
    MeanOptions,
    SizeOptions,
)
from selfplay.core.components import NoOptions

Chances = Callable[[int, int, int], int]
"""From (i, n, m): how many m-subsets of n sorted rewards have the i-th (from 1) in some place."""


def uniform(options: NoOptions) -> Estimator:
    """1, whatever the rewards: the control that selects nothing."""
    return stateless(lambda rewards_PG: np.ones(len(rewards_PG)))


def variance(options: NoOptions) -> Estimator:
    """Unbiased variance of the rewards; NaN with fewer than two."""
    return stateless(variances)


def mean(options: MeanOptions) -> Estimator:
    """Mean reward above the origin, cut at 0; NaN without any."""
    return stateless(lambda rewards_PG: np.maximum(means(rewards_PG) - options.origin, 0.0))


def inverse_mean(options: InverseMeanOptions) -> Estimator:
    """1 / mean reward above the origin, which counts as the floor where it is lower."""
    return stateless(
        lambda rewards_PG: 1.0 / np.maximum(means(rewards_PG) - options.origin, options.floor)
    )


def inverse_gap(options: InverseOptions) -> Estimator:
    """1 / (max − min), which counts as the floor where it is lower; NaN with fewer than two."""
    return stateless(lambda rewards_PG: 1.0 / np.maximum(gaps(rewards_PG), options.floor))


def advantage_mean(options: SizeOptions) -> Estimator:
    """max − mean (A*_avg); NaN with fewer than two rewards, or than `size`."""

    def measure(rewards_PG: FloatArray) -> FloatArray:
        above_PG = above_lowest(rewards_PG)
        top_P = expected(above_PG, options.size, _as_highest)
        return np.maximum(top_P - means(above_PG), 0.0)

    return stateless(measure)


def advantage_dueling(options: SizeOptions) -> Estimator:
    """max − second max (A*_dts); NaN with fewer than two rewards, or than `size`."""

    def measure(rewards_PG: FloatArray) -> FloatArray:
        above_PG = above_lowest(rewards_PG)
        top_P = expected(above_PG, options.size, _as_highest)
        return np.maximum(top_P - expected(above_PG, options.size, _as_second), 0.0)

    return stateless(measure)


def regret_gap(options: SizeOptions) -> Estimator:
    """max − min (A*_min); NaN with fewer than two rewards, or than `size`."""

    def measure(rewards_PG: FloatArray) -> FloatArray:
        above_PG = above_lowest(rewards_PG)
        top_P = expected(above_PG, options.size, _as_highest)
        return np.maximum(top_P - expected(above_PG, options.size, _as_lowest), 0.0)

    return stateless(measure)


def gaps(rewards_PG: FloatArray) -> FloatArray:
    """max − min of the known; NaN with fewer than two. Shape (prompts,)."""
    gaps_P = highest(rewards_PG) - lowest(rewards_PG)
    return np.where(counts(rewards_PG) >= 2, gaps_P, np.nan)


def above_lowest(rewards_PG: FloatArray) -> FloatArray:
    """Rewards less their row's lowest, unknown ones NaN: equal rewards become exact zeros."""
    known_PG = np.where(np.isfinite(rewards_PG), rewards_PG, np.nan)
    return np.asarray(known_PG - lowest(rewards_PG)[:, None])


def expected(rewards_PG: FloatArray, size: int | None, chances: Chances) -> FloatArray:
    """Expectation of an order statistic of `size` of the row's known rewards. Shape (prompts,).

    The mean over all subsets of that size, hence unbiased for `size` fresh samples whatever n is;
    with size None, of all. NaN with fewer than two known rewards, or than `size`.
    """
    sorted_PG = np.nan_to_num(np.sort(rewards_PG, axis=1))  # NaN comes last
    counts_P, largest, smallest = counts(rewards_PG), rewards_PG.shape[1], max(2, size or 0)
    weights_NG = np.zeros((largest + 1, largest))
    for n in range(smallest, largest + 1):
        m = size or n
        weights_NG[n, :n] = [chances(i, n, m) / comb(n, m) for i in range(1, n + 1)]
    expected_P = (weights_NG[counts_P] * sorted_PG).sum(axis=1)
    return np.where(counts_P >= smallest, expected_P, np.nan)


def _as_highest(i: int, n: int, m: int) -> int:
    return comb(i - 1, m - 1)


def _as_second(i: int, n: int, m: int) -> int:
    return (n - i) * comb(i - 1, m - 2)


def _as_lowest(i: int, n: int, m: int) -> int:
    return comb(n - i, m - 1)
