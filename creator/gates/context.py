"""What gates and operators ask of `creator.context.CreatorContext`: one small protocol each.

A gate keeps no state of its own that a run would have to save. What it remembers of the admitted
prompts is a cache of the archive, rebuilt or read on from where it stopped, so a run that is
resumed decides as one that was never interrupted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from selfplay.core.text import TextModel
from selfplay.core.types import Group, Prompt


class Admitted(Protocol):
    """The prompts that the run holds, in the order in which they were admitted; it only grows.

    The children admitted so far in the round that is being composed are its last entries.
    """

    def ids(self, start: int) -> Iterable[str]:
        """The prompts' ids, from the one at position `start` on."""

    def prompts(self, ids: Sequence[str]) -> list[Prompt]:
        """The prompts with these ids, in their order."""


class Embeds(Protocol):
    """Maps texts to vectors: `selfplay.core.embedding.Embedder` does."""

    @property
    def name(self) -> str:
        """Tells one model from another: vectors of different models are not compared."""

    @property
    def installed(self) -> bool:
        """Whether it can be asked here, as far as that is known without loading it."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, shape (N, D), in the order of `texts`."""


class HasArchive(Protocol):
    """For gates that compare a child with its parents or with every prompt there is."""

    @property
    def archive(self) -> Admitted:
        """What the run holds."""


class HasMemory(HasArchive, Protocol):
    """For gates that compute something of every archived prompt and want to keep it."""

    @property
    def directory(self) -> Path | None:
        """An existing directory for it; None: a temporary file that goes with the process."""


class HasEmbedder(Protocol):
    """For gates that compare meanings."""

    @property
    def embedder(self) -> Embeds:
        """The embedding model, loaded at its first use."""


class HasVectors(HasMemory, HasEmbedder, Protocol):
    """For gates that keep a vector of every archived prompt."""


class HasBenchmarks(HasEmbedder, Protocol):
    """For the gate that knows what the model will be tested on."""

    @property
    def heldout(self) -> frozenset[str]:
        """Normalised texts of the run's held-out prompts."""

    def read_texts(self, path: str) -> list[str]:
        """The prompts' texts in a benchmark's file.

        Raises:
            DataError: the file cannot be read as prompts.
        """


class HasRewriter(Protocol):
    """For operators that have a model write."""

    @property
    def rewriter(self) -> TextModel:
        """The model."""

    @property
    def parents(self) -> Sequence[Prompt]:
        """All the parents that were drawn, those of other operators included."""


class HasProbe(Protocol):
    """For gates that have a child answered before it is admitted."""

    def probe(self, prompts: Sequence[Prompt], n: int) -> list[Group]:
        """`n` judged responses to each prompt, of a model as strong as one can afford."""

    def final_answer(self, text: str) -> str | None:
        """A response's final answer in one spelling for equal answers; None where there is none."""
