"""IFEval's constraints on length: words, sentences, paragraphs and how one of them begins.

Unlike in IFEval's reference code, blank paragraphs do not shift the number of those behind them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from selfplay.core.errors import ConfigError
from selfplay.core.instructions.counting import (
    check_bound,
    check_count,
    check_text,
    count_sentences,
    count_words,
    holds,
)

_DIVIDER = re.compile(r"\s?\*\*\*\s?")
_FIRST_WORD = re.compile(r"""['"]*([^\s.,?!'"]*)""")


@dataclass(frozen=True)
class Words:
    """How many words."""

    num_words: int
    relation: str = "at least"

    def __post_init__(self) -> None:
        check_bound("num_words", self.num_words, self.relation)


@dataclass(frozen=True)
class Sentences:
    """How many sentences."""

    num_sentences: int
    relation: str = "at least"

    def __post_init__(self) -> None:
        check_bound("num_sentences", self.num_sentences, self.relation)


@dataclass(frozen=True)
class Paragraphs:
    """How many paragraphs."""

    num_paragraphs: int

    def __post_init__(self) -> None:
        check_count("num_paragraphs", self.num_paragraphs)


@dataclass(frozen=True)
class FirstWord:
    """How many paragraphs, and how one of them begins."""

    num_paragraphs: int
    nth_paragraph: int
    """Counted from 1."""
    first_word: str

    def __post_init__(self) -> None:
        check_text("first_word", self.first_word)
        if not 1 <= self.nth_paragraph <= self.num_paragraphs:
            raise ConfigError(
                f"nth_paragraph: expected 1 to num_paragraphs ({self.num_paragraphs}), found "
                f"{self.nth_paragraph}"
            )


def number_words(text: str, parameters: Words) -> bool:
    """As many words as asked."""
    return holds(count_words(text), parameters.relation, parameters.num_words)


def number_sentences(text: str, parameters: Sentences) -> bool:
    """As many sentences as asked."""
    return holds(count_sentences(text), parameters.relation, parameters.num_sentences)


def number_paragraphs(text: str, parameters: Paragraphs) -> bool:
    """Exactly as many paragraphs, divided by `***`, and none of the inner ones blank."""
    blank = [not paragraph.strip() for paragraph in _DIVIDER.split(text)]
    return not any(blank[1:-1]) and blank.count(False) == parameters.num_paragraphs


def nth_paragraph_first_word(text: str, parameters: FirstWord) -> bool:
    """Exactly as many paragraphs, divided by blank lines, and the nth begins with the word."""
    paragraphs = [part.strip() for part in text.split("\n\n") if part.strip()]
    if len(paragraphs) != parameters.num_paragraphs:
        return False
    first = _FIRST_WORD.match(paragraphs[parameters.nth_paragraph - 1])
    return first is not None and first[1].lower() == parameters.first_word.strip().lower()
