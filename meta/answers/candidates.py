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
from meta.answers.stance import stance
from meta.answers.units import Quantity, quantity

_COPULA = re.compile(
    r".*?(?:\b(?:is|are|was|were|be|equals?|gives?|get|has|have)\b|[=:：是为])\s*(?=\S)", re.DOTALL
)
_NAMING = re.compile(
    _COPULA.pattern.replace(r"|has", r"|by|called|named|as|has").replace(
        r"[=:", r"(?:\b[Ii]t|\b[Tt]hat)['’]s\b|[=:"
    ),
    re.DOTALL,
)
_ASIDES = re.compile(
    r"\s*,\s+(?:an?|the|who|whose|whom|not|for|as)\b"
    r"|,?\s+(?:because|since|which|due to|rather than)\b"
)
"""What a prose answer is followed by; not "…, so it is Tuesday", which says another."""
_EMPHASIS = re.compile(r"\*\*([^*]+)\*\*")
_CONTRAST = re.compile(
    r"\b(?:than|unlike|except|besides|instead|against|but|while|whereas|although|though|before|after"
    r"|near|outside|opposite|like|similar|different|beat|defeated|lost|both|if|would)\b",
    re.IGNORECASE,
)
_OPENING = re.compile(
    r"^\W*(?:(?:The|An?|It|In|On|So|Therefore|Thus|Hence|This|That|He|She|They|His|Her|Their|Its|We|By"
    r"|For|Since|Because|According|Based|Of|When|I|From|To|At|As|With|Among|Only|There|Finally|And"
    r"|Answer|Then|Here|Your|My|Our|One|Who|What|Which)\b[\s,]*)+"
)
_NAME = re.compile(
    r"(?<![\w'’])[A-Z][\w.-]*(?:['’](?!s\b)\w+)?"
    r"(?:\s+(?:(?:of|the|de|van|von|la|da|and|&)\s+)*[A-Z][\w.-]*(?:['’](?!s\b)\w+)?)*(?:['’]s)?(?<!\.)"
)
_LISTED = re.compile(r"(?:^[ \t]*(?:\d{1,2}[.)]|[-*•])[ \t]+\S.*(?:\n+|\Z)){2,}\Z", re.MULTILINE)
_MARK = re.compile(r"\s*^[ \t]*(?:\d{1,2}[.)]|[-*•])[ \t]+", re.MULTILINE)
_ASIDE = re.compile(
    r"\s*\([^()]*[A-Za-z]{3}[^()]*\)\W*$|,?\s+from\s+[^\s,]+\s+to\s+[^\s,]+$", re.IGNORECASE
)
_AMOUNT = r"(?:\d[\d,.]*|one|two|three|four|five|six|seven|eight|nine|ten|twelve)"
_CIRCUMSTANCE = re.compile(
    r"((?<![\w.,])\d[\d,.]*(?:\s+[a-z]+)?)\s+(?:for|in|over|during|within|after|from|to(?=\s+[a-z]))\s+"
    rf"(?:[a-z]+\s+){{0,3}}{_AMOUNT}\s+(?!dollars?\b|cents?\b|euros?\b)[a-z]+(?:\s+[a-z]+)?\W*$"
)
"""Where a value is followed by what it took, or was for: "5 boxes to hold all 23 pencils"."""
_WORDS = {("truth", True): "yes", ("truth", False): "no"}
_WORDS |= {("validity", True): "valid", ("validity", False): "invalid"}
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
_SHAPES = frozenset({"date", "slashed date", "time", "ratio", "range", "identifier", "based"})
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
    sentence = last_sentence(given.text)[-_LONGEST:]
    if isinstance(expected, Literal) and expected.form in ("truth", "validity"):
        taken = stance(given.text, sentence, expected.form)
        if taken is not None:
            yield _WORDS[expected.form, taken]
            return
    if plain and (listed := _LISTED.search(given.text[-LONGEST_END:])):
        yield ", ".join(_MARK.split(listed[0].strip())[1:])
    if _UNSURE.search(sentence):
        yield from _hedged(sentence)
        return
    yield sentence
    yield from _said(sentence, plain)
    if isinstance(expected, Quantity) or (
        isinstance(expected, Literal) and expected.form in _SHAPES
    ):
        yield from _last_like(_without_aside(sentence), expected)
    if not plain:
        yield from _last_value(_without_aside(given.text[-LONGEST_END:]))


def _said(sentence: str, plain: bool) -> Iterator[str]:
    """What a sentence says after its verbs, what it emphasises, and the only name in it."""
    rest = sentence
    while match := (_NAMING if plain else _COPULA).match(rest):
        rest = rest[match.end() :]
        yield rest
        if plain and (cut := _ASIDES.split(rest, maxsplit=1)[0]) != rest:
            yield cut
    emphasised = [found for found in _EMPHASIS.findall(sentence) if not found.endswith(":")]
    yield from emphasised[-1:]
    if plain and not _CONTRAST.search(sentence):
        names = {match[0] for match in _NAME.finditer(_OPENING.sub("", sentence))}
        yield from names if len(names) == 1 else ()


def _without_aside(text: str) -> str:
    """A text without what explains its last value: "40 hours (8 a day)", "17, from 1 to 18"."""
    cut = _CIRCUMSTANCE.sub(r"\1", _ASIDE.sub("", text))
    return cut if re.search(r"\d", last_sentence(cut)) else text


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
    formulas, values = list(_FORMULA.finditer(text)), list(_VALUE.finditer(text))
    formula = formulas[-1] if formulas else None
    value = values[-1] if values else None
    if formula and (not value or formula.end() >= value.end()):
        yield next(part for part in formula.groups() if part)
    elif value and value[0].strip():
        known = quantity(spelled(value[0]))
        counted = value[0].removesuffix(value["unit"] or "")
        yield value[0] if known and known.unit.dimension else counted
