"""The best k prompts that still differ: by cells, or greedily by value and distance.

`cells` is MAP-Elites' idea (Mouret & Clune, 2015, arXiv 1504.04909) turned into an order: the best
of every cell comes before the second best of any. `maxmin` is greedy: each step takes the prompt
with the highest mean of its value's rank (0 to 1) and of its cosine distance to the nearest one
taken, among the `POOL` · k most valuable ones (at most `MOST`), so that it takes O(k · pool).

Prompts without an estimate count as the least valuable. Among equals the earlier one comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from selfplay.core.words import words
from selfplay.exports.candidates import Candidates

BANDS = 5
"""Of difficulty, that cells tell apart."""
POOL = 8
MOST = 20_000
WIDTH = 512
"""Dimensions of the hashed words."""

Vectors = Callable[[NDArray[np.intp]], NDArray[np.float32]]
"""From P places to unit vectors, shape (P, D)."""


def best(found: Candidates, count: int) -> NDArray[np.intp]:
    """The places of the `count` most valuable prompts, best first."""
    return _ranking(found.value_N)[:count]


def by_cells(found: Candidates, count: int) -> NDArray[np.intp]:
    """The places of `count` prompts, shape (K,): the best of each cell, then the second best, …"""
    known_N = np.nan_to_num(found.difficulty_N, nan=-1.0)
    # Unknown difficulties are a band of their own.
    band_N = np.where(known_N < 0, BANDS, np.minimum(known_N * BANDS, BANDS - 1)).astype(np.int64)
    cell_N = found.kind_N.astype(np.int64) * (BANDS + 1) + band_N
    ranked_N = _ranking(found.value_N)
    by_cell_N = ranked_N[np.argsort(cell_N[ranked_N], kind="stable")]
    _, starts, sizes = np.unique(cell_N[by_cell_N], return_index=True, return_counts=True)
    turn_N = np.empty(len(found), np.int64)
    turn_N[by_cell_N] = np.arange(len(found)) - np.repeat(starts, sizes)
    return ranked_N[np.argsort(turn_N[ranked_N], kind="stable")][:count]


def by_distance(found: Candidates, count: int, vectors: Vectors) -> NDArray[np.intp]:
    """The places of `count` prompts, shape (K,), in the order in which greedy steps took them."""
    pool_P = best(found, max(count, min(count * POOL, MOST)))
    if not count or not len(pool_P):
        return pool_P[:0]
    vectors_PD = vectors(pool_P)
    rank_P = np.linspace(1.0, 0.0, len(pool_P))
    distance_P = np.ones(len(pool_P))
    taken = []
    for _ in range(min(count, len(pool_P))):
        step = int(np.argmax(rank_P + distance_P))
        taken.append(step)
        np.minimum(distance_P, 1.0 - vectors_PD @ vectors_PD[step], out=distance_P)
        rank_P[step] = -np.inf
    return pool_P[taken]


def hashed_words(texts: Sequence[str]) -> NDArray[np.float32]:
    """Bags of words and of word pairs, hashed, with unit length: shape (N, WIDTH)."""
    bags_ND = np.zeros((len(texts), WIDTH), np.float32)
    for i, text in enumerate(texts):
        found = words(text)
        pairs = [f"{one} {other}" for one, other in pairwise(found)]
        for gram in [*found, *pairs]:
            hashed = crc32(gram.encode())
            bags_ND[i, hashed % WIDTH] += 1.0 if hashed >> 31 else -1.0
    lengths_N = np.linalg.norm(bags_ND, axis=1, keepdims=True)
    vectors_ND: NDArray[np.float32] = bags_ND / np.maximum(lengths_N, 1e-12)
    return vectors_ND


def _ranking(value_N: NDArray[np.float64]) -> NDArray[np.intp]:
    """Places by value, highest first; NaN last."""
    return np.argsort(-np.nan_to_num(value_N, nan=-np.inf), kind="stable")
