"""Boltzmann's rule on a running mean of what an attempt brings.

    r_k = informativeness of the round's children of operator k / its trials
    Q_k ← α r_k + (1 − α) Q_k, and Q_k = r_k the first time
    P_k = (1 − ε) · w_k exp(Q_k / τ) / Σ + ε · w_k / Σ w

With equal Q the shares are those of the configured weights w, and none falls below ε of its own. An
operator without evidence counts as the mean of those with some: ignorance is no evidence that it
is useless. A round without trials of an operator leaves its Q as it is. Rewards are per attempt, so
that rejections cost.

UCB is left out: its index is deterministic, so that a round, all of whose picks are made before
anything is known of them, would go to one operator.

Source: after Chen et al., 2025, "Self-Evolving Curriculum", arXiv 2505.14970, section 3, whose arms
are categories of prompts and whose Q begins at 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from creator.bandits.chooser import Arms, Chooser
from creator.bandits.table import BoltzmannOptions
from creator.estimators.moments import FloatArray, means, ratio


def boltzmann(options: BoltzmannOptions) -> Chooser:
    """Independent draws from P."""

    def choose(arms: Arms, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
        shares_K = shares(arms.weights_K, values(arms, options.rate), options)
        return rng.choice(len(shares_K), size=count, p=shares_K)

    return choose


def values(arms: Arms, rate: float) -> FloatArray:
    """Q of each operator; NaN of one without evidence. Shape (K,)."""
    rewards_TK = ratio(arms.informativeness_TK, arms.trials_TK)
    known_TK = np.isfinite(rewards_TK)
    newer_TK = np.maximum(known_TK[::-1].cumsum(axis=0)[::-1] - 1, 0)
    first_TK = known_TK & (known_TK.cumsum(axis=0) == 1)
    kept_TK = np.where(first_TK, 1.0, rate) * (1.0 - rate) ** newer_TK
    sums_K = np.where(known_TK, kept_TK * rewards_TK, 0.0).sum(axis=0)
    return np.where(known_TK.any(axis=0), sums_K, np.nan)


def shares(weights_K: FloatArray, values_K: FloatArray, options: BoltzmannOptions) -> FloatArray:
    """P of each operator. Shape (K,), its sum is 1."""
    given_K = weights_K / weights_K.sum()
    known_K = np.where(np.isfinite(values_K), values_K, np.nan_to_num(means(values_K)))
    open_K = weights_K > 0
    heights_K = np.exp(
        (known_K - known_K[open_K].max()) / options.temperature,
        where=open_K,
        out=np.zeros_like(known_K),
    )
    bent_K = given_K * heights_K
    mixed_K = (1.0 - options.floor) * bent_K / bent_K.sum() + options.floor * given_K
    return np.asarray(mixed_K / mixed_K.sum())
