"""MinHash and locality-sensitive hashing (Broder, 1997; Leskovec et al., ch. 3), in NumPy.

Two texts agree in one of `rows` hash minima with the probability of their Jaccard similarity J, so
they share at least one of `bands` bands with 1 − (1 − J^rows)^bands. A text is kept as one 32-bit
key a band; whoever asks checks the candidates exactly, so a collision costs time and no error.

Left out: the signatures themselves (similarities are computed, not estimated), deletion.
"""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(32)


def sharing_chance(similarity: float, bands: int, rows: int) -> float:
    """P(two texts of that Jaccard similarity share a band)."""
    return float(1.0 - (1.0 - similarity**rows) ** bands)


class MinHash:
    """Texts, given as words, to band keys."""

    def __init__(self, width: int, bands: int, rows: int) -> None:
        """Takes words per shingle, bands, and minima per band."""
        draws = np.random.default_rng(np.random.SeedSequence([width, bands, rows]))
        self._factors_K = draws.integers(0, 2**64, bands * rows, np.uint64) | np.uint64(1)
        self._terms_K = draws.integers(0, 2**64, bands * rows, np.uint64)
        self._width, self._bands, self._rows = width, bands, rows

    def keys(self, texts: Sequence[list[str]]) -> NDArray[np.uint32]:
        """Band keys, shape (N, bands); no text may be empty."""
        hashes_S, starts_N = shingle_hashes(texts, self._width)
        keys_NB = np.empty((len(texts), self._bands), np.uint32)
        for band in range(self._bands):
            key_N = np.full(len(texts), band, np.uint64)
            for k in range(band * self._rows, (band + 1) * self._rows):
                # Multiply-shift: the upper half of the product is the hash.
                hashed_S = (hashes_S * self._factors_K[k] + self._terms_K[k]) >> _SHIFT
                key_N = mixed((key_N ^ np.minimum.reduceat(hashed_S, starts_N)) * _MULTIPLIER)
            keys_NB[:, band] = key_N >> _SHIFT
        return keys_NB


def shingle_hashes(
    texts: Sequence[list[str]], width: int
) -> tuple[NDArray[np.uint64], NDArray[np.intp]]:
    """Hashes of every text's shingles, one text after the other, and where each text starts.

    A text shorter than `width` has one shingle; no text may be empty.
    """
    lengths_N = np.array([len(text) for text in texts], np.intp)
    words_W = np.fromiter(
        (crc32(word.encode()) for text in texts for word in text), np.uint64, lengths_N.sum()
    )
    words_W = np.concatenate([mixed(words_W), np.zeros(width, np.uint64)])
    ends_N = np.cumsum(lengths_N)
    counts_N = np.maximum(lengths_N - width + 1, 1)
    firsts_S = ranges(ends_N - lengths_N, counts_N)
    ends_S = np.repeat(ends_N, counts_N)
    hashes_S = np.zeros(len(firsts_S), np.uint64)
    for i in range(width):
        inside_S = firsts_S + i < ends_S
        hashes_S = mixed(hashes_S * _MULTIPLIER + np.where(inside_S, words_W[firsts_S + i], 0))
    return hashes_S, np.cumsum(counts_N) - counts_N


def ranges(starts_N: NDArray[np.intp], counts_N: NDArray[np.intp]) -> NDArray[np.intp]:
    """`start, start + 1, …` for `count` numbers, of every pair, one after the other."""
    offsets_N = np.cumsum(counts_N) - counts_N
    steps_S: NDArray[np.intp] = np.arange(counts_N.sum(), dtype=np.intp)
    steps_S += np.repeat(starts_N - offsets_N, counts_N)
    return steps_S


def mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64: every bit of a value moves every bit of the result."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


class BandIndex:
    """Finds the rows that share a band key with a text; rows are numbered as they are added.

    Sorted segments that are merged when two have grown alike (a log-structured merge), so adding n
    texts sorts each O(log n) times. 8 bytes for each band of a text.
    """

    def __init__(self) -> None:
        self._segments: list[tuple[NDArray[np.uint32], NDArray[np.uint32]]] = []
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, keys_NB: NDArray[np.uint32]) -> None:
        """Adds texts, as the next rows."""
        rows_N = np.arange(self._size, self._size + len(keys_NB), dtype=np.uint32)
        self._size += len(keys_NB)
        segment = _sorted(keys_NB.ravel(), np.repeat(rows_N, keys_NB.shape[1]))
        while self._segments and len(self._segments[-1][0]) <= 2 * len(segment[0]):
            keys, rows = self._segments.pop()
            segment = _sorted(np.append(keys, segment[0]), np.append(rows, segment[1]))
        self._segments.append(segment)

    def candidates(self, keys_NB: NDArray[np.uint32]) -> NDArray[np.intp]:
        """Distinct pairs of (text asked for, row that shares a band with it), shape (P, 2)."""
        bands = keys_NB.shape[1]
        pairs = [np.zeros(0, np.int64)]
        for keys, rows in self._segments:
            first_Q = np.searchsorted(keys, keys_NB.ravel(), "left")
            counts_Q = np.searchsorted(keys, keys_NB.ravel(), "right") - first_Q
            asked = np.repeat(np.arange(len(first_Q)) // bands, counts_Q)
            # A pair as one number: NumPy sorts those many times faster than rows of two.
            pairs.append((asked << 32) | rows[ranges(first_Q, counts_Q)])
        distinct = np.unique(np.concatenate(pairs))
        return np.column_stack([distinct >> 32, distinct & 0xFFFFFFFF])


def _sorted(
    keys: NDArray[np.uint32], rows: NDArray[np.uint32]
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    order = np.argsort(keys, kind="stable")
    return keys[order], rows[order]
