"""Leaves out what repeats: the creator's gates, asked about an export in place of children.

Near-duplicates (MinHash and exact Jaccard), prompts of nearly the same meaning (embeddings) and
copies of benchmarks (n-grams) are what `creator.gates` says they are; the archive that the gates
compare with is what the export has taken so far. So of several alike the first one asked stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from creator.gates.admission import Gate, admit
from creator.gates.contamination import Contamination
from creator.gates.context import Embeds
from creator.gates.near_duplicate import NearDuplicate
from creator.gates.novelty import Novelty
from creator.gates.table import ContaminationOptions, NearDuplicateOptions, NoveltyOptions
from creator.gates.words import asked_text
from selfplay.core.types import Prompt
from selfplay.data.prompts import PromptFileOptions, read_prompts
from selfplay.exports.candidates import Candidates
from selfplay.exports.options import Cleaning
from selfplay.ledger import pool
from selfplay.ledger.database import Database

_CHUNK = 1024
"""Prompts that are compared at once."""


@dataclass
class Taken:
    """What the export has taken so far: the archive that the gates compare with."""

    database: Database
    embedder: Embeds
    heldout: frozenset[str] = frozenset()
    """An export is compared with the files that it names alone."""
    directory: Path | None = None
    """Nothing is kept beyond the process."""
    taken: list[str] = field(default_factory=list)

    @property
    def archive(self) -> Taken:
        """Itself."""
        return self

    def ids(self, start: int) -> Iterator[str]:
        """Ids from place `start` on."""
        yield from self.taken[start:]

    def prompts(self, ids: Sequence[str]) -> list[Prompt]:
        """The prompts with these ids, in their order."""
        return pool.prompts(self.database, ids)

    def read_texts(self, path: str) -> list[str]:
        """What the prompts of a benchmark's file ask."""
        return [asked_text(prompt) for prompt in read_prompts(PromptFileOptions(path)).prompts]


@dataclass
class Cleaned:
    """The outcome, whole once the steps are through."""

    kept_N: NDArray[np.bool_]
    reasons: Counter[str] = field(default_factory=Counter)
    """How many were left out, by reason."""


def cleaning(
    database: Database, found: Candidates, options: Cleaning, cleaned: Cleaned
) -> Iterator[int]:
    """Marks in `cleaned` what is kept; yields how many prompts are done.

    Raises:
        DataError: a benchmark's file cannot be read as prompts.
        ModelError, ResourceError: the embedding model cannot be loaded.
    """
    from selfplay.core.embedding import Embedder

    taken = Taken(database, Embedder(options.embedder))
    gates = _gates(options, taken)
    for start in range(0, len(found), _CHUNK):
        ids = found.hex_ids(start, start + _CHUNK)
        reasons = admit(pool.prompts(database, ids), gates)
        cleaned.kept_N[start : start + _CHUNK] = [not reason for reason in reasons]
        cleaned.reasons.update(reason for reason in reasons if reason)
        taken.taken += [id_ for id_, reason in zip(ids, reasons, strict=True) if not reason]
        yield start + len(ids)


def _gates(options: Cleaning, taken: Taken) -> list[Gate]:
    gates: list[Gate] = []
    if options.against:
        gates.append(Contamination(ContaminationOptions(options.against, heldout=False), taken))
    if options.deduplicate:
        gates.append(NearDuplicate(NearDuplicateOptions(options.similarity), taken))
    if options.novelty:
        gates.append(Novelty(NoveltyOptions(options.novelty), taken))
    return gates
