"""Samplers that draw by the scores: P ∝ score, ∝ rank^(−1/β), ∝ exp(score / T), or the highest.

All but the last can have a uniform floor. The rules for zero, unknown and equal scores are those of
`creator.samplers.candidates`.

Sources: eva, arXiv 2411.00062, section 4 (proportional; greedy as its ablation); Schaul et al.,
2016, "Prioritized Experience Replay", arXiv 1511.05952, section 3.3 (rank).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from creator.estimators.moments import Floats, Integers
from creator.samplers.candidates import Candidates, Sampler, filled
from creator.samplers.distributions import (
    Distribution,
    Ranked,
    Uniform,
    Weighted,
    floored,
    successive,
)
from creator.samplers.draws import draw, highest
from creator.samplers.table import FloorOptions, RankOptions, SoftmaxOptions
from selfplay.core.components import NoOptions


def proportional(options: FloorOptions) -> Sampler:
    """P ∝ score."""

    def sample(candidates: Candidates, k: int, rng: np.random.Generator) -> NDArray[np.intp]:
        size = len(candidates)
        distribution = by_score(filled(candidates.scores_P))
        return successive(floored(distribution, size, options.floor), size, k, rng)

    return sample


def rank(options: RankOptions) -> Sampler:
    """P ∝ rank^(−1/β), rank 1 being the highest score."""

    def sample(candidates: Candidates, k: int, rng: np.random.Generator) -> NDArray[np.intp]:
        size = len(candidates)
        distribution = Ranked(filled(candidates.scores_P), options.temperature)
        return successive(floored(distribution, size, options.floor), size, k, rng)

    return sample


def softmax(options: SoftmaxOptions) -> Sampler:
    """P ∝ exp(score / T)."""

    def sample(candidates: Candidates, k: int, rng: np.random.Generator) -> NDArray[np.intp]:
        size, scores_P = len(candidates), filled(candidates.scores_P)
        logits_P = scores_P.astype(np.float64) / options.temperature
        logits_P[scores_P == 0] = -np.inf
        if options.floor == 0:
            return draw(logits_P, k, rng)  # in logarithms: at a low T most weights underflow
        weights_P = np.exp(logits_P - logits_P.max(initial=0.0))
        return successive(floored(by_score(weights_P), size, options.floor), size, k, rng)

    return sample


def greedy(options: NoOptions) -> Sampler:
    """The highest scores, equal ones at random."""

    def sample(candidates: Candidates, k: int, rng: np.random.Generator) -> NDArray[np.intp]:
        return highest(filled(candidates.scores_P), k, rng)

    return sample


def by_score(scores_P: Floats | Integers) -> Distribution:
    """P ∝ score; uniform where all are 0."""
    return Weighted(scores_P) if scores_P.any() else Uniform(len(scores_P))
