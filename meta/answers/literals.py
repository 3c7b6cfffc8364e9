"""Texts that look like arithmetic and are none: dates, times, ranges, section numbers, …

Each is read as what it says, so that two ways to write a date are the same, and 5-7 is not 7-9.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from meta.answers.numerals import number
from meta.answers.stance import side

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_MONTH = r"(?P<month>(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*)\.?"
_DATES = (
    re.compile(r"(?P<y>\d{4})\s*[-/.]\s*(?P<m>\d{1,2})\s*[-/.]\s*(?P<d>\d{1,2})"),
    re.compile(r"(?P<y>\d{4})\s*年\s*(?P<m>\d{1,2})\s*月(?:\s*(?P<d>\d{1,2})\s*[日号])?"),
    re.compile(rf"{_MONTH}\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?:\s*,?\s*(?P<y>\d{{4}}))?", re.I),
    re.compile(
        rf"(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?:\s+of)?[\s-]+{_MONTH}(?:[\s,-]+(?P<y>\d{{4}}))?", re.I
    ),
    re.compile(rf"{_MONTH},?\s+(?P<y>\d{{4}})", re.I),
    re.compile(r"(?P<m>\d{1,2})\s*月\s*(?P<d>\d{1,2})\s*[日号]"),
)
_SLASHED = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})")
_TIME = re.compile(
    r"(?P<h>\d{1,2})(?::(?P<min>\d{2}))?(?::(?P<s>\d{2}))?\s*(?P<half>[ap])\.?\s*m\.?",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"(\d{1,3}):(\d{2})(?::(\d{2}))?")
_RATIO = re.compile(r"\d+(?:\.\d+)?(?:\s*:\s*\d+(?:\.\d+)?)+")
_END = r"[-+]?[\d,]*\.?\d+%?"
_COUNTED = r"(?P<unit>\s+[^\W\d_]{2,}|\s*[\u4e00-\u9fff]+)?"
_RANGES = (
    re.compile(rf"between\s+(?P<low>{_END})\s+and\s+(?P<high>{_END}){_COUNTED}", re.IGNORECASE),
    re.compile(
        rf"(?:from\s+|从)?(?P<low>{_END})\s*(?:-|to|~|到|至)\s*(?P<high>{_END}){_COUNTED}",
        re.IGNORECASE,
    ),
)
_IDENTIFIER = re.compile(
    r"v?\d+(?:\.\d+){2,}(?:[/:]\d+)?|\d+(?:/\d+){2,}"  # versions, sections, addresses
    r"|\+?\d+(?:[- ]\d+)*-\d+|(?:\+\d+\s*)?\(\d{2,4}\)\s*\d+(?:[- ]\d+)+"  # telephone numbers
    r"|[A-Za-z]+\d+(?:[-.]\d+)*|[A-Za-z]{2,}-\d+"
)
_BASED = re.compile(
    r"\(?(?P<digits>\d[\dA-Fa-f]*|[\dA-Fa-f]+(?=\)?_\{?16))\)?"
    r"(?:_\s*\{?\s*\(?(?P<base>\d{1,2}|[a-z]{3,8})\)?\s*\}?"
    r"|,?\s*\(?(?:in )?base[ -](?P<said>\w+)\)?)"
)
_BRACKETS = re.compile(r"[\[\](){}<>\s]*[\[\](){}<>]")


@dataclass(frozen=True)
class Literal:
    """What a text says, in parts that are compared as they are."""

    form: str
    parts: tuple[object, ...]


def literal(text: str) -> Literal | None:
    """The literal that all of a spelled text is; None for anything else."""
    if taken := side(text):
        return Literal(taken[0], taken[1:])
    return _date(text) or _time(text) or _range(text) or _based(text) or _identifier(text)


def _date(text: str) -> Literal | None:
    for pattern in _DATES:
        if match := pattern.fullmatch(text):
            found = match.groupdict()
            month = found.get("m") or _MONTHS.index(found["month"][:3].lower()) + 1
            year, day = found.get("y"), found.get("d")
            return Literal("date", (int(year or 0), int(month), int(day or 0)))
    if match := _SLASHED.fullmatch(text):
        return Literal("slashed date", tuple(int(part) for part in match.groups()))
    return None


def _time(text: str) -> Literal | None:
    if match := _TIME.fullmatch(text):
        hour = int(match["h"]) % 12 + (12 if match["half"].lower() == "p" else 0)
        return Literal("time", (hour, int(match["min"] or 0), int(match["s"] or 0)))
    if match := _CLOCK.fullmatch(text):
        return Literal("time", tuple(int(part or 0) for part in match.groups()))
    if _RATIO.fullmatch(text):
        found = [number(part.strip()) for part in text.split(":")]
        return Literal("ratio", tuple(part.value if part else None for part in found))
    return None


def _range(text: str) -> Literal | None:
    """Two numbers with a hyphen or "to" between them; not a sum such as 5-√2."""
    match = next((found for pattern in _RANGES if (found := pattern.fullmatch(text))), None)
    if match is None:
        return None
    ends = [number(match[name].strip("%")) for name in ("low", "high")]
    if None in ends:
        return None
    percent = "%" if "%" in match["low"] + match["high"] else ""
    unit = (match["unit"] or percent).strip().casefold().removesuffix("s").replace("percent", "%")
    low, high = (end.value for end in ends if end)
    if low > high and not unit and " to " in text:
        return Literal("ratio", (low, high))
    return Literal("range", (*(end.value for end in ends if end), unit))


def _based(text: str) -> Literal | None:
    """Digits to a base, as they are: `2516_8`, `1011 (base two)`."""
    match = _BASED.fullmatch(text)
    base = number(match["base"] or match["said"]) if match else None
    return Literal("based", (match["digits"].upper(), base.value)) if match and base else None


def _identifier(text: str) -> Literal | None:
    if _IDENTIFIER.fullmatch(text):
        return Literal("identifier", (re.sub(r"\s+", " ", text.casefold()),))
    if _BRACKETS.fullmatch(text) and re.search(r"[\[\](){}<>]", text):
        return Literal("brackets", ("".join(text.split()),))
    return None


def same_literal(gold: Literal, given: Literal) -> bool:
    """Equal, part by part; a range's unit may be left out on one side."""
    if gold.form == "ratio" and given.form == "range":  # "2 to 5"
        return (*gold.parts, "") == given.parts
    if gold.form != given.form:
        return False
    if gold.form == "range":
        units = {gold.parts[2], given.parts[2]}
        return gold.parts[:2] == given.parts[:2] and (len(units) == 1 or "" in units)
    return gold.parts == given.parts
