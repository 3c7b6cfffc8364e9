"""Whether two texts say the same, by what both are; only mathematics goes to the engine."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from meta.answers.choices import letters
from meta.answers.engine import UnreadableError
from meta.answers.literals import Literal, same_literal
from meta.answers.numerals import Number
from meta.answers.reading import Expression, Listing, Named, Reading, Text, folded, read
from meta.answers.spelling import spelled
from meta.answers.units import NONE, Quantity, Unit, same_quantity, same_unit

Engine: TypeAlias = Callable[[str, str], bool | None]
"""Whether two expressions (gold, answer; LaTeX) are equal; None where the answer is none."""

_JOINING = re.compile(r"\band\b|[和与及]")
_JOINED = re.compile(r"\s*,\s*(?:and\s+)?|\s+and\s+|\s*[和与及]\s*")
_MANY = 24
"""Values of a list that are compared in any order."""


@dataclass(frozen=True)
class Question:
    """What is asked, as far as it decides how answers to it are read."""

    listed: Mapping[str, str]
    """Its options by letter, spelled."""
    percents: bool = False
    """It speaks of percents."""
    ordered: bool = False
    """The order of the values that it asks for matters."""
    commas: bool = False
    """It is in a language that writes decimal commas."""


def same(wanted: str, found: str, asked: Question, engine: Engine) -> bool | None:
    """Whether two spelled texts say the same; None where the engine cannot read the second."""
    if wanted == found:
        return True
    one, other = read(wanted), read(found)
    if isinstance(one, Named) or isinstance(other, Named):
        return _same_named(wanted, found, asked, engine)
    plain = _same_plain(one, other, asked)
    if plain is not None:
        return plain
    if isinstance(one, Listing) and isinstance(other, Listing):
        return _same_listing(one, other, asked, engine)
    if isinstance(one, Text | Literal) or isinstance(other, Text | Literal):
        return _same_text(wanted, found, asked)
    return _same_mathematics(wanted, found, asked, engine)


def _same_plain(one: Reading, other: Reading, asked: Question) -> bool | None:
    """Two quantities or two literals; None for anything else."""
    if isinstance(one, Quantity) and isinstance(other, Quantity):
        if one.attached and other.attached and one.unit != other.unit:
            return False
        return same_quantity(one, other, asked.percents)
    if isinstance(one, Literal) and isinstance(other, Literal):
        return same_literal(one, other)
    return _same_digits(one, other) or _same_digits(other, one) or None


def _same_digits(one: Reading, other: Reading) -> bool:
    """A number to a base and the same digits by themselves: the question named the base."""
    return (
        isinstance(one, Literal)
        and one.form == "based"
        and isinstance(other, Quantity)
        and other.unit == NONE
        and str(other.number.value) == one.parts[0]
    )


def _same_mathematics(wanted: str, found: str, asked: Question, engine: Engine) -> bool | None:
    """What is left for the engine: at least one expression, or an interval."""
    one, other = read(wanted), read(found)
    if isinstance(one, Listing) != isinstance(other, Listing) and not _comparable(one, other):
        return False
    if not same_unit(_unit_of(one), _unit_of(other)):
        return False
    try:
        return engine(_latex(wanted, one), _latex(found, other))
    except UnreadableError:
        if "\\" in wanted:
            raise
        return _same_text(wanted, found, asked)  # no mathematics after all


def _same_text(wanted: str, found: str, asked: Question) -> bool:
    """Texts but for case and punctuation; what "and" joins may stand in any order."""
    if folded(wanted) == folded(found):
        return True
    if inner := re.fullmatch(r"\[([^\[\]]+)\]", found):  # a list as programs write it
        return not wanted.startswith("[") and _same_text(wanted, inner[1], asked)
    if re.fullmatch("[A-G]{2,7}", wanted) and frozenset(wanted) == letters(found, {}):
        return True
    if re.search(r"\bor\b|或", found) or not any(map(_JOINING.search, (wanted, found))):
        return False
    parts = [[folded(part) for part in _JOINED.split(text)] for text in (wanted, found)]
    if " " in wanted and " ".join(parts[1]) == folded(wanted):  # words with nothing between them
        return True
    if not asked.ordered:
        parts = [sorted(some) for some in parts]
    return parts[0] == parts[1]


def _unit_of(reading: Reading) -> Unit:
    return reading.unit if isinstance(reading, Quantity | Expression) else NONE


def _comparable(one: Reading, other: Reading) -> bool:
    """Whether the engine may find an interval equal to something else, such as `x > 3`."""
    interval, term = (one, other) if isinstance(one, Listing) else (other, one)
    return (
        isinstance(interval, Listing)
        and isinstance(term, Expression)
        and (
            interval.brackets == "∪"
            or (interval.brackets[:1] in ("(", "[") and len(interval.items) in (0, 2))
            or (interval.brackets == "{}" and not interval.items)
        )
    )


def _latex(text: str, reading: Reading) -> str:
    """For the engine: numbers by their value, expressions without their unit."""
    if isinstance(reading, Quantity) and not reading.attached:
        return _digits(reading.number)
    return reading.latex if isinstance(reading, Expression) else text


def _digits(one: Number) -> str:
    """A decimal as a decimal, so that it is seen to be rounded; any other number as a fraction."""
    if 0 < one.places < math.inf:
        scaled = one.value * 10 ** int(one.places)
        sign, digits = "-" if scaled < 0 else "", str(abs(int(scaled))).zfill(int(one.places) + 1)
        return f"{sign}{digits[: -int(one.places)]}.{digits[-int(one.places) :]}"
    if one.value.denominator == 1:
        return str(one.value.numerator)
    return rf"\frac{{{one.value.numerator}}}{{{one.value.denominator}}}"


def _same_named(wanted: str, found: str, asked: Question, engine: Engine) -> bool | None:
    """Values under one name, or of which one has none; else equations as wholes."""
    one, other = read(wanted), read(found)
    names = [reading.name if isinstance(reading, Named) else "" for reading in (one, other)]
    values = [
        reading.value if isinstance(reading, Named) else text
        for reading, text in ((one, wanted), (other, found))
    ]
    if names[0] == names[1] or "" in names:
        equation = isinstance(one, Expression) and "=" in wanted
        if not equation and not (isinstance(other, Expression) and "=" in found):
            return same(spelled(values[0]), spelled(values[1]), asked, engine)
    if isinstance(one, Text | Literal | Quantity) or isinstance(other, Text | Literal | Quantity):
        return False
    return engine(wanted, found)


def _same_listing(one: Listing, other: Listing, asked: Question, engine: Engine) -> bool:
    """Item by item: in order in tuples and intervals, in any order in sets and loose lists."""
    loose = {"", "{}", "∪", "or"}
    brackets = one.brackets, other.brackets
    # Loose values may be a tuple's or a set's, but an interval says more than its ends.
    if brackets[0] != brackets[1] and not _interchangeable(brackets, len(one.items)):
        return False
    items, others = (_values(one.items), _values(other.items))
    if len(items) != len(others):
        return False
    free = set(brackets) <= loose and not (asked.ordered and "{}" not in brackets)
    if not free or len(items) > _MANY:
        return all(same(a, b, asked, engine) for a, b in zip(items, others, strict=True))
    left = list(others)
    for item in items:
        match = next((b for b in left if same(item, b, asked, engine)), None)
        if match is None:
            return False
        left.remove(match)
    return True


def _interchangeable(brackets: tuple[str, str], n: int) -> bool:
    """Whether different brackets may say the same."""
    if set(brackets) <= {"", "or", "{}"} or set(brackets) == {"", "()"}:
        return True
    return set(brackets) == {"", "[]"} and n != 2


def _values(items: tuple[str, ...]) -> list[str]:
    """Items spelled by themselves; `±a` stands for two."""
    found: list[str] = []
    for item in map(spelled, items):
        reading = read(item) if "\\pm " in item else None
        found += reading.items if isinstance(reading, Listing) else [item]
    return found
