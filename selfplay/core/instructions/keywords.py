"""IFEval's constraints on words and letters: keywords, their frequency, forbidden words, letters.

A keyword counts wherever its letters stand, inside a longer word too; a forbidden word only by
itself. Case does not count. Unlike IFEval's reference code, which takes them for regular
expressions, keywords are taken literally.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from selfplay.core.errors import ConfigError
from selfplay.core.instructions.counting import check_bound, check_text, holds


@dataclass(frozen=True)
class Keywords:
    """Words that have to occur."""

    keywords: tuple[str, ...]

    def __post_init__(self) -> None:
        check_text("keywords", *self.keywords)


@dataclass(frozen=True)
class KeywordFrequency:
    """How often a word has to occur."""

    keyword: str
    frequency: int
    relation: str = "at least"

    def __post_init__(self) -> None:
        check_text("keyword", self.keyword)
        check_bound("frequency", self.frequency, self.relation)


@dataclass(frozen=True)
class ForbiddenWords:
    """Words that must not occur."""

    forbidden_words: tuple[str, ...]

    def __post_init__(self) -> None:
        check_text("forbidden_words", *self.forbidden_words)


@dataclass(frozen=True)
class LetterFrequency:
    """How often a letter, or another character, has to occur."""

    letter: str
    let_frequency: int
    let_relation: str = "at least"

    def __post_init__(self) -> None:
        if len(self.letter.strip()) != 1:
            raise ConfigError(f"letter: expected one character, found {self.letter!r}")
        check_bound("let_frequency", self.let_frequency, self.let_relation)


def existence(text: str, parameters: Keywords) -> bool:
    """Every keyword occurs."""
    lower = text.lower()
    return all(keyword.lower() in lower for keyword in parameters.keywords)


def frequency(text: str, parameters: KeywordFrequency) -> bool:
    """The keyword occurs as often as asked; occurrences do not overlap."""
    found = text.lower().count(parameters.keyword.strip().lower())
    return holds(found, parameters.relation, parameters.frequency)


def forbidden_words(text: str, parameters: ForbiddenWords) -> bool:
    """None of the words occurs as a whole word."""
    lower = text.lower()
    return not any(
        word.lower() in lower and re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE)
        for word in parameters.forbidden_words
    )


def letter_frequency(text: str, parameters: LetterFrequency) -> bool:
    """The letter, in either case, occurs as often as asked."""
    found = text.lower().count(parameters.letter.strip().lower())
    return holds(found, parameters.let_relation, parameters.let_frequency)
