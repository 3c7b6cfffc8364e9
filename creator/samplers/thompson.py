"""Thompson sampling of success rates.

For each prompt a success rate q is drawn from Beta(α₀ + successes, β₀ + failures), the counts faded
by the rounds since the last visit, and those whose q is nearest to a target are taken. A prompt
that was never asked is drawn from the prior, so uncertainty alone brings it up now and then.

Source: Shen et al., 2025, BOTS, arXiv 2510.26374.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from creator.estimators.evidence import required
from creator.estimators.posterior import kept
from creator.samplers.candidates import Candidates, Sampler
from creator.samplers.draws import highest
from creator.samplers.table import ThompsonOptions


def thompson(options: ThompsonOptions) -> Sampler:
    """Those whose drawn success rate is nearest to the target; scores are not looked at."""

    def sample(candidates: Candidates, k: int, rng: np.random.Generator) -> NDArray[np.intp]:
        ages_P = required(candidates.ages_P, "ages_P", "thompson")
        successes_P = required(candidates.successes_P, "successes_P", "thompson")
        failures_P = required(candidates.failures_P, "failures_P", "thompson")
        kept_P = kept(ages_P, options.forgetting)
        rates_P = rng.beta(
            options.prior_successes + kept_P * successes_P,
            options.prior_failures + kept_P * failures_P,
        )
        return highest(-np.abs(rates_P - options.target), k, rng)

    return sample
