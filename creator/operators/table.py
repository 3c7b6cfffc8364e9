"""The operators that rewrite: names, options and where their code is. No NumPy, no torch."""

from __future__ import annotations

from dataclasses import dataclass

from selfplay.core.components import Row, Table
from selfplay.core.errors import require
from selfplay.core.types import Sampling


@dataclass(frozen=True)
class OperatorOptions:
    """Options that every evolution operator has."""

    weight: float = 1.0
    """How often it is chosen, relative to the others."""


@dataclass(frozen=True)
class EditOptions(OperatorOptions):
    """How far a puzzle moves along its difficulty attributes."""

    up: int = 0
    """Attributes that go one level up."""
    down: int = 0
    """Others that go one level down."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a number below 0.
        """
        for name in ("up", "down"):
            require(getattr(self, name) >= 0, f"{where}.{name}", "0 or more", getattr(self, name))


@dataclass(frozen=True)
class HarderOptions(EditOptions):
    """As `EditOptions`."""

    up: int = 1


@dataclass(frozen=True)
class EasierOptions(EditOptions):
    """As `EditOptions`."""

    down: int = 1


@dataclass(frozen=True)
class SidewaysOptions(EditOptions):
    """As `EditOptions`."""

    up: int = 1
    down: int = 1


@dataclass(frozen=True)
class RewriteOptions:
    """How a text model is asked to rewrite, and what its children inherit."""

    weight: float = 1.0
    """How often the operator is chosen, relative to the others."""
    temperature: float = 1.0
    """0 means greedy; eva's is 1."""
    top_p: float = 1.0
    """The least mass of likeliest tokens that is drawn from."""
    max_new_tokens: int = 512
    """A reply that does not end within so many tokens is turned down."""
    replies: int = 1
    """Replies asked for; the first that can be used is the child."""
    columns: tuple[str, ...] = ()
    """Further columns of the prompt file that a child inherits, such as its category."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range.
        """
        require(self.weight >= 0, f"{where}.weight", "0 or more", self.weight)
        require(self.replies >= 1, f"{where}.replies", "1 or more", self.replies)
        Sampling(
            temperature=self.temperature, top_p=self.top_p, max_new_tokens=self.max_new_tokens
        ).check(where)


@dataclass(frozen=True)
class WordProblemOptions:
    """Where a word problem's worked solution is."""

    weight: float = 1.0
    """How often the operator is chosen, relative to the others."""
    solution: str = "answer"
    """The further column of the prompt file that holds it, with GSM8K's annotations
    (`<<48/2=24>>`)."""
    columns: tuple[str, ...] = ()
    """Further columns that a child inherits, such as the problem's category."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range.
        """
        require(self.weight >= 0, f"{where}.weight", "0 or more", self.weight)
        require(bool(self.solution), f"{where}.solution", "the name of a column", "none")


@dataclass(frozen=True)
class NumbersOptions(WordProblemOptions):
    """Which numbers of a word problem change, and how far."""

    changes: int = 2
    """Numbers that change, or fewer where fewer can."""
    spread: float = 2.0
    """A number becomes at most so many times larger or smaller."""
    attempts: int = 20
    """Draws of new numbers before the problem is given up."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range.
        """
        super().check(where)
        for name in ("changes", "attempts"):
            require(getattr(self, name) >= 1, f"{where}.{name}", "1 or more", getattr(self, name))
        require(self.spread > 1, f"{where}.spread", "above 1", self.spread)


REWRITING: Table = {
    "constraints": Row(
        "creator.operators.in_depth:constraints", RewriteOptions, "one more requirement"
    ),
    "deepen": Row("creator.operators.in_depth:deepen", RewriteOptions, "below the surface"),
    "concretise": Row(
        "creator.operators.in_depth:concretise", RewriteOptions, "a particular case for the general"
    ),
    "reasoning": Row(
        "creator.operators.in_depth:reasoning", RewriteOptions, "more steps to the answer"
    ),
    "complicate": Row(
        "creator.operators.in_depth:complicate", RewriteOptions, "more involved material"
    ),
    "rarer": Row(
        "creator.operators.in_breadth:rarer", RewriteOptions, "a less common sibling of the field"
    ),
    "persona": Row(
        "creator.operators.in_breadth:persona", RewriteOptions, "asked by somebody else"
    ),
    "crossover": Row(
        "creator.operators.in_breadth:crossover", RewriteOptions, "one prompt out of two parents"
    ),
    "abstraction": Row(
        "creator.operators.in_breadth:abstraction", RewriteOptions, "the general problem behind it"
    ),
    "simplify": Row("creator.operators.simplify:simplify", RewriteOptions, "an easier variant"),
    "rewrite": Row(
        "creator.operators.rewrite:rewrite", RewriteOptions, "the same in other words, answer kept"
    ),
}

WORD_PROBLEMS: Table = {
    "numbers": Row(
        "creator.operators.word_problems:Numbers",
        NumbersOptions,
        "a word problem with other numbers and its answer computed anew",
    ),
    "names": Row(
        "creator.operators.word_problems:Names",
        WordProblemOptions,
        "a word problem about other people",
    ),
}

OPERATORS: Table = {
    "harder": Row(
        "creator.operators.puzzles:CurriculumEdit", HarderOptions, "one attribute a level up"
    ),
    "easier": Row(
        "creator.operators.puzzles:CurriculumEdit", EasierOptions, "one attribute a level down"
    ),
    "sideways": Row(
        "creator.operators.puzzles:CurriculumEdit",
        SidewaysOptions,
        "one attribute up, another down",
    ),
    "fresh": Row(
        "creator.operators.puzzles:CurriculumEdit",
        EditOptions,
        "a new item with the parent's levels",
    ),
    "repeat": Row(
        "creator.operators.puzzles:Repeat", OperatorOptions, "the parent itself, asked again"
    ),
    **REWRITING,
    **WORD_PROBLEMS,
}
