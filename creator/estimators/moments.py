"""Means, extremes and variances over the last axis, NaN being unknown and left out.

NumPy's own `nan` functions warn where nothing is known and turn equal numbers into tiny variances;
these give NaN, and exactly 0. In shapes, `X` stands for any leading axes and `R` for the repeats.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.floating[Any]]
"""Of any precision: a pool's columns take half the room."""
Integers: TypeAlias = NDArray[np.integer[Any]]
"""Of any width."""


def counts(values_XR: NDArray[Any]) -> IntArray:
    """How many are known (finite). Shape X."""
    return np.asarray(np.isfinite(values_XR).sum(axis=-1), dtype=np.int64)


def ratio(above: NDArray[Any], below: NDArray[Any]) -> FloatArray:
    """`above / below`, NaN where `below` is not above 0."""
    above, below = np.broadcast_arrays(above, below)
    quotient = np.full(above.shape, np.nan)
    np.divide(above, below, out=quotient, where=below > 0)
    return quotient


def means(values_XR: NDArray[Any]) -> FloatArray:
    """Mean of the known; NaN without any. Shape X."""
    known = np.isfinite(values_XR)
    return ratio(np.where(known, values_XR, 0.0).sum(axis=-1), known.sum(axis=-1))


def highest(values_XR: NDArray[Any]) -> FloatArray:
    """Largest of the known; NaN without any. Shape X."""
    found = np.where(np.isfinite(values_XR), values_XR, -np.inf).max(axis=-1, initial=-np.inf)
    return np.where(np.isfinite(found), found, np.nan)


def lowest(values_XR: NDArray[Any]) -> FloatArray:
    """Smallest of the known; NaN without any. Shape X."""
    return -highest(-values_XR)


def centred(values_XR: NDArray[Any]) -> FloatArray:
    """Deviations from the mean: exactly 0 where all known are equal, NaN where unknown."""
    # Taking the minimum off first makes equal values exact zeros, whose mean is exact too.
    shifted = np.where(np.isfinite(values_XR), values_XR, np.nan) - lowest(values_XR)[..., None]
    return np.asarray(shifted - means(shifted)[..., None])


def variances(values_XR: NDArray[Any]) -> FloatArray:
    """Unbiased variance (n − 1) of the known; NaN with fewer than two. Shape X."""
    squares = np.nan_to_num(np.square(centred(values_XR))).sum(axis=-1)
    return ratio(squares, counts(values_XR) - 1)


def variance_between(values_XUR: NDArray[Any]) -> FloatArray:
    """Variance of U units' true means, each unit measured repeatedly with noise. Shape X.

    max(0, Var_u(mean_u) − mean_u(σ²/m_u)): the variance of the observed means less what the noise
    of m_u repeats adds to it, σ² being pooled over the units. Unbiased before it is cut at 0. NaN
    with fewer than two units, or without any repeat to measure the noise by.

    Source: the method of moments of one-way random effects (Searle et al., 1992, section 3.6).
    """
    repeats_XU = counts(values_XUR)
    degrees_XU = np.maximum(repeats_XU - 1, 0)
    squares_X = np.nan_to_num(variances(values_XUR) * degrees_XU).sum(axis=-1)
    noise_X = ratio(squares_X, degrees_XU.sum(axis=-1))
    error_X = noise_X * means(ratio(np.ones(()), repeats_XU))
    return np.maximum(variances(means(values_XUR)) - error_X, 0.0)
