"""What in the text of an answer may be the answer: beginnings of marked ones, ends of prose.

Nothing is taken out of the middle, and a sentence that hedges ("17 or 18") is taken as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from meta.answers.finding import Answer, first_sentence, last_sentence, without_reason
from meta.answers.literals import Literal
from meta.answers.reading import Reading, read
from meta.answers.spelling import LONGEST, spelled
from meta.answers.units import Quantity, quantity

_COPULA = re.compile(
    r".*?(?:\b(?:is|are|was|were|be|equals?|gives?|get|has|have)\b|[=:：是为])\s*(?=\S)", re.DOTALL
)
_UNSURE = re.compile(
    r"\b(?:not|never|doubt|unsure|maybe|perhaps|might|could|either|cannot|unknown|or)\b|n't|不|或",
    re.IGNORECASE,
)
_FORMULA = re.compile(
    r"\$\$(.+?)\$\$|\\\[(.+?)\\\]|\\\((.+?)\\\)|(?<!\\)\$([^$\n]*[^$\s])\$(?!\d)", re.DOTALL
)
_VALUE = re.compile(
    r"[$€£¥]?\s*(?<![A-Za-z0-9_.])[-+\u2212]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+|(?<=\d))"
    r"(?:\s*/\s*\d+)?(?:[eE][-+]?\d+)?(?![A-Za-z0-9_^])"
    r"(?:\s*(?:%|hundred|thousand|million|billion|trillion|dozen|[百千万亿]))?"
    r"(?P<unit>\s*[^\W\d_]+(?:\^\{?\d\}?|[²³])?)?"
)
_LONGEST = 300
"""Characters of a response that may be an answer without anything around it."""
LONGEST_END = 2000
"""Characters at the end of a response in which its last value or letter is looked for."""
_SHAPES = frozenset({"date", "slashed date", "time", "ratio", "range", "identifier"})
"""Literals that are recognised at the end of a sentence."""
_TAIL_WORDS = 12
"""Words at the end of a sentence among which a value begins."""


def candidates(given: Answer, plain: bool, expected: Reading) -> Iterator[str]:
    """What may be the answer, the whole of it first; each is a beginning or the end of it."""
    if given.delimited or len(given.text) <= _LONGEST or plain:
        yield given.text
    if given.delimited:
        if len(given.text) > LONGEST:  # a text as a whole, if anything
            return
        cut = first_sentence(given.text)
        yield from dict.fromkeys(text for text in (cut, without_reason(cut)) if text != given.text)
        return
    if isinstance(expected, Literal) and expected.form == "truth":
        yield re.split(r"[,.:;，。]", given.text, maxsplit=1)[0]
    sentence = last_sentence(given.text)[-_LONGEST:]
    if _UNSURE.search(sentence):
        yield from _hedged(sentence)
        return
    yield sentence
    rest = sentence
    while match := _COPULA.match(rest):
        rest = rest[match.end() :]
        yield rest
    if isinstance(expected, Quantity) or (
        isinstance(expected, Literal) and expected.form in _SHAPES
    ):
        yield from _last_like(sentence, expected)
    if not plain:
        yield from _last_value(given.text)


def _last_like(sentence: str, expected: Literal | Quantity) -> Iterator[str]:
    """The longest end of a sentence that is of a kind: "from 1914 to 1918", "1 hour and 5 min"."""
    starts = [match.end() for match in re.finditer(r"\s+", sentence)][-_TAIL_WORDS:]
    for start in starts:
        found = read(spelled(sentence[start:]))
        form = expected.form if isinstance(expected, Literal) else None
        if type(found) is type(expected) and getattr(found, "form", None) == form:
            yield sentence[start:]
            return


def _hedged(sentence: str) -> Iterator[str]:
    """Of a sentence that hedges, everything after its verb, alternatives included."""
    match = _COPULA.match(sentence)
    if match and not re.search(r"\b(?:not|never|doubt|unsure|unknown|cannot)\b|n't|不", sentence):
        yield re.sub(r"^(?:either|maybe|perhaps)\s+", "", sentence[match.end() :])


def _last_value(text: str) -> Iterator[str]:
    """The last formula of a text, or its last number, whichever stands later."""
    text = text[-LONGEST_END:]
    formulas, values = list(_FORMULA.finditer(text)), list(_VALUE.finditer(text))
    formula = formulas[-1] if formulas else None
    value = values[-1] if values else None
    if formula and (not value or formula.end() >= value.end()):
        yield next(part for part in formula.groups() if part)
    elif value and value[0].strip():
        known = quantity(spelled(value[0]))
        counted = value[0].removesuffix(value["unit"] or "")
        yield value[0] if known and known.unit.dimension else counted
