"""IFEval's constraints on language and on the case of letters.

IFEval identifies languages by a statistical library, and counts what that cannot tell as followed.
Here `selfplay.core.language` tells them. Where a response's language is what is asked for and it
cannot be told, the check does not apply; where only case is asked for besides, it is let pass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from selfplay.core.errors import ConfigError, DataError, nearest
from selfplay.core.instructions.counting import check_bound, holds
from selfplay.core.language import LANGUAGES, language_of

_TOKEN = re.compile(r"\w+(?:[-./]\w+)*")
"""Hyphenated words count once, as do abbreviations; what an apostrophe divides counts apart."""


@dataclass(frozen=True)
class Language:
    """Which language."""

    language: str
    """ISO 639-1 code."""

    def __post_init__(self) -> None:
        if self.language not in LANGUAGES:
            raise ConfigError(
                f"language: '{self.language}' cannot be told from others; "
                f"{nearest(self.language, LANGUAGES)}"
            )


@dataclass(frozen=True)
class CapitalWords:
    """How many words in capital letters."""

    capital_frequency: int
    capital_relation: str = "at least"

    def __post_init__(self) -> None:
        check_bound("capital_frequency", self.capital_frequency, self.capital_relation)


def response_language(text: str, parameters: Language) -> bool:
    """The text is in the language.

    Raises:
        DataError: the text's language cannot be told.
    """
    found = language_of(text)
    if found is None:
        raise DataError("language:response_language: the language of the response cannot be told")
    return found == parameters.language


def english_capital(text: str) -> bool:
    """Every letter is a capital, and the language is no other than English."""
    return text.isupper() and language_of(text) in ("en", None)


def english_lowercase(text: str) -> bool:
    """No letter is a capital, and the language is no other than English."""
    return text.islower() and language_of(text) in ("en", None)


def capital_word_frequency(text: str, parameters: CapitalWords) -> bool:
    """As many words in capital letters as asked."""
    found = sum(token.isupper() for token in _TOKEN.findall(text))
    return holds(found, parameters.capital_relation, parameters.capital_frequency)
