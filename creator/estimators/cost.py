"""Information per generated token: the same gain is worth more where answers are short.

    value / (mean tokens of a response + overhead)^power

The budget of a run is generated tokens, so under proportional sampling this spends it, rather than
the places of a round, in proportion to the information. A power below 1 softens it: in full it
also prefers prompts whose answers are short because they are wrong.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from creator.estimators.evidence import Estimated, Estimator, Evidence, required
from creator.estimators.moments import FloatArray, means
from creator.estimators.table import CostOptions


def per_token(options: CostOptions) -> Estimator:
    """Another metric per generated token; NaN where no response has tokens."""
    inner: Estimator = options.of.build()

    def measure(evidence: Evidence, rng: np.random.Generator) -> Estimated:
        tokens_PG = required(evidence.tokens_PG, "tokens_PG", "per_token")
        lengths_P = means(np.where(tokens_PG > 0, tokens_PG, np.nan))
        prices_P: FloatArray = (lengths_P + options.overhead) ** options.power
        found = inner(evidence, rng)
        held_P = None if found.held_P is None else found.held_P / prices_P
        return replace(found, values_P=found.values_P / prices_P, held_P=held_P)

    return measure
