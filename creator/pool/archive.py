"""The prompts that a run has admitted, while a round adds to them; and many prompts, read late.

Children that pass the gates are noted here before the round is committed, in the order in which the
commit will admit them, so that the next attempt's children are compared with them too. A round that
is composed again after a crash notes them again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from creator.pool.pool import IdArray, texts
from selfplay.core.types import Prompt


class Stored(Protocol):
    """What is asked of the run's ledger."""

    def archive_ids(self, start: int = 0) -> Iterator[str]:
        """Ids of the admitted prompts in order of admission, from the one at place `start`."""

    def archive_size(self) -> int:
        """How many there are."""

    def prompts(self, ids: Sequence[str]) -> list[Prompt]:
        """The prompts with these ids, in their order."""


class Archive:
    """What is stored, and behind it what the round has admitted so far."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored
        self._noted: dict[str, Prompt] = {}

    def begin(self) -> None:
        """A composition begins: what was noted for an earlier one is stored by now."""
        self._noted.clear()

    def note(self, prompt: Prompt) -> None:
        """The round admits a new prompt."""
        self._noted[prompt.id] = prompt

    def ids(self, start: int) -> Iterator[str]:
        """Ids in order of admission, from the one at place `start` on."""
        yield from self._stored.archive_ids(start)
        yield from list(self._noted)[max(0, start - self._stored.archive_size()) :]

    def prompts(self, ids: Sequence[str]) -> list[Prompt]:
        """The prompts with these ids, in their order."""
        stored = iter(self._stored.prompts([id_ for id_ in ids if id_ not in self._noted]))
        return [self._noted[id_] if id_ in self._noted else next(stored) for id_ in ids]


class PromptReader(Protocol):
    """What is asked of the run's ledger."""

    def prompts(self, ids: Sequence[str]) -> list[Prompt]:
        """The prompts with these ids, in their order."""


@dataclass(frozen=True, eq=False)
class LazyPrompts:
    """Ids, and the archive that has the prompts."""

    archive: PromptReader
    ids: IdArray
    """Of more prompts than are here, perhaps: they are the pool's own column."""
    rows: NDArray[np.intp]
    """Of the prompts that are here, by place."""

    @classmethod
    def of(cls, archive: PromptReader, ids: IdArray) -> LazyPrompts:
        """All of the prompts with these ids."""
        return cls(archive, ids, np.arange(len(ids)))

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, places: Sequence[int] | NDArray[np.intp]) -> list[Prompt]:
        """The prompts at these places, in their order."""
        return self.archive.prompts(texts(self.ids[self.rows[np.asarray(places, np.intp)]]))
