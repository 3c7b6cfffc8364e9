"""How likely each prompt is to be drawn first, for the samplers of which this is known exactly.

What the others would draw can only be tried: `thompson` compares draws from many posteriors, and
`stratified` and `quotas` divide the number of draws before they draw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from creator.estimators.evidence import required
from creator.estimators.moments import FloatArray, Floats
from creator.samplers.candidates import Candidates, filled
from creator.samplers.distributions import Distribution, Mixture, Ranked, floored
from creator.samplers.table import FloorOptions, PlrOptions, RankOptions, SoftmaxOptions
from creator.samplers.weighted import by_score
from selfplay.core.components import Choice, NoOptions

Explicit: TypeAlias = Callable[[Any, Candidates], Distribution]
"""From a sampler's options and the candidates to the distribution of the first draw."""


def first_shares(sampler: Choice, candidates: Candidates) -> FloatArray | None:
    """Each prompt's probability of being the first that is drawn; None where it is not known.

    Shape (prompts,).
    """
    explicit = EXPLICIT.get(sampler.name)
    if explicit is None or not len(candidates):
        return None
    return explicit(sampler.options, candidates).shares()


def _proportional(options: FloorOptions, candidates: Candidates) -> Distribution:
    return floored(by_score(filled(candidates.scores_P)), len(candidates), options.floor)


def _rank(options: RankOptions, candidates: Candidates) -> Distribution:
    ranked = Ranked(filled(candidates.scores_P), options.temperature)
    return floored(ranked, len(candidates), options.floor)


def _softmax(options: SoftmaxOptions, candidates: Candidates) -> Distribution:
    scores_P = filled(candidates.scores_P).astype(np.float64)
    weights_P = np.exp((scores_P - scores_P.max(initial=0.0)) / options.temperature)
    positive_P = np.where(scores_P > 0, weights_P, 0.0)
    return floored(by_score(positive_P), len(candidates), options.floor)


def _greedy(options: NoOptions, candidates: Candidates) -> Distribution:
    scores_P: Floats = filled(candidates.scores_P)
    return by_score((scores_P == scores_P.max()).astype(np.float64))


def _plr(options: PlrOptions, candidates: Candidates) -> Distribution:
    ranked = Ranked(filled(candidates.scores_P), options.temperature)
    stale = by_score(np.maximum(required(candidates.ages_P, "ages_P", "plr"), 0))
    return floored(Mixture(ranked, stale, options.staleness), len(candidates), options.floor)


EXPLICIT: Mapping[str, Explicit] = {
    "proportional": _proportional,
    "rank": _rank,
    "softmax": _softmax,
    "greedy": _greedy,
    "plr": _plr,
}
"""By the sampler's name."""
