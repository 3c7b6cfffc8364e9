"""The admission gates: names, options and where their code is. Imports no array library."""

from __future__ import annotations

from dataclasses import dataclass

from selfplay.core.components import NoOptions, Row, Table
from selfplay.core.errors import require


@dataclass(frozen=True)
class LengthOptions:
    """Bounds on a prompt's length in tokens of the solver, its chat template included."""

    min_tokens: int = 1
    """Fewest."""
    max_tokens: int | None = None
    """None: whatever leaves room for an answer in the model's context."""


@dataclass(frozen=True)
class WellFormedOptions:
    """What tells a prompt from a rewriter's slip."""

    shortest: float = 0.2
    """Least words, as a share of the parent's."""
    longest: float = 5.0
    """Most words, as a multiple of the parent's."""
    slack: int = 60
    """Words by which a child may always differ from its parent."""
    markers: tuple[str, ...] = ()
    """Further texts that no prompt has unless its parent has them, case aside: those of a rewriting
    template of one's own."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: bounds that no child can meet, or an empty marker.
        """
        require(0 <= self.shortest <= 1, f"{where}.shortest", "a share from 0 to 1", self.shortest)
        require(self.longest >= 1, f"{where}.longest", "1 or more", self.longest)
        require(self.slack >= 0, f"{where}.slack", "0 or more", self.slack)
        require(all(self.markers), f"{where}.markers", "texts", "an empty one")


@dataclass(frozen=True)
class LanguageOptions:
    """Which languages may be asked in."""

    allowed: tuple[str, ...] = ()
    """ISO 639-1 codes (`en`, `de`, `zh`); empty: the parent's language."""
    unknown: bool = True
    """Whether a text whose language cannot be told (too short, code, formulas) passes."""


@dataclass(frozen=True)
class NearDuplicateOptions:
    """When two prompts ask in nearly the same words."""

    threshold: float = 0.5
    """Jaccard similarity of the two sets of word shingles from which they do."""
    shingle: int = 2
    """Words in a shingle."""
    figures: bool = True
    """Whether prompts with different numbers are different, however alike their words."""
    bands: int = 24
    """Of the index; more find more and take more memory (8 bytes a prompt and band)."""
    rows: int = 3
    """Minima in a band: more make the index more selective, and miss more."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range.
        """
        require(
            0 < self.threshold <= 1, f"{where}.threshold", "above 0 and up to 1", self.threshold
        )
        for name in ("shingle", "bands", "rows"):
            require(getattr(self, name) >= 1, f"{where}.{name}", "1 or more", getattr(self, name))


@dataclass(frozen=True)
class NoveltyOptions:
    """When two prompts mean nearly the same."""

    cosine: float = 0.9
    """Cosine of the two sentence embeddings from which they do."""
    figures: bool = True
    """Whether prompts with different numbers are different, however alike their meaning."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a cosine that every pair has, or none.
        """
        require(0 < self.cosine <= 1, f"{where}.cosine", "above 0 and up to 1", self.cosine)


@dataclass(frozen=True)
class ContaminationOptions:
    """What the model will be tested on, and how much of it a prompt may repeat."""

    files: tuple[str, ...] = ()
    """Prompt files of benchmarks."""
    heldout: bool = True
    """Whether the run's own held-out prompts are among them."""
    n: int = 8
    """Words in an n-gram; 8 to 13 are usual."""
    share: float = 0.25
    """Share of the n-grams of the shorter of the two prompts from which one copies the other."""
    cosine: float | None = None
    """Cosine of the sentence embeddings from which it is a paraphrase; null: 0.86 where the
    embedder is installed; 0: not compared."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: nothing to compare with, or a value outside its range.
        """
        expected = "at least one benchmark file, or heldout=true"
        require(bool(self.files) or self.heldout, f"{where}.files", expected, "none")
        require(self.n >= 2, f"{where}.n", "2 words or more", self.n)
        require(0 < self.share <= 1, f"{where}.share", "above 0 and up to 1", self.share)
        cosine = self.cosine
        require(cosine is None or 0 <= cosine <= 1, f"{where}.cosine", "0 to 1, or null", cosine)


@dataclass(frozen=True)
class SafetyOptions:
    """What must not be asked."""

    patterns: str = ""
    """A file of regular expressions under headings; `creator.gates.safety` has the layout."""
    judge: str = ""
    """`package.module:function`: from the prompts' texts (a list) to why each is unsafe (a list of
    texts, empty where it is safe)."""

    def check(self, where: str) -> None:
        """Refuses a gate that would let everything pass.

        Raises:
            ConfigError: neither patterns nor a judge.
        """
        require(
            bool(self.patterns or self.judge), where, "a patterns file, a judge, or both", "neither"
        )


@dataclass(frozen=True)
class AnswerOptions:
    """How a prompt is answered before it is admitted."""

    n: int = 8
    """Answers to each prompt."""
    right: float | None = 1.0
    """Reward from which an answer agrees with the key, as a share of the judge's scale; null: the
    answers' texts alone decide."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: too few answers to agree, or a share outside its range.
        """
        require(self.n >= 2, f"{where}.n", "2 answers or more", self.n)
        for name in ("agreement", "solved", "support"):
            share = getattr(self, name, 1.0)
            require(0 < share <= 1, f"{where}.{name}", "a share above 0 and up to 1", share)


@dataclass(frozen=True)
class SolvabilityOptions(AnswerOptions):
    """When a prompt counts as solvable."""

    agreement: float = 0.5
    """Without a key: share of the answers that give the most frequent one, at least."""
    solved: float = 0.125
    """With a key: share of the answers that agree with it, at least."""


@dataclass(frozen=True)
class AnswerKeyOptions(AnswerOptions):
    """When a key counts as wrong."""

    agreement: float = 0.75
    """Share of the answers that agree with one another, and not with the key, at least."""
    support: float = 0.2
    """Share of the answers that agree with the key from which it counts as sound."""


GATES: Table = {
    "duplicate": Row(
        "creator.gates.admission:Duplicate", NoOptions, "no prompt that the run knows already"
    ),
    "length": Row("creator.gates.admission:Length", LengthOptions, "within bounds of tokens"),
    "well_formed": Row(
        "creator.gates.form:WellFormed", WellFormedOptions, "one prompt, no slip of the rewriter"
    ),
    "language": Row(
        "creator.gates.language:SameLanguage", LanguageOptions, "in its parent's language"
    ),
    "near_duplicate": Row(
        "creator.gates.near_duplicate:NearDuplicate",
        NearDuplicateOptions,
        "not in nearly the words of another prompt (MinHash, exact Jaccard)",
    ),
    "novelty": Row(
        "creator.gates.novelty:Novelty",
        NoveltyOptions,
        "not of nearly the meaning of another prompt (sentence embeddings, exact)",
    ),
    "contamination": Row(
        "creator.gates.contamination:Contamination",
        ContaminationOptions,
        "nothing of the benchmarks' and the held-out prompts (n-grams, embeddings)",
    ),
    "safety": Row(
        "creator.gates.safety:Safety", SafetyOptions, "nothing on a blocklist or that a judge bars"
    ),
    "solvability": Row(
        "creator.gates.solvability:Solvability",
        SolvabilityOptions,
        "answers agree with the key, or with one another",
    ),
    "answer_key": Row(
        "creator.gates.answer_key:AnswerKey",
        AnswerKeyOptions,
        "no key that many answers agree to contradict",
    ),
}
"""Every gate of this package by name."""
