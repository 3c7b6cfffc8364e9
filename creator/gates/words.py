"""Texts as runs of words and as figures, for gates that compare texts. Pure functions.

*Figures* are what makes a word problem another problem when it changes: its numbers, in digits or
in words, and the operators between them.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter

from selfplay.core.types import Prompt
from selfplay.core.words import folded, placed_words

_OPERATOR = re.compile(r"(?<=[\d)])\s*([-+*/=<>^×÷])\s*(?=[\d(])")
_UNITS = (
    *("zero", "", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    *("nineteen", "twenty"),
)
_TENS = ("thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_VALUES = (
    {word: str(value) for value, word in enumerate(_UNITS) if word}
    | {word: str(value) for value, word in zip(range(30, 100, 10), _TENS, strict=True)}
    | {"once": "once", "twice": "2x", "double": "2x", "thrice": "3x", "triple": "3x"}
    | {"half": "half", "halves": "half", "thirds": "third", "quarter": "fourth", "fourth": "fourth"}
    | {"fourths": "fourth", "dozen": "12", "hundred": "100", "thousand": "1000"}
    | {"million": "1000000"}
)
"""Number words. "One" is mostly a pronoun ("this one"), which a paraphrase drops: left out."""


def asked_text(prompt: Prompt) -> str:
    """What a prompt asks: its text without system messages, which many prompts have in common."""
    asked = [message.content for message in prompt.messages if message.role != "system"]
    return "\n".join(asked) or prompt.text


def shingles(tokens: list[str], width: int) -> set[tuple[str, ...]]:
    """Every run of `width` words; a shorter text is one run. Empty without words."""
    if len(tokens) <= width:
        return {tuple(tokens)} if tokens else set()
    return set(zip(*(tokens[i:] for i in range(width)), strict=False))


def jaccard(one: set[tuple[str, ...]], other: set[tuple[str, ...]]) -> float:
    """Shared elements as a share of all; 0 for two empty sets."""
    union = len(one | other)
    return len(one & other) / union if union else 0.0


def figures(text: str) -> Counter[str]:
    """The numbers of a text, and the operators between numbers, with how often they stand there.

    Their order does not count: sentences that change places leave the problem as it was. So two
    problems whose numbers have changed places are not told apart; `figures_in_order` does.
    """
    return Counter(figures_in_order(text))


def figures_in_order(text: str) -> list[str]:
    """The numbers of a text and the operators between numbers, as they come."""
    plain = folded(text)
    found = [(match.start(1), [match[1]]) for match in _OPERATOR.finditer(plain)]
    found += [(place, _figures_of(token)) for place, token in placed_words(plain)]
    return [figure for _, figures in sorted(found) for figure in figures]


def _figures_of(token: str) -> list[str]:
    """Those of one word."""
    if token[0].isdigit():
        return [_number(token)]
    if token in _VALUES:
        return [_VALUES[token]]
    return [_VALUES[part] for part in token.split("-") if part in _VALUES] if "-" in token else []


def figures_mark(text: str) -> int:
    """64 bits that are equal where the figures are."""
    listed = repr(sorted(figures(text).items()))
    return int.from_bytes(hashlib.blake2b(listed.encode(), digest_size=8).digest(), "little")


def _number(token: str) -> str:
    """A number in one spelling: no thousands separators, no trailing zeros after the point."""
    if token.isdigit():
        return token
    plain = re.sub(r",(?=\d{3}(?:\D|$))", "", token)
    return plain.rstrip("0").rstrip(".") if plain.count(".") == 1 else plain
