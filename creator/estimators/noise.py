"""Spread of the responses with the judge's own noise taken off.

A large gap can mean ambiguous grading. With m judgements of each response, of variance σ_J²:

- corrected_variance: max(0, Var_i(mean judgement) − σ_J²/m), σ_J² measured within the responses of
  the same prompt, since some prompts are harder to grade than others;
- corrected_gap: the best and the worst response are chosen by one half of the judgements and valued
  by the other half, both ways round, averaged and cut at 0. Where responses do not differ, choice
  and valuation are independent, and the expectation before the cut is 0.

Source: docs/methods.md section 7; sample splitting as in the debiasing of a maximum (van Hasselt,
2010, "Double Q-learning").
"""

from __future__ import annotations

import numpy as np

from creator.estimators.evidence import Estimated, Estimator, Evidence, estimated, required
from creator.estimators.moments import FloatArray, means, variance_between
from selfplay.core.components import NoOptions


def corrected_variance(options: NoOptions) -> Estimator:
    """Variance of the responses' true rewards; NaN with fewer than two, or without repeats."""

    def measure(evidence: Evidence, rng: np.random.Generator) -> Estimated:
        judged_PGJ = required(evidence.judgements_PGJ, "judgements_PGJ", "corrected_variance")
        return estimated(evidence, variance_between(judged_PGJ))

    return measure


def corrected_gap(options: NoOptions) -> Estimator:
    """Gap of the responses' true rewards; NaN with fewer than two that were judged twice."""

    def measure(evidence: Evidence, rng: np.random.Generator) -> Estimated:
        judged_PGJ = required(evidence.judgements_PGJ, "judgements_PGJ", "corrected_gap")
        even_PG, odd_PG = means(judged_PGJ[..., 0::2]), means(judged_PGJ[..., 1::2])
        both_P = (chosen_gap(even_PG, odd_PG) + chosen_gap(odd_PG, even_PG)) / 2.0
        return estimated(evidence, np.maximum(both_P, 0.0))

    return measure


def chosen_gap(choosing_PG: FloatArray, valuing_PG: FloatArray) -> FloatArray:
    """Value of the response that `choosing_PG` puts first less that of the one it puts last.

    Shape (prompts,); may be negative; NaN with fewer than two responses known to both.
    """
    known_PG = np.isfinite(choosing_PG) & np.isfinite(valuing_PG)
    rows = np.arange(len(known_PG))
    if known_PG.shape[1] == 0:
        return np.full(len(rows), np.nan)
    best_P = np.where(known_PG, choosing_PG, -np.inf).argmax(axis=1)
    worst_P = np.where(known_PG, choosing_PG, np.inf).argmin(axis=1)
    gaps_P = valuing_PG[rows, best_P] - valuing_PG[rows, worst_P]
    return np.where(known_PG.sum(axis=1) >= 2, gaps_P, np.nan)
