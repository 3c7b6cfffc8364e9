"""Turns down a prompt of nearly the meaning of another: cosine of sentence embeddings, exact.

Each new prompt is compared with every prompt of the archive, by matrix products over a
memory-mapped file of float32 vectors, and with the new ones before it that this gate let pass.
512 prompts against 10⁵ of 384 dimensions are 39 GFLOP, about 0.4 s on one core; an approximate
index would pay only far above that, and the time grows in proportion: 4 s at 10⁶.

By default prompts whose figures differ are different (`creator.gates.words`): sentence embeddings
hardly see a number, and word problems that ask for other numbers are other problems.
A child is to be like its ancestors, and may be, unless it adds nothing to them. Beside another
prompt it is not novel if the whole texts mean nearly the same, and what both add to the child's
ancestors does as well (`creator.gates.ancestry`).

Puzzles pass: all items of a generator share its template, and the exact ids tell them apart.

Left out: embedding again when a model's weights change under its name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from creator.gates.ancestry import Ancestry, additions_text, adds_nothing
from creator.gates.context import Embeds, HasVectors
from creator.gates.remembered import VERSION, Records, Remembered, as_ids, as_integers
from creator.gates.table import NoveltyOptions
from creator.gates.words import asked_text, figures_mark
from selfplay.core.types import Prompt

REASON = "not novel"

_BLOCK = 8192
"""Archived vectors in one product: the cosines with 512 new prompts are then 16 MiB."""


class Novelty:
    """Compares with the whole archive, and with the prompts before it that this gate let pass."""

    def __init__(self, options: NoveltyOptions, surroundings: HasVectors) -> None:
        self._options = options
        self._archive = surroundings.archive
        self._ancestry = Ancestry(surroundings.archive)
        self._directory = surroundings.directory
        self._embedder = surroundings.embedder
        self._remembered: Remembered | None = None
        self._recent: dict[str, NDArray[np.float32]] = {}

    def reasons(self, prompts: Sequence[Prompt]) -> list[str]:
        """As `Gate.reasons`."""
        reasons = [""] * len(prompts)
        asked = [i for i, prompt in enumerate(prompts) if prompt.puzzle is None]
        if asked:
            repeated_N = self._repeated([prompts[i] for i in asked])
            for i, repeats in zip(asked, repeated_N.tolist(), strict=True):
                reasons[i] = REASON if repeats else ""
        return reasons

    def _repeated(self, prompts: Sequence[Prompt]) -> NDArray[np.bool_]:
        """Whether each repeats its ancestors, the archive, or an earlier one that does not.

        Shape (N,).
        """
        records = self._caught_up()
        marks_N, vectors_ND = self._computed(prompts)
        # Those admitted come back as part of the archive: their vectors are known then.
        self._recent = {p.id: v for p, v in zip(prompts, vectors_ND, strict=True)}
        families = self._ancestry.of(prompts)
        repeated_N = np.array([*map(adds_nothing, prompts, families)], bool)
        # Of prompts that were not evolved the whole text decides, and nothing has to be read.
        evolved_N = np.array([bool(family) for family in families], bool)
        near: list[tuple[int, int]] = []
        for start in range(0, len(records), _BLOCK):
            new_P, archived_P = self._near(records, start, prompts, marks_N, vectors_ND)
            repeated_N[new_P[~evolved_N[new_P]]] = True
            kept_P = evolved_N[new_P] & ~repeated_N[new_P]
            near += zip(new_P[kept_P].tolist(), archived_P[kept_P].tolist(), strict=True)
        others = self._archive.prompts(as_ids(records.ids_N[[k for _, k in near]]))
        pairs = [(i, other) for (i, _), other in zip(near, others, strict=True)]
        for (i, _), alike in zip(pairs, self._alike(prompts, families, pairs), strict=True):
            repeated_N[i] |= alike
        return self._with_earlier(prompts, families, repeated_N, marks_N, vectors_ND)

    def _near(
        self,
        records: Records,
        start: int,
        prompts: Sequence[Prompt],
        marks_N: NDArray[np.uint64],
        vectors_ND: NDArray[np.float32],
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Places of new prompts, and of the records of a block near to them, of P pairs."""
        block = slice(start, start + _BLOCK)
        cosines_MN = records.values_NV[block] @ vectors_ND.T
        # Few new prompts are near a block, so most of it is read once and no more.
        near_Q = np.flatnonzero(cosines_MN.max(axis=0) >= self._options.cosine)
        archived_P, asked_P = np.nonzero(cosines_MN[:, near_Q] >= self._options.cosine)
        new_P = near_Q[asked_P]
        others = records.ids_N[block][archived_P] != as_integers(p.id for p in prompts)[new_P]
        if self._options.figures:
            others &= records.marks_N[block][archived_P] == marks_N[new_P]
        return new_P[others], start + archived_P[others]

    def _with_earlier(
        self,
        prompts: Sequence[Prompt],
        families: Sequence[Sequence[Prompt]],
        repeated_N: NDArray[np.bool_],
        marks_N: NDArray[np.uint64],
        vectors_ND: NDArray[np.float32],
    ) -> NDArray[np.bool_]:
        """Marks those that repeat an earlier one that stands."""
        near_NN = vectors_ND @ vectors_ND.T >= self._options.cosine
        if self._options.figures:
            near_NN &= marks_N[:, None] == marks_N
        near_NN = np.tril(near_NN, -1)
        places = [(i, j) for i, j in np.argwhere(near_NN).tolist() if families[i]]
        alike = self._alike(prompts, families, [(i, prompts[j]) for i, j in places])
        for place, is_alike in zip(places, alike, strict=True):
            near_NN[place] = is_alike
        for i in np.flatnonzero(near_NN.any(axis=1)):
            repeated_N[i] |= bool((near_NN[i] & ~repeated_N).any())
        return repeated_N

    def _alike(
        self,
        prompts: Sequence[Prompt],
        families: Sequence[Sequence[Prompt]],
        pairs: Sequence[tuple[int, Prompt]],
    ) -> list[bool]:
        """Whether pairs of whole texts that mean nearly the same add nearly the same as well.

        To the ancestors of the first one, which never are a match; where both add nothing, the
        whole texts have decided.
        """
        added = [
            (additions_text(prompts[i], families[i]), additions_text(other, families[i]))
            for i, other in pairs
        ]
        texts = sorted({text for both in added for text in both if text})
        vectors = dict(zip(texts, self._embedder.embed(texts), strict=True)) if texts else {}
        return [
            other not in families[i]
            and (
                one == two
                or bool(one and two and vectors[one] @ vectors[two] >= self._options.cosine)
            )
            for (i, other), (one, two) in zip(pairs, added, strict=True)
        ]

    def _caught_up(self) -> Records:
        """The records, in step with the archive; the first call loads the model."""
        if self._remembered is None:
            width = self._embedder.embed([]).shape[1]
            path = _path(self._directory, self._embedder, width)
            records = Records(path, width, np.float32)
            self._remembered = Remembered(self._archive, records, self._computed)
        self._remembered.catch_up()
        return self._remembered.records

    def _computed(
        self, prompts: Sequence[Prompt]
    ) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
        """Marks (N,) and vectors (N, D)."""
        marks_N = np.array([figures_mark(asked_text(prompt)) for prompt in prompts], np.uint64)
        unknown = [prompt for prompt in prompts if prompt.id not in self._recent]
        made = self._embedder.embed([asked_text(prompt) for prompt in unknown])
        vectors = self._recent | {p.id: v for p, v in zip(unknown, made, strict=True)}
        return marks_N, np.stack([vectors[prompt.id] for prompt in prompts])


def _path(directory: Path | None, embedder: Embeds, width: int) -> Path | None:
    if directory is None:
        return None
    name = hashlib.blake2b(embedder.name.encode(), digest_size=8).hexdigest()
    return directory / f"embeddings-v{VERSION}-{name}-{width}.records"
