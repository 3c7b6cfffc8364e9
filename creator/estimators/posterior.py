"""A Beta posterior of each prompt's success rate that forgets.

    α ← (1 − λ)α + λα₀ + s        β ← (1 − λ)β + λβ₀ + f

once every round, with s successes and f failures, which are 0 in a round that did not ask. What is
remembered is the part above the prior, α − α₀, for which the same reads (1 − λ)(α − α₀) + s; a
prompt is brought up to date when it is needed, by (1 − λ) to the power of the rounds since.

Source: Shen et al., 2025, BOTS, arXiv 2510.26374, with ρ = 0: left out is the evidence it
interpolates for prompts that were not asked from reference models' success rates.
"""

from __future__ import annotations

import numpy as np

from creator.estimators.evidence import Estimated, Estimator, Evidence, estimated
from creator.estimators.learnability import tallies
from creator.estimators.moments import FloatArray, Integers
from creator.estimators.table import PosteriorOptions


def posterior(options: PosteriorOptions) -> Estimator:
    """The posterior read as E[p(1 − p)], as E[p], or as q(1 − q) with q drawn from it.

    A prompt without scored responses has the value that its faded posterior, at last the prior,
    gives it.
    """

    def measure(evidence: Evidence, rng: np.random.Generator) -> Estimated:
        before = evidence.previous
        kept_P = kept(evidence.round - before.seen_P, options.forgetting)
        successes_P, failures_P = tallies(evidence.rewards_PG, options.threshold)
        successes_P += kept_P * before.successes_P
        failures_P += kept_P * before.failures_P
        alpha_P = options.prior_successes + successes_P
        beta_P = options.prior_failures + failures_P
        values_P = read(alpha_P, beta_P, options.reading, rng)
        return estimated(evidence, values_P, successes_P=successes_P, failures_P=failures_P)

    return measure


def kept(ages_P: Integers, forgetting: float) -> FloatArray:
    """What is left of evidence after `ages_P` rounds: (1 − λ)^age. Shape (prompts,)."""
    return np.asarray((1.0 - forgetting) ** np.maximum(ages_P, 0), dtype=np.float64)


def read(
    alpha_P: FloatArray, beta_P: FloatArray, reading: str, rng: np.random.Generator
) -> FloatArray:
    """One number for each Beta(α, β), by one of `READINGS`. Shape (prompts,)."""
    if reading == "success":
        return alpha_P / (alpha_P + beta_P)
    if reading == "thompson":
        drawn_P = rng.beta(alpha_P, beta_P)
        return drawn_P * (1.0 - drawn_P)
    total_P = alpha_P + beta_P
    return alpha_P * beta_P / (total_P * (total_P + 1.0))
