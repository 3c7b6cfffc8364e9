"""How varied prompts are: in their words, in their meanings, and as a number of kinds.

Each measure sees something else and none is enough alone: an overlap penalty can drive the words
apart while the meanings collapse. Where nothing can be said, a measure is NaN, not 0.

Sources: distinct-n, Li et al., 2016, arXiv 1510.03055; the effective number of kinds is the Vendi
score with the cosine kernel, Friedman & Dieng, 2023, arXiv 2210.02410. It was chosen over the
entropy of cluster shares since it needs neither a number of clusters nor a seed. Left out: its
orders q ≠ 1, and words of languages that are written without spaces.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from creator.estimators.moments import FloatArray, Floats


def distinct_ngrams(texts: Sequence[str], n: int = 2) -> float:
    """Share of the n-grams of words, case aside, that are different: 0 to 1.

    It falls as texts become more, so only sets of about the same size are comparable. NaN where no
    text has n words.

    Raises:
        ValueError: n is below 1.
    """
    if n < 1:
        raise ValueError(f"expected n-grams of 1 word or more, found n = {n}")
    seen: set[tuple[str, ...]] = set()
    total = 0
    for text in texts:
        words = text.casefold().split()
        grams = list(zip(*(words[i:] for i in range(n)), strict=False))
        seen.update(grams)
        total += len(grams)
    return len(seen) / total if total else math.nan


def embedding_spread(vectors_ND: Floats) -> float:
    """Mean cosine distance between two different vectors: 0 all alike, 1 unrelated, up to 2.

    Exact, from the length of the vectors' sum: the N² − N cosines add up to ‖Σu‖² − N. NaN with
    fewer than two vectors.

    Raises:
        ValueError: a vector has no direction.
    """
    units_ND = units(vectors_ND)
    count = len(units_ND)
    if count < 2:
        return math.nan
    total_D = units_ND.sum(axis=0)
    return float(1.0 - (total_D @ total_D - count) / (count * (count - 1)))


def effective_clusters(vectors_ND: Floats) -> float:
    """The effective number of different kinds: 1 where all vectors are alike, up to N.

    exp(−Σ λ ln λ) over the eigenvalues λ of the cosines divided by N, whose sum is 1. They are
    those of Σ uuᵀ / N too, so time grows with N·min(N, D)². For groups that are orthogonal to each
    other and alike within, it is the exponential of the entropy of their shares. NaN without
    vectors.

    Raises:
        ValueError: a vector has no direction.
    """
    units_ND = units(vectors_ND)
    count, width = units_ND.shape
    if count == 0:
        return math.nan
    products = units_ND @ units_ND.T if count < width else units_ND.T @ units_ND
    shares = np.linalg.eigvalsh(products / count)
    shares = shares[shares > 0]  # rounding gives tiny negative ones
    return float(np.exp(-(shares * np.log(shares)).sum()))


def units(vectors_ND: Floats) -> FloatArray:
    """The vectors' directions, in double precision.

    Raises:
        ValueError: not a table, or a vector that is 0 or not finite.
    """
    if vectors_ND.ndim != 2:
        raise ValueError(f"expected vectors of shape (N, D), found {vectors_ND.shape}")
    vectors_ND = vectors_ND.astype(np.float64)
    lengths_N = np.linalg.norm(vectors_ND, axis=1)
    bad = np.flatnonzero(~(np.isfinite(lengths_N) & (lengths_N > 0)))
    if len(bad):
        raise ValueError(f"expected vectors with a direction, found {vectors_ND[bad[0]]}")
    return np.asarray(vectors_ND / lengths_N[:, None])
