"""Learnability p(1 − p) of the success rate, and the filter for mixed outcomes.

Both look at the outcome, not at the spread of a shaped reward, which also differs within a group
that fails throughout. A response succeeds if its reward reaches the threshold.

Sources: Rutherford et al., 2024, "No Regrets" (SFL), arXiv 2408.15099; Yu et al., 2025, DAPO,
arXiv 2503.14476, section 3.2 (the filter; refilling the batch is the caller's business).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from creator.estimators.evidence import Estimated, Estimator, Evidence, stateless
from creator.estimators.moments import FloatArray, counts, means, variances
from creator.estimators.table import MixedOptions, SuccessOptions


def learnability(options: SuccessOptions) -> Estimator:
    """k/(k − 1) · p̂(1 − p̂), unbiased for p(1 − p) from k outcomes; NaN with fewer than two."""
    return stateless(lambda rewards_PG: variances(outcomes(rewards_PG, options.threshold)))


def mixed_outcomes(options: MixedOptions) -> Estimator:
    """Another metric where some responses succeed and some fail, 0 where all do the same.

    NaN with fewer than two scored responses: they cannot tell.
    """
    inner: Estimator = options.of.build()

    def measure(evidence: Evidence, rng: np.random.Generator) -> Estimated:
        rates_P = means(outcomes(evidence.rewards_PG, options.threshold))
        mixed_P = (rates_P > 0) & (rates_P < 1)
        found = inner(evidence, rng)
        values_P = np.where(mixed_P, found.values_P, 0.0)
        return replace(found, values_P=np.where(evidence.counts_P >= 2, values_P, np.nan))

    return measure


def outcomes(rewards_PG: FloatArray, threshold: float) -> FloatArray:
    """1 for a success, 0 for a failure, NaN where the reward is missing. Shape (P, G)."""
    return np.where(np.isfinite(rewards_PG), rewards_PG >= threshold, np.nan)


def tallies(rewards_PG: FloatArray, threshold: float) -> tuple[FloatArray, FloatArray]:
    """How many succeed and how many fail. Each of shape (prompts,)."""
    successes_P = np.nan_to_num(outcomes(rewards_PG, threshold)).sum(axis=1)
    return successes_P, counts(rewards_PG) - successes_P
