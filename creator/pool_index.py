"""Finds rows by id: the rows in the order of their ids, searched by halving. Four bytes a row.

Ids are 64-bit integers, the 16 hex digits of `Prompt.id`. A hash table would find in one step and
take three to four times the memory; here 256 look-ups among 10⁷ take about a millisecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

IdArray: TypeAlias = NDArray[np.uint64]
OrderArray: TypeAlias = NDArray[np.uint32]

LIMIT = 2**32
"""Rows that the index can name."""


def numbers(ids: Sequence[str]) -> IdArray:
    """Prompt ids as integers.

    Raises:
        ValueError: an id is not 16 hex digits.
    """
    for text in ids:
        if len(text) != 16:
            raise ValueError(f"a prompt id has 16 hex digits; found '{text}'")
    return np.frombuffer(bytes.fromhex("".join(ids)), dtype=">u8").astype(np.uint64)


def texts(ids_B: IdArray) -> list[str]:
    """Integers as prompt ids."""
    return [f"{number:016x}" for number in ids_B.tolist()]


def find(order: OrderArray, ids_P: IdArray, wanted_B: IdArray) -> NDArray[np.intp]:
    """The rows of the wanted ids; -1 where there is none. Shape (wanted,)."""
    if len(order) == 0:
        return np.full(len(wanted_B), -1, np.intp)
    rows = order[np.minimum(places(order, ids_P, wanted_B), len(order) - 1)].astype(np.intp)
    return np.where(ids_P[rows] == wanted_B, rows, -1)


def extended(order: OrderArray, ids_P: IdArray) -> OrderArray:
    """The index of all `ids_P`, given that of as many first ones as `order` is long.

    Raises:
        ValueError: an id stands twice, or there are too many.
    """
    before = len(order)
    if len(ids_P) > LIMIT:
        raise ValueError(f"a pool holds up to {LIMIT:,} prompts, found {len(ids_P):,}")
    added = before + np.argsort(ids_P[before:])
    spots = places(order, ids_P, ids_P[added])
    repeated = ids_P[added[1:]] == ids_P[added[:-1]]
    if repeated.any() or (find(order, ids_P, ids_P[added]) >= 0).any():
        raise ValueError("a prompt stands in the pool twice")
    return np.insert(order, spots, added.astype(np.uint32))


def places(order: OrderArray, ids_P: IdArray, wanted_B: IdArray) -> NDArray[np.intp]:
    """Where in the index the ids are, or would be. Shape (wanted,).

    `np.searchsorted` with a sorter does the same, but first copies the index to 64 bits.
    """
    low = np.zeros(len(wanted_B), np.intp)
    high = np.full(len(wanted_B), len(order), np.intp)
    for _ in range(len(order).bit_length()):
        middle = np.minimum((low + high) // 2, len(order) - 1)
        after = (ids_P[order[middle]] < wanted_B) & (low < high)
        low, high = np.where(after, middle + 1, low), np.where(after, high, middle)
    return low
