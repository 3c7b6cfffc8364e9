"""Turns down a prompt in nearly the words of another: MinHash finds candidates, Jaccard decides.

Two prompts are near-duplicates if the Jaccard similarity of their word shingles reaches the
threshold and their figures are the same (`creator.gates.words`). A changed number therefore makes
a new prompt: in a word problem it asks for another answer. `figures: false` drops that condition,
for prompts whose numbers mean little.

A child is no near-duplicate of its ancestors, which it is to be like, unless it adds nothing to
them. Beside another prompt it is one if the whole texts are that similar, and what both add to the
child's ancestors is as well (`creator.gates.ancestry`).

Puzzles pass: all items of a generator share its template, and the exact ids tell them apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from creator.gates.ancestry import Ancestry, adds_nothing, likeness
from creator.gates.context import HasMemory
from creator.gates.minhash import BandIndex, MinHash
from creator.gates.remembered import VERSION, Records, Remembered, as_ids, as_integers
from creator.gates.table import NearDuplicateOptions
from creator.gates.words import asked_text, figures_mark, jaccard, shingles
from selfplay.core.types import Prompt
from selfplay.core.words import words

REASON = "near duplicate"


@dataclass(frozen=True)
class _Asked:
    """A prompt that the gate is asked about."""

    prompt: Prompt
    shingles: set[tuple[str, ...]]
    ancestors: Sequence[Prompt]


class NearDuplicate:
    """Compares with the whole archive, and with the prompts before it that this gate let pass."""

    def __init__(self, options: NearDuplicateOptions, surroundings: HasMemory) -> None:
        self._options = options
        self._archive = surroundings.archive
        self._ancestry = Ancestry(surroundings.archive)
        self._minhash = MinHash(options.shingle, options.bands, options.rows)
        self._index = BandIndex()
        name = f"minhash-v{VERSION}-{options.shingle}-{options.bands}x{options.rows}.records"
        directory = surroundings.directory
        path = directory / name if directory is not None else None
        records = Records(path, options.bands, np.uint32)
        self._remembered = Remembered(self._archive, records, self._computed)

    def reasons(self, prompts: Sequence[Prompt]) -> list[str]:
        """As `Gate.reasons`."""
        reasons = [""] * len(prompts)
        asked = [i for i, p in enumerate(prompts) if p.puzzle is None and words(asked_text(p))]
        if asked:
            repeated = self._repeated([prompts[i] for i in asked])
            for i, repeats in zip(asked, repeated, strict=True):
                reasons[i] = REASON if repeats else ""
        return reasons

    def _repeated(self, prompts: Sequence[Prompt]) -> list[bool]:
        """Whether each repeats its ancestors, the archive, or an earlier one that does not."""
        marks_N, keys_NB = self._computed(prompts)
        asked = [
            _Asked(prompt, self._shingles(prompt), ancestors)
            for prompt, ancestors in zip(prompts, self._ancestry.of(prompts), strict=True)
        ]
        repeated = self._in_archive(asked, marks_N, keys_NB)
        holders: dict[tuple[int, int], list[int]] = defaultdict(list)
        for i, keys_B in enumerate(keys_NB.tolist()):
            if repeated[i]:
                continue
            bands = list(enumerate(keys_B))
            earlier = {j for band in bands for j in holders[band] if self._alike(marks_N, i, j)}
            repeated[i] = any(
                self._near(asked[i], asked[j].prompt, asked[j].shingles) for j in earlier
            )
            if not repeated[i]:
                for band in bands:
                    holders[band].append(i)
        return repeated

    def _in_archive(
        self,
        prompts: Sequence[_Asked],
        marks_N: NDArray[np.uint64],
        keys_NB: NDArray[np.uint32],
    ) -> list[bool]:
        """Whether each repeats an ancestor, or is near to another prompt of the archive."""
        records = self._caught_up()
        asked, found = self._index.candidates(keys_NB).T
        ids_N = as_integers(one.prompt.id for one in prompts)
        possible = records.ids_N[found] != ids_N[asked]
        if self._options.figures:
            possible &= records.marks_N[found] == marks_N[asked]
        asked, found = asked[possible], found[possible]
        distinct, positions = np.unique(found, return_inverse=True)
        others = self._archive.prompts(as_ids(records.ids_N[distinct]))
        other_sets = [self._shingles(prompt) for prompt in others]
        repeated = [adds_nothing(one.prompt, one.ancestors) for one in prompts]
        for i, k in zip(asked.tolist(), positions.tolist(), strict=True):
            repeated[i] = repeated[i] or self._near(prompts[i], others[k], other_sets[k])
        return repeated

    def _caught_up(self) -> Records:
        """The records, and with them the index, in step with the archive."""
        self._remembered.catch_up()
        records = self._remembered.records
        if len(records) > len(self._index):
            self._index.add(records.values_NV[len(self._index) :])
        return records

    def _computed(self, prompts: Sequence[Prompt]) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
        """Marks (N,) and band keys (N, bands); a prompt without words counts as one odd word."""
        marks_N = np.array([figures_mark(asked_text(prompt)) for prompt in prompts], np.uint64)
        return marks_N, self._minhash.keys(
            [words(asked_text(prompt)) or [""] for prompt in prompts]
        )

    def _shingles(self, prompt: Prompt) -> set[tuple[str, ...]]:
        return shingles(words(asked_text(prompt)), self._options.shingle)

    def _near(self, one: _Asked, other: Prompt, other_set: set[tuple[str, ...]]) -> bool:
        threshold = self._options.threshold
        if jaccard(one.shingles, other_set) < threshold or other in one.ancestors:
            return False
        before = [asked_text(ancestor) for ancestor in one.ancestors]
        texts = asked_text(one.prompt), asked_text(other)
        return not before or likeness(*texts, before, self._options.shingle) >= threshold

    def _alike(self, marks_N: NDArray[np.uint64], i: int, j: int) -> bool:
        return not self._options.figures or bool(marks_N[i] == marks_N[j])
