"""Prioritised level replay: what to replay, whether to, and what a full buffer lets go.

    P = (1 − ρ) · P_S + ρ · P_C,  P_S ∝ rank^(−1/β),  P_C ∝ rounds since the last visit

Robust PLR trains on replays alone: with probability q, once the buffer is warm, it replays;
otherwise it looks at new prompts, which are scored without a gradient, and inserts those that are
at least as good as what they push out.

Sources: Jiang et al., 2021, arXiv 2010.03934, section 3; Jiang et al., 2021, arXiv 2110.02439,
algorithm 1. Left out: eviction that also weighs staleness.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from creator.estimators.evidence import required
from creator.estimators.moments import Floats
from creator.samplers.candidates import Candidates, Sampler, filled
from creator.samplers.distributions import Mixture, Ranked, floored, successive
from creator.samplers.weighted import by_score
from creator.tables.samplers import PlrOptions, ReplayOptions


def plr(options: PlrOptions) -> Sampler:
    """By rank, mixed with staleness and then with the floor."""

    def sample(candidates: Candidates, k: int, rng: np.random.Generator) -> NDArray[np.intp]:
        size = len(candidates)
        stale = by_score(np.maximum(required(candidates.ages_P, "ages_P", "plr"), 0))
        ranked = Ranked(filled(candidates.scores_P), options.temperature)
        mixture = Mixture(ranked, stale, options.staleness)
        return successive(floored(mixture, size, options.floor), size, k, rng)

    return sample


def replays(held: int, capacity: int, options: ReplayOptions, rng: np.random.Generator) -> bool:
    """Whether to replay: never from an empty buffer or a cold one, else with probability q."""
    lot = rng.random()  # drawn always, so that later draws do not depend on the buffer
    return 0 < held >= options.warm * capacity and lot < options.probability


@dataclass(frozen=True, eq=False)
class Insertion:
    """What changes in a buffer."""

    admitted_B: NDArray[np.intp]
    """Indices of the newcomers that come in, ascending."""
    evicted_P: NDArray[np.intp]
    """Indices of the held that go, ascending."""


def insertion(held_P: Floats, newcomers_B: Floats, capacity: int) -> Insertion:
    """Newcomers come in one after the other; a full buffer lets go of its lowest score for one
    that is at least as high.

    Of equal scores the one held longest goes. An unknown score (NaN) counts as the mean of the
    known. A buffer over its capacity is brought down to it.

    Raises:
        ValueError: a score is negative or infinite.
    """
    held, new = len(held_P), len(newcomers_B)
    scores = filled(np.concatenate([held_P, newcomers_B]))
    surplus = max(0, held + new - capacity)
    # Whoever goes is among the newcomers or the lowest of the held: nothing else needs an order.
    low = np.concatenate([lowest(scores[:held], surplus), np.arange(held, held + new)])
    gone = np.sort(low[np.lexsort((low, scores[low]))][:surplus])
    stays_B = np.setdiff1d(np.arange(held, held + new), gone, assume_unique=True) - held
    return Insertion(stays_B, gone[gone < held])


def lowest(scores_P: Floats, count: int) -> NDArray[np.intp]:
    """Indices of the `min(count, P)` lowest scores; of equal ones the first. In no order."""
    count = min(count, len(scores_P))
    if count == 0:
        return np.empty(0, dtype=np.intp)
    last = np.partition(scores_P, count - 1)[count - 1]
    below = np.flatnonzero(scores_P < last)
    return np.concatenate([below, np.flatnonzero(scores_P == last)[: count - len(below)]])
