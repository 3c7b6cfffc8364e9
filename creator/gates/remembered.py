"""What a gate has computed of every archived prompt: one record each, in the archive's order.

The records are a file that is appended to and memory-mapped, so they neither fill the memory nor
have to be computed again when the run is resumed. They stay a cache: at the first use the file's
ids are compared with the archive's, and what follows the first difference (children that a crash
kept out of the ledger) is cut off and computed again.

Left out: deletion (the archive only grows).
"""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from creator.gates.context import Admitted
from selfplay.core.types import Prompt

VERSION = 1
"""Part of the files' names: raised when words, figures or hashes are computed in another way."""

_CHUNK = 1024
"""Prompts that are fetched and computed at once."""


class Records:
    """Fixed-size records (id, mark, values) in a file of their own."""

    def __init__(self, path: Path | None, width: int, dtype: DTypeLike) -> None:
        """Opens or makes the file; None stands for a temporary one. `width` values per record."""
        self._dtype = np.dtype([("id", "<u8"), ("mark", "<u8"), ("values", dtype, (width,))])
        self._file: IO[bytes] = _opened(path)
        weakref.finalize(self, self._file.close)
        # A record that was being written when the process died is no record.
        self._map(self._file.seek(0, os.SEEK_END) // self._dtype.itemsize)

    def __len__(self) -> int:
        return len(self._records)

    @property
    def ids_N(self) -> NDArray[np.uint64]:
        """Prompt ids as integers, shape (N,)."""
        return np.asarray(self._records["id"])

    @property
    def marks_N(self) -> NDArray[np.uint64]:
        """Marks of the prompts' figures, shape (N,)."""
        return np.asarray(self._records["mark"])

    @property
    def values_NV(self) -> NDArray[Any]:
        """Values, shape (N, width)."""
        return np.asarray(self._records["values"])

    def truncate(self, count: int) -> None:
        """Keeps the first `count` records."""
        self._map(count)

    def append(
        self, ids_N: NDArray[np.uint64], marks_N: NDArray[np.uint64], values_NV: NDArray[Any]
    ) -> None:
        """Adds records, on disk when it returns."""
        added = np.zeros(len(ids_N), self._dtype)
        added["id"], added["mark"], added["values"] = ids_N, marks_N, values_NV
        size = len(self)
        self._file.seek(size * self._dtype.itemsize)
        self._file.write(added.tobytes())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._map(size + len(added))

    def _map(self, count: int) -> None:
        self._records: NDArray[np.void] = np.zeros(0, self._dtype)
        self._file.truncate(count * self._dtype.itemsize)
        if count:
            self._records = np.memmap(self._file, self._dtype, "r", shape=(count,))


def _opened(path: Path | None) -> IO[bytes]:
    if path is None:
        return tempfile.TemporaryFile()
    path.touch()
    return path.open("r+b")


class Remembered:
    """Records in step with an archive."""

    def __init__(
        self,
        archive: Admitted,
        records: Records,
        compute: Callable[[Sequence[Prompt]], tuple[NDArray[np.uint64], NDArray[Any]]],
    ) -> None:
        """Takes what computes marks (N,) and values (N, width) of prompts."""
        self.records = records
        self._archive = archive
        self._compute = compute
        self._checked = False

    def catch_up(self) -> None:
        """Brings the records into step with the archive."""
        if not self._checked:
            self.records.truncate(_agreeing(self.records.ids_N, self._archive.ids(0)))
            self._checked = True
        news = iter(self._archive.ids(len(self.records)))
        while ids := list(islice(news, _CHUNK)):
            marks_N, values_NV = self._compute(self._archive.prompts(ids))
            self.records.append(as_integers(ids), marks_N, values_NV)


def _agreeing(ids_N: NDArray[np.uint64], ids: Iterable[str]) -> int:
    """How many of the first ids are the same."""
    archived_M = as_integers(islice(ids, len(ids_N)))
    differ = np.flatnonzero(archived_M != ids_N[: len(archived_M)])
    return int(differ[0]) if differ.size else len(archived_M)


def as_integers(ids: Iterable[str]) -> NDArray[np.uint64]:
    """Prompt ids, which are 16 hexadecimal digits, as 64-bit integers, shape (N,)."""
    return np.fromiter((int(prompt_id, 16) for prompt_id in ids), np.uint64)


def as_ids(integers_N: NDArray[np.uint64]) -> list[str]:
    """The inverse of `as_integers`."""
    return [f"{integer:016x}" for integer in integers_N.tolist()]
