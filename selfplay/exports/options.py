"""What an export holds, and how it is written. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from selfplay.core.components import component
from selfplay.core.embedding import PACKAGED
from selfplay.core.errors import ConfigError, nearest, require
from solver.examples.table import PAIRINGS, SELECTIONS, UNPAIRED

What: TypeAlias = Literal[
    "prompts", "pairs", "unpaired", "sft", "rewards", "comparisons", "rubrics", "policy"
]
Format: TypeAlias = Literal["auto", "jsonl", "parquet", "datasets"]
Verified: TypeAlias = Literal["any", "checkable", "solved"]
Diversity: TypeAlias = Literal["cells", "maxmin", "none"]
Range: TypeAlias = tuple[float | None, float | None]

OPEN: Range = (None, None)
"""Both ends open."""


@dataclass(frozen=True)
class Filters:
    """Which of the prompts that a run asked: those that fit everything that is given."""

    rounds: tuple[int, int] | None = None
    """First and last round that asked it; responses are those of these rounds too."""
    tasks: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    """Of evolution; or `original`, `imported`."""
    difficulty: Range = OPEN
    """Share of the newest judged responses that fail: below `success`."""
    score: Range = OPEN
    """Mean reward of the newest judged responses."""
    value: Range = OPEN
    """Newest estimate of what the solver can still gain."""
    verified: Verified = "any"
    """`checkable`: with a gold answer or a generator, against which code can check a response;
    `solved`: and one of the newest judged responses succeeded."""
    success: float = 0.5
    """The lowest reward of a response that succeeds, as a share of the judge's scale."""

    def check(self) -> None:
        """Refuses ranges that nothing fits.

        Raises:
            ConfigError: a range whose ends are the wrong way round.
        """
        for name in ("rounds", "difficulty", "score", "value"):
            low, high = getattr(self, name) or OPEN
            wrong = low is not None and high is not None and low > high
            require(not wrong, name, "the lower end first", f"{low} to {high}")


@dataclass(frozen=True)
class Cleaning:
    """What is left out since it repeats something: the gates that children pass, on an export."""

    deduplicate: bool = False
    """Whether prompts in nearly the words of one that was taken are left out."""
    similarity: float = 0.5
    """Jaccard similarity of the word shingles from which two prompts are near-duplicates."""
    novelty: float = 0.0
    """Cosine of the sentence embeddings from which a prompt repeats one taken; 0: not compared."""
    against: tuple[str, ...] = ()
    """Prompt files of benchmarks that nothing may repeat."""
    embedder: str = PACKAGED
    """For novelty: a sentence-transformers directory or name."""

    @property
    def any(self) -> bool:
        """Is anything compared?"""
        return self.deduplicate or self.novelty > 0 or bool(self.against)

    def check(self) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a similarity or a cosine outside its range.
        """
        require(0 < self.similarity <= 1, "similarity", "above 0 and up to 1", self.similarity)
        require(0 <= self.novelty <= 1, "novelty", "0 to 1", self.novelty)


@dataclass(frozen=True)
class Top:
    """How many prompts are kept, and how they are spread."""

    count: int = 0
    """The most valuable ones; 0 for all."""
    diversity: Diversity = "cells"
    """`cells`: the best of every cell (task, fifth of the difficulty, operator) before the second
    best of any; `maxmin`: greedily, half for value and half for the distance to those taken; `none`
    """
    embedder: str | None = None
    """For `maxmin`: a sentence-transformers directory or name, or `packaged`; None compares words.
    """

    def check(self) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a negative count.
        """
        require(self.count >= 0, "top", "0 (all) or more", self.count)


@dataclass(frozen=True)
class ExportOptions:
    """One export."""

    what: What = "prompts"
    format: Format = "auto"
    """`auto`: what the suffix says; JSON Lines in a directory."""
    layout: str = "selfplay"
    """A name of `selfplay.exports.layouts.LAYOUTS`."""
    filters: Filters = field(default_factory=Filters)
    cleaning: Cleaning = field(default_factory=Cleaning)
    top: Top = field(default_factory=Top)
    validation: float = 0.0
    """Share of the prompts that goes to the validation split, whole families only."""
    seed: int = 0
    """Of the split and of pairings that draw."""
    licences: tuple[str, ...] = ()
    """Of the seeds: identifiers of the Hugging Face hub, such as apache-2.0."""
    pairing: Any = component("max_min", PAIRINGS)
    selection: Any = component("best_of_n", SELECTIONS)
    """For `sft`."""
    unpaired: Any = component("mean", UNPAIRED)
    version: int | None = None
    """For `policy`: the policy version; None: the newest one that is kept."""
    force: bool = False
    """Whether what stands at the place is replaced."""

    def check(self) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: an unknown name, or a value outside its range.
        """
        for name, kind in (("what", What), ("format", Format)):
            known = get_args(kind)
            word = getattr(self, name)
            if word not in known:
                raise ConfigError(f"{name}: there is no '{word}'; {nearest(word, known)}")
        self.filters.check()
        self.cleaning.check()
        self.top.check()
        require(0 <= self.validation < 1, "validation", "a share below 1", self.validation)
        for licence in self.licences:
            plain = bool(licence) and licence == "".join(licence.lower().split())
            expected = "an identifier of the Hugging Face hub, such as apache-2.0"
            require(plain, "licence", expected, f"'{licence}'")
