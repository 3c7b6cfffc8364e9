"""Finding the answer in a response, and comparing plain ones: pure functions, no third party.

Only the *last* answer of a response counts, so listing several guesses does not pay.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction

_MARKER = re.compile(
    r"^[ \t]*#{4}(?!#)"
    r"|^[ \t*#]*(?:final )?answer\**[ \t]*[:=]\**"
    r"|\b(?:final )?answer is\b[ \t]*:?"
    r"|^[ \t]*A:(?=[^\n]*\s*\Z)",
    re.IGNORECASE | re.MULTILINE,
)
"""What `auto` takes for an answer marker; `A:`, which transcripts use, on the last line alone."""

_NUMBER = r"\d[\d,]*(?:\.\d+)?|\.\d+"
_LAST_NUMBER = re.compile(rf"(?:(?<![\w)\].])[-\u2212])?(?:{_NUMBER})(?:/\d+)?%?")
_PLAIN = re.compile(
    r"(?P<sign>[-+]?)(?:(?P<whole>\d+)\s+(?P<part>\d+/\d+)|(?P<fraction>\d+/\d+)"
    r"|(?P<decimal>\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d+\.?\d*|\.\d+))"
)
_UNIT = re.compile(r"(?P<number>[^a-zA-Z]*\d)\s+(?P<words>[^\W\d_]{2,}(?:\s+[^\W\d_]+)*)[.!]?")
_VALUE_WORDS = frozenset(
    {"pi", "sqrt", "sin", "cos", "tan", "log", "ln", "exp", "inf"}
    | {"or", "and", "to", "times", "plus", "minus", "over", "squared", "cubed", "percent"}
    | {"half", "third", "quarter", "dozen", "hundred", "thousand", "million", "billion"}
    | {"trillion"}
)
"""Words that are part of an answer's value, so that they are no unit."""
_MAX_DIGITS = 1000
"""Python converts no more than 4,300 digits, and no answer that people check has as many."""
_SENTENCE_END = re.compile(r"(?<=[^\s.])[.;](?=\s|$)")
_EDGES = " \t\n\"'`*_.,;:!?$"


@dataclass(frozen=True)
class Answer:
    """The part of a response that is compared."""

    text: str
    delimited: bool
    """Whether the response marked it as its answer; else it is the whole response."""


def find_answer(text: str, extract: str, marker: str) -> Answer | None:
    """The answer in `text`, or None where there is none; `meta.config.EXTRACTIONS` has the ways."""
    if extract == "whole":
        return _answer(text, delimited=False)
    if extract == "last_number":
        return _answer(last_number(text))
    if extract == "boxed":
        return _answer(last_boxed(text))
    if extract == "after_marker":
        return _answer(_first_line(text.rpartition(marker)[2]) if marker in text else None)
    return _answer(last_boxed(text)) or _answer(_after_marker(text)) or _answer(text, False)


def _answer(text: str | None, delimited: bool = True) -> Answer | None:
    return Answer(text.strip(), delimited) if text is not None and text.strip() else None


def last_number(text: str) -> str | None:
    """The last number of a text, sign, fraction and percent sign included."""
    found = _LAST_NUMBER.findall(text)
    return str(found[-1]).rstrip(",") if found else None


def last_boxed(text: str) -> str | None:
    r"""The content of the last `\boxed{}` or `\fbox{}`; None without one whose braces close."""
    starts = [match.end() for match in re.finditer(r"\\f?boxed\s*\{|\\fbox\s*\{", text)]
    if not starts:
        return None
    depth = 1
    for position in range(starts[-1], len(text)):
        escaped = text[position - 1] == "\\"
        depth += 0 if escaped else {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return text[starts[-1] : position]
    return None


def _after_marker(text: str) -> str | None:
    """The line after the last answer marker that `auto` knows."""
    matches = list(_MARKER.finditer(text))
    return _first_line(text[matches[-1].end() :]) if matches else None


def _first_line(text: str) -> str:
    """The first line that is not blank."""
    return next((line for line in text.splitlines() if line.strip()), "")


def first_sentence(text: str) -> str:
    """`text` up to the first full stop or semicolon that ends a sentence."""
    return _SENTENCE_END.split(text, maxsplit=1)[0]


def plain_number(text: str) -> Fraction | None:
    """The value of a bare number: integer, decimal, fraction or mixed number, currency sign or not.

    None for anything else, percentages included.
    """
    bare = text.strip(" \t\n*`").removesuffix(".").replace("\u2212", "-").replace("\\$", "$")
    bare = re.sub(r"[$€£]", "", bare, count=1).strip("$ ")
    match = _PLAIN.fullmatch(re.sub(r"^([-+])\s+", r"\1", bare))
    if match is None or len(bare) > _MAX_DIGITS:
        return None
    parts = [match["whole"], match["part"], match["fraction"], match["decimal"]]
    try:
        value = sum(Fraction(part.replace(",", "")) for part in parts if part)
    except ZeroDivisionError:
        return None
    return Fraction(-value if match["sign"] == "-" else value)


def without_unit(text: str) -> str:
    """A number less the words after it ("18 eggs" as "18"); any other text as it is."""
    match = _UNIT.fullmatch(text.strip())
    if match is None or not _VALUE_WORDS.isdisjoint(match["words"].casefold().split()):
        return text
    return match["number"]


def same_number(one: Fraction, other: Fraction) -> bool:
    """Equal to six decimals, which is math-verify's tolerance."""
    return round(one - other, 6) == 0


def same_text(one: str, other: str) -> bool:
    """Equal but for case, spacing, Unicode form, LaTeX's text wrapper and outer punctuation."""
    return _normalised(one) == _normalised(other)


def _normalised(text: str) -> str:
    plain = re.sub(r"\\(?:text|textbf|mathrm|mathbf)\{([^{}]*)\}", r"\1", text)
    folded = " ".join(unicodedata.normalize("NFKC", plain).casefold().split())
    return folded.strip(_EDGES) or folded
