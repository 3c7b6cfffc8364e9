"""Prioritised level replay: what to replay, and whether to.

    P = (1 − ρ) · P_S + ρ · P_C,  P_S ∝ rank^(−1/β),  P_C ∝ rounds since the last visit

Robust PLR trains on replays alone: with probability q, once the pool is warm, a round replays;
otherwise it looks at new prompts, which are scored without a gradient. What a full pool lets go is
said in `creator.pool.replacements`.

Sources: Jiang et al., 2021, arXiv 2010.03934, section 3; Jiang et al., 2021, arXiv 2110.02439,
algorithm 1. Left out: eviction that also weighs staleness.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from creator.estimators.evidence import required
from creator.replay import ReplayOptions
from creator.samplers.candidates import Candidates, Sampler, filled
from creator.samplers.distributions import Mixture, Ranked, floored, successive
from creator.samplers.table import PlrOptions
from creator.samplers.weighted import by_score


def plr(options: PlrOptions) -> Sampler:
    """By rank, mixed with staleness and then with the floor."""

    def sample(candidates: Candidates, k: int, rng: np.random.Generator) -> NDArray[np.intp]:
        size = len(candidates)
        stale = by_score(np.maximum(required(candidates.ages_P, "ages_P", "plr"), 0))
        ranked = Ranked(filled(candidates.scores_P), options.temperature)
        mixture = Mixture(ranked, stale, options.staleness)
        return successive(floored(mixture, size, options.floor), size, k, rng)

    return sample


def replays(held: int, options: ReplayOptions, rng: np.random.Generator) -> bool:
    """Whether robust PLR replays: never from a cold pool, else with probability q."""
    return held >= options.warm and rng.random() < options.probability
