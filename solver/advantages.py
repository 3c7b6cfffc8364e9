"""Advantages of a group's responses: pure functions of rewards. NaN marks a missing reward."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

EPSILON = 1e-4
"""Added to a standard deviation before dividing by it; TRL's value."""


def rloo_advantages(rewards_PG: FloatArray) -> FloatArray:
    """Leave-one-out advantages: A_i = R_i - mean of the other rewards of its group.

    Each row sums to zero and A = k/(k-1) (R - mean), with k its scorable rewards. A missing
    reward enters no baseline and has advantage 0; so has a reward that is alone in its row.

    Args:
        rewards_PG: shape (prompts, responses); NaN where missing.

    Source: Ahmadian et al., 2024, "Back to Basics", arXiv 2402.14740, section 3.
    """
    scorable_PG = np.isfinite(rewards_PG)
    counts_P1 = scorable_PG.sum(axis=1, keepdims=True)
    known_PG = np.where(scorable_PG, rewards_PG, 0.0)
    means_P1 = known_PG.sum(axis=1, keepdims=True) / np.maximum(counts_P1, 1)
    scale_P1 = counts_P1 / np.maximum(counts_P1 - 1, 1)
    advantages_PG = scale_P1 * (known_PG - means_P1)
    # Equal rewards must give exactly zero: a mean of equal floats may differ in the last bit.
    informative_P1 = (counts_P1 > 1) & ~tied_groups(rewards_PG)[:, None]
    return np.where(scorable_PG & informative_P1, advantages_PG, 0.0)


def grpo_advantages(rewards_PG: FloatArray, scaled: bool = True) -> FloatArray:
    """Group-relative advantages: A = (R - mean) / (std + 1e-4), or R - mean where not `scaled`.

    Mean and standard deviation (with Bessel's correction) are of the group's scorable rewards. A
    missing reward has advantage 0; so has one that is alone in its row or equal to all others.

    Args:
        rewards_PG: shape (prompts, responses); NaN where missing.

    Source: Shao et al., 2024, arXiv 2402.03300, section 4.1.2; unscaled, Liu et al., 2025, arXiv
    2503.20783, section 3.2.
    """
    scorable_PG = np.isfinite(rewards_PG)
    counts_P1 = scorable_PG.sum(axis=1, keepdims=True)
    known_PG = np.where(scorable_PG, rewards_PG, 0.0)
    means_P1 = known_PG.sum(axis=1, keepdims=True) / np.maximum(counts_P1, 1)
    informative_P1 = (counts_P1 > 1) & ~tied_groups(rewards_PG)[:, None]
    centred_PG: FloatArray = np.where(scorable_PG & informative_P1, rewards_PG - means_P1, 0.0)
    if not scaled:
        return centred_PG
    squares_P1 = np.square(centred_PG).sum(axis=1, keepdims=True)
    deviations_P1 = np.sqrt(squares_P1 / np.maximum(counts_P1 - 1, 1))
    return np.asarray(centred_PG / (deviations_P1 + EPSILON))


def tied_groups(rewards_PG: FloatArray) -> NDArray[np.bool_]:
    """Shape (prompts,): whether all scorable rewards of the row are equal (or at most one is)."""
    scorable_PG = np.isfinite(rewards_PG)
    highest_P = np.where(scorable_PG, rewards_PG, -np.inf).max(axis=1)
    lowest_P = np.where(scorable_PG, rewards_PG, np.inf).min(axis=1)
    return np.asarray(highest_P <= lowest_P)


def normalized(advantages_PG: FloatArray, scorable_PG: NDArray[np.bool_]) -> FloatArray:
    """Scorable advantages centred and divided by their standard deviation over the whole batch.

    A batch without spread stays as it is. Shape (prompts, responses).
    """
    scorable = advantages_PG[scorable_PG]
    deviation = scorable.std(ddof=1) if scorable.size > 1 else 0.0
    if deviation == 0.0:
        return advantages_PG
    return np.where(scorable_PG, (advantages_PG - scorable.mean()) / (deviation + EPSILON), 0.0)
