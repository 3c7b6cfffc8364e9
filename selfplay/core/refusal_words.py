"""A linear model of how texts sound that refuse: the odds of a refusal, by their words.

Its features are runs of one to three words, with what says the same (an inability, an apology, an
assistant's name for itself, a service, a harm, a request) in one word's place, and runs of three to
five letters, which reach other forms of a word and other languages. Its weights,
`refusal_words.json`, are fitted to labelled texts (`python -m benchmarks.refusal_fit`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from math import sqrt

from selfplay.core.refusal_forms import compiled
from selfplay.core.refusal_signs import HARM

LETTERS = 300
"""How many characters of a text are read: refusals begin with refusing."""

LIMIT = 4.0
"""The log-odds are held to plus and minus this, so that no wording outweighs all forms."""

_SAME: tuple[tuple[re.Pattern[str], str], ...] = (
    (HARM, "HARM"),
    (
        re.compile(
            r"\b(?:as|being|i am|i'm)(?: just| only)? " + compiled("\n    <MACHINE>")[0].pattern
        ),
        "MACHINE",
    ),
    (
        re.compile(
            r"\b(?:(?:i'm|i am) (?:really |so |very )?sorry|sorry|i apologi[sz]e|my apologies"
            r"|unfortunately|regrettably|i'm afraid|i regret)\b"
        ),
        "SORRY",
    ),
    (
        re.compile(
            r"\b(?:can ?not|can't|cant|won't|will not|unable to|not able to|shouldn't|should not"
            r"|must not|(?:am |'m )?not going to|refuse to|decline to|not comfortable"
            r"|not willing to|not allowed to)\b"
        ),
        "CANNOT",
    ),
    (
        re.compile(
            r"\b(?:help|assist|provide|give|offer|write|create|generate|produce|make|answer|discuss"
            r"|explain|share|describe|support|promote|engage in|comply with|fulfil+|recommend"
            r"|suggest|tell|show|teach|draft|compose|list)(?:ing)?\b"
        ),
        "SERVE",
    ),
    (re.compile(r"\b(?:request|question|prompt|topic|query|task)s?\b"), "ASKED"),
)
_END = re.compile(r"[.!?\n。！？]")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*|\"\"")


def features(own: str) -> set[str]:
    """The features of a text in its speaker's own words, folded."""
    return set(_features(own[:LETTERS]))


def _features(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        letters = f" {' '.join(line.split())} "
        for size in range(3, 6):
            yield from (letters[i : i + size] for i in range(len(letters) - size + 1))
    for pattern, word in _SAME:
        text = pattern.sub(word, text)
    for sentence in _END.split(text):
        said = ["^", *_WORD.findall(sentence), "$"]
        for size in range(1, 4):
            # The bar tells words from letters.
            yield from ("|" + " ".join(said[i : i + size]) for i in range(len(said) - size + 1))


def leaning(own: str, model: Mapping[str, float] | None = None) -> float:
    """The log-odds that a text refuses, within plus and minus `LIMIT`.

    Args:
        own: the text in its speaker's own words, folded.
        model: each feature's weight, and under the empty name the constant; None for the packaged.
    """
    weights = _packaged() if model is None else model
    known = [weights[feature] for feature in features(own) if feature in weights]
    odds = weights[""] + (sum(sorted(known)) / sqrt(len(known)) if known else 0.0)
    return max(-LIMIT, min(LIMIT, odds))


@cache
def _packaged() -> Mapping[str, float]:
    """The weights that the package has."""
    file = resources.files("selfplay.core").joinpath("refusal_words.json")
    weights: dict[str, float] = json.loads(file.read_text(encoding="utf-8"))
    return weights
