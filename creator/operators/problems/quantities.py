"""The quantities that a word problem states, and those that its words bring along.

A number may be *changed* if it stands by itself and is above 1: no part of a fraction, a time, a
range, an ordinal or a name, and no year. The others are known as they are. A percentage stands for
itself, its share of one, what is left of the whole and what the whole grows to.

Words bring constants along: "half" a 2 and a 1/2, "week" a 7. The list is for English, and short;
what is missing costs yield, since a solution whose numbers are not all known is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from creator.operators.problems.arithmetic import decimal, decimals

_FRACTION = re.compile(r"(?:(\d+)\s+)?(?<![\d./])(\d+)/(\d+)(?![\d/])")
_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)|\d+(?:\.\d+)?|\.\d+")
_FREE_BEFORE = re.compile(r"(?:^|[\s($€£\"'“‘])\Z")
_FREE_AFTER = re.compile(r"(?:-[A-Za-z]|/[A-Za-z]|%|[.,;:?!)\"'”’]*(?:\s|$))")
_PERCENT = re.compile(r"\s?(?:%|percent\b)")
_ARTICLE = re.compile(r"\b([Aa])n?(\s[$€£]?)\Z")
_YEARS = range(1900, 2100)

_SMALL = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
_TEENS = "fifteen sixteen seventeen eighteen nineteen twenty"
_TENS = "thirty forty fifty sixty seventy eighty ninety"
_ORDINALS = "third fourth fifth sixth seventh eighth ninth tenth"
_WORD_VALUES: Mapping[str, tuple[str, ...]] = {
    **{word: (str(value),) for value, word in enumerate(f"{_SMALL} {_TEENS}".split())},
    **{word: (str(value),) for value, word in zip(range(30, 100, 10), _TENS.split(), strict=True)},
    **{word: (str(n), f"1/{n}", f"{n - 1}/{n}") for n, word in enumerate(_ORDINALS.split(), 3)},
    **{f"{word}s": (str(n), f"1/{n}") for n, word in enumerate(_ORDINALS.split(), 3)},
    **dict.fromkeys(("half", "halves", "halved", "middle"), ("2", "1/2", "3/2")),
    **dict.fromkeys(("twice", "double", "doubled", "doubles", "both", "couple"), ("2",)),
    **dict.fromkeys(("pair", "pairs", "twins"), ("2",)),
    **dict.fromkeys(("triple", "tripled", "triples", "thrice", "triplets"), ("3",)),
    **dict.fromkeys(("quadruple", "quadrupled"), ("4",)),
    **dict.fromkeys(("quarter", "quarters"), ("4", "1/4", "3/4", "25", "0.25")),
    **dict.fromkeys(("dime", "dimes"), ("10", "0.1")),
    **dict.fromkeys(("nickel", "nickels"), ("5", "0.05")),
    **dict.fromkeys(("penny", "pennies", "cent", "cents"), ("100", "0.01")),
    **dict.fromkeys(("dollar", "dollars"), ("100",)),
    **dict.fromkeys(("percent", "percentage"), ("100", "0.01")),
    **dict.fromkeys(("dozen", "dozens"), ("12",)),
    **dict.fromkeys(("hundred", "hundreds", "century"), ("100",)),
    **dict.fromkeys(("thousand", "thousands"), ("1000",)),
    **dict.fromkeys(("million", "millions"), ("1000000",)),
    **dict.fromkeys(("second", "seconds"), ("60", "3600")),
    **dict.fromkeys(("minute", "minutes"), ("60",)),
    **dict.fromkeys(("hour", "hours", "hourly"), ("60", "24")),
    **dict.fromkeys(("day", "days", "daily"), ("24", "7", "365")),
    **dict.fromkeys(("week", "weeks", "weekly"), ("7", "4", "52")),
    **dict.fromkeys(("weekday", "weekdays", "workday", "workdays"), ("5",)),
    **dict.fromkeys(("weekend", "weekends"), ("2",)),
    **dict.fromkeys(("month", "months", "monthly"), ("12", "30", "4")),
    **dict.fromkeys(("year", "years", "yearly", "annual", "annually"), ("12", "52", "365")),
    **dict.fromkeys(("decade", "decades"), ("10",)),
    **dict.fromkeys(("foot", "feet", "inch", "inches"), ("12",)),
    **dict.fromkeys(("yard", "yards"), ("3", "36")),
    **dict.fromkeys(("mile", "miles"), ("5280",)),
    **dict.fromkeys(("pound", "pounds", "ounce", "ounces"), ("16",)),
    **dict.fromkeys(("gallon", "gallons", "quart", "quarts"), ("4",)),
    **dict.fromkeys(("meter", "meters", "kilometer", "kilometers"), ("1000", "100")),
    **dict.fromkeys(("kg", "kilogram", "kilograms", "gram", "grams"), ("1000",)),
    **dict.fromkeys(("liter", "liters", "ml", "milliliters"), ("1000",)),
}
_WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True)
class Quantity:
    """A number in a text."""

    start: int
    end: int
    """Where it stands: `text[start:end]`."""
    value: Fraction
    percent: bool = False
    free: bool = False
    """Whether it may be changed."""

    @cached_property
    def unit(self) -> Fraction:
        """What it is a round multiple of, so that a new value can be as round: 50 is of 10."""
        smallest = Fraction(1, 10 ** (decimals(self.value) or 0))
        units = (smallest * larger for larger in (1000, 500, 100, 50, 10, 5))
        fitting = (u for u in units if self.value % u == 0 and self.value >= 4 * u)
        return next(fitting, smallest)

    def meanings(self, value: Fraction) -> tuple[Fraction, ...]:
        """What stands in a solution for this quantity when it has `value`."""
        if not self.percent:
            return (value,)
        share = value / 100
        return (value, share, 1 - share, 100 - value, 1 + share, 100 + value)


def read_quantities(text: str) -> list[Quantity]:
    """The numbers in digits, in their order; those in a fraction are not free."""
    fractions = [range(*found.span()) for found in _FRACTION.finditer(text)]
    return [
        _quantity(text, found, any(found.start() in span for span in fractions))
        for found in _NUMBER.finditer(text)
    ]


def _quantity(text: str, found: re.Match[str], in_fraction: bool) -> Quantity:
    start, end = found.span()
    value = Fraction(found[0].replace(",", ""))
    year = value in _YEARS and "," not in found[0] and text[start - 1 : start] != "$"
    stands_alone = _FREE_BEFORE.search(text[:start]) and _FREE_AFTER.match(text[end:])
    free = bool(stands_alone) and value > 1 and not (in_fraction or year)
    return Quantity(start, end, value, _PERCENT.match(text[end:]) is not None, free)


def constants_of(text: str) -> set[Fraction]:
    """What the words of a text bring along: number words, fractions, units; 1 always."""
    found = {Fraction(1)}
    for word in _WORD.findall(text.casefold()):
        found.update(map(Fraction, _WORD_VALUES.get(word, ())))
    for whole, part, parts in _FRACTION.findall(text):
        share = Fraction(int(part), int(parts)) if int(parts) else Fraction(0)
        found |= {share, 1 - share, share + int(whole or 0), Fraction(int(parts) - int(part))}
    if "$" in text or "%" in text:
        found |= {Fraction(100), Fraction(1, 100)}
    return found


def rewritten(text: str, changes: Mapping[Quantity, Fraction]) -> str:
    """The text with new values, written as the old ones were; "a 9-hour day" has its article."""
    pieces, position = [], 0
    for quantity in sorted(changes, key=lambda q: q.start):
        written = text[quantity.start : quantity.end]
        value = changes[quantity]
        before = _with_article(text[position : quantity.start], value)
        pieces += [before, _written_as(written, value)]
        position = quantity.end
    return "".join([*pieces, text[position:]])


def _with_article(before: str, value: Fraction) -> str:
    """What stands before a number, an article at its end being the one that the number needs."""
    digits = str(int(value))
    eleven = digits[:2] in ("11", "18") and len(digits) % 3 == 2
    vowel = "n" if eleven or digits[0] == "8" else ""
    return _ARTICLE.sub(lambda found: f"{found[1]}{vowel}{found[2]}", before)


def _written_as(before: str, value: Fraction) -> str:
    """With thousands separators and places after the point as before."""
    digits = decimal(value)
    whole, _, places = digits.partition(".")
    _, _, old_places = before.partition(".")
    if "," in before:
        whole = f"{int(whole):,}"
    places = places.ljust(len(old_places), "0")
    return f"{whole}.{places}" if places else whole
