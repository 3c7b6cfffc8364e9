"""Drawing without replacement: successively by weight, or the highest; and dividing k into parts.

`draw` is an exponential race (Efraimidis & Spirakis, 2006): item i finishes at Exp(1)/w_i, and the
first k to finish, in that order, are exactly k successive draws in proportion to the weights that
remain. Everything is in logarithms, so that weights may differ by any factor.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from creator.estimators.moments import FloatArray, Floats, IntArray

TINY = np.finfo(np.float32).tiny
"""What a positive score is at least in single precision, so that it stays above 0. The still
smaller numbers that there are take a hundred times as long to compute with."""

BLOCK = 1 << 15
"""Items that race at a time: few enough for the cache, and no array as long as the pool is made."""


def draw(log_weights_P: FloatArray, k: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """`min(k, P)` distinct indices, drawn one after the other in proportion to the weights.

    Items of weight 0 (−inf) come after all others, in random order.
    """
    winners = race(log_weights_P, k, rng)
    missing = min(k, len(log_weights_P)) - len(winners)
    if missing == 0:
        return winners
    without_weight = np.flatnonzero(log_weights_P == -np.inf)
    return np.concatenate([winners, rng.permutation(without_weight)[:missing]])


def race(log_weights_P: FloatArray, k: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """The first `k` items with a weight, as they finish; fewer where there are fewer."""
    rows, times, bound = np.empty(0, dtype=np.intp), np.empty(0), np.inf
    block = max(BLOCK, k)
    for start in range(0, len(log_weights_P) if k > 0 else 0, block):
        weights = log_weights_P[start : start + block]
        with np.errstate(divide="ignore"):  # an exponential draw may be 0: it finishes first
            finish = np.log(rng.standard_exponential(len(weights))) - weights
        early = np.flatnonzero(finish < bound)
        rows, times = np.append(rows, early + start), np.append(times, finish[early])
        if len(rows) > k:
            first = np.argpartition(times, k - 1)[:k]
            rows, times = rows[first], times[first]
            bound = times.max()
    return rows[np.argsort(times)]


def highest(scores_P: Floats, k: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """The `min(k, P)` highest scores, from the highest down; equal ones in random order."""
    count = min(k, len(scores_P))
    if count == 0:
        return np.empty(0, dtype=np.intp)
    last = np.partition(scores_P, -count)[-count]
    above, level = np.flatnonzero(scores_P > last), np.flatnonzero(scores_P == last)
    lots = rng.choice(len(level), count - len(above), replace=False)
    chosen = np.concatenate([above, level[lots]])
    return chosen[np.lexsort((rng.random(count), -scores_P[chosen]))]


def descending(scores_P: Floats) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The order from the highest score down, and a key at each place that falls as scores rise.

    Scores are 0 or more and compared in single precision, relative to the largest. Equal ones have
    equal keys and stay in their order. Sorting score and index as one integer is several times
    faster than `argsort`.
    """
    scaled_P = (scores_P / (scores_P.max(initial=0.0) or 1.0)).astype(np.float32)
    np.maximum(scaled_P, (scores_P > 0) * TINY, out=scaled_P)
    # The bits of floats that are not negative are in the order of the floats.
    packed = np.left_shift(~scaled_P.view(np.uint32), 32, dtype=np.uint64)
    packed |= np.arange(len(packed), dtype=np.uint64)
    packed.sort()
    order = packed.astype(np.uint32)  # the lower half
    packed >>= np.uint64(32)
    return order, packed.astype(np.uint32)


def apportioned(
    k: int, shares_K: FloatArray, room_K: IntArray, rng: np.random.Generator
) -> IntArray:
    """How many of `min(k, Σ room)` go to each part: in proportion to its share, up to its room.

    What does not fit in a part goes to the others in proportion. Fractions are rounded at random,
    so that each part's expectation is exactly its due. Parts of share 0 get what no other has room
    for, in proportion to their room. Shape (parts,).
    """
    counts_K = np.zeros(len(room_K), dtype=np.int64)
    left = min(k, int(room_K.sum()))
    open_K = (shares_K > 0) & (room_K > 0)
    while open_K.any() and left:
        due_K = np.where(open_K, left * shares_K / shares_K[open_K].sum(), 0.0)
        full_K = open_K & (due_K >= room_K)
        if not full_K.any():
            return counts_K + rounded(due_K, left, rng)
        counts_K[full_K] = room_K[full_K]
        left -= int(room_K[full_K].sum())
        open_K &= ~full_K
    rest_K = (room_K - counts_K).astype(np.float64)
    return counts_K + rounded(left * rest_K / (rest_K.sum() or 1.0), left, rng)


def rounded(parts_K: FloatArray, total: int, rng: np.random.Generator) -> IntArray:
    """Whole numbers of the same sum, each its part rounded up or down with that expectation.

    Systematic rounding, in random order so that no two parts are always rounded alike.
    """
    order = rng.permutation(len(parts_K))
    steps = np.floor(np.cumsum(parts_K[order]) + rng.random())
    steps[-1:] = total  # the sum of the parts but for the last bits
    counts_K = np.empty(len(parts_K), dtype=np.int64)
    counts_K[order] = np.diff(steps, prepend=0.0)
    return counts_K
