"""Against the winner's curse: one half of the responses chooses, the other half values.

Among many prompts, those with the largest noisy estimates are those whose noise was largest, so
their estimates promise too much. Here the value to choose by comes from a random half of each
prompt's scored responses, and `held_P` from the other half: of the chosen prompts it is unbiased,
since it had no part in choosing them. Each half has half the responses, so metrics that grow with
n (max − min) are those of n/2.

Source: docs/methods.md section 2; data splitting for inference after selection (Cox, 1975).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from creator.estimators.evidence import Estimated, Estimator, Evidence
from creator.estimators.table import HalvesOptions


def split_halves(options: HalvesOptions) -> Estimator:
    """Another metric of one half of the responses, that of the other half held back.

    The state is what the metric makes of all of them.
    """
    inner: Estimator = options.of.build()

    def measure(evidence: Evidence, rng: np.random.Generator) -> Estimated:
        first_PG, second_PG = halves(np.isfinite(evidence.rewards_PG), rng)
        whole = inner(evidence, rng)
        choosing = inner(evidence.restricted(first_PG), rng)
        valuing = inner(evidence.restricted(second_PG), rng)
        return replace(
            whole,
            values_P=choosing.values_P,
            counts_P=choosing.counts_P,
            held_P=valuing.values_P,
        )

    return measure


def halves(
    known_PG: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Random halves of each row's known places; of an odd number, the first half has one more."""
    draws_PG = np.where(known_PG, rng.random(known_PG.shape), np.inf)
    places_PG = draws_PG.argsort(axis=1).argsort(axis=1)
    middle_P1 = (known_PG.sum(axis=1, keepdims=True) + 1) // 2
    first_PG = places_PG < middle_P1
    return known_PG & first_PG, known_PG & ~first_PG
