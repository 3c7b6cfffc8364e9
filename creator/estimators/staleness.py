"""How far an old estimate is to be believed, and what it is worth then.

The policy moves on, so an estimate says less with every round and every policy version. Trust
halves with each half-life, and a value moves to the mean of all known ones as trust goes: at no
trust it is what an unknown prompt's is. Moving to 0 instead would bury every prompt that is not
asked often, and it would never be asked again. A value under another judging fingerprint is in
another scale, has no trust at all, and is unknown.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from creator.estimators.moments import FloatArray, Floats, Integers
from creator.estimators.table import TrustOptions

BoolArray: TypeAlias = NDArray[np.bool_]


def trust(ages_P: Integers, lags_P: Integers, options: TrustOptions) -> FloatArray:
    """2^(−age/half-life) in rounds times the same in policy versions. Shape (prompts,), 0 to 1.

    Args:
        ages_P: rounds since the estimate; below 0 counts as 0.
        lags_P: policy versions since the estimate; below 0 counts as 0.
        options: the half-lives.
    """
    halvings_P = np.zeros(len(ages_P))
    for spans_P, life in ((ages_P, options.rounds), (lags_P, options.versions)):
        if life is not None:
            halvings_P += np.maximum(spans_P, 0) / life
    return np.exp2(-halvings_P)


def discounted(values_P: Floats, trust_P: FloatArray) -> FloatArray:
    """trust · value + (1 − trust) · mean; NaN where unknown. Shape (prompts,).

    The mean is that of the known values, each weighed by its trust.
    """
    weights_P = np.where(np.isfinite(values_P), trust_P, 0.0)
    total = weights_P.sum()
    if total == 0:  # nothing known, or nothing left of the trust in it
        return np.full(len(values_P), np.nan)
    mean = float(np.nan_to_num(values_P) @ weights_P / total)
    return np.asarray(trust_P * values_P + (1.0 - trust_P) * mean)


def due(ages_P: Integers, lags_P: Integers, options: TrustOptions, least: float) -> BoolArray:
    """Which estimates are trusted less than `least`: those to make again. Shape (prompts,)."""
    return trust(ages_P, lags_P, options) < least
