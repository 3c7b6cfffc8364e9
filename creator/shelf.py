"""Prompts by their places: many can be drawn from, and only those drawn are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from creator.pool_index import IdArray, texts
from selfplay.core.types import Prompt


class Archive(Protocol):
    """What is asked of the run's ledger."""

    def prompts(self, ids: Sequence[str]) -> list[Prompt]:
        """The prompts with these ids, in their order."""


@dataclass(frozen=True, eq=False)
class Shelf:
    """Ids, and the archive that has the prompts."""

    archive: Archive
    ids: IdArray
    """Of more prompts than are here, perhaps: they are the pool's own column."""
    rows: NDArray[np.intp]
    """Of the prompts that are here, by place."""

    @classmethod
    def of(cls, archive: Archive, ids: IdArray) -> Shelf:
        """All of the prompts with these ids."""
        return cls(archive, ids, np.arange(len(ids)))

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, places: Sequence[int] | NDArray[np.intp]) -> list[Prompt]:
        """The prompts at these places, in their order."""
        return self.archive.prompts(texts(self.ids[self.rows[np.asarray(places, np.intp)]]))
