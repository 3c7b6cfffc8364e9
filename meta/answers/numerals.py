r"""Numbers as people and programs write them, with their exact value. Pure functions.

Decimals and thousands, scientific notation, fractions and mixed numbers, repeating decimals, number
words in English and Chinese, and magnitudes (`1.5 million`, `3万`).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

TOLERANCE = Fraction(1, 10**6)
"""Relative, and for integers also absolute."""
_LONGEST = 1000
"""Characters: no answer that people check has as many, and Python converts no more than 4,300."""
_LARGEST_EXPONENT = 2000

_DECIMAL = r"(?:\d{1,3}(?:,\d{2,3})*,\d{3}(?:\.\d+)?|\d+(?:\.\d*)?|\.\d+)"
_POWER = r"10\s*\^\s*(?:\{\s*[-+]?\d+\s*\}|\(\s*[-+]?\d+\s*\)|[-+]?\d+)"
_PLAIN = re.compile(
    rf"(?P<mantissa>{_DECIMAL})"
    rf"(?:[eE](?P<exponent>[-+]?\d+)|\s*[*x]\s*(?P<power>{_POWER}))?|(?P<only>{_POWER})"
)
_FRACTION = re.compile(
    rf"(?:(?P<whole>\d+)(?:\s+(?:and\s+)?|\s*\+\s*|\s*(?=\\frac)|-(?=\d+/)))?"
    rf"(?:\\frac\s*\{{\s*(?P<over>[-+]?{_DECIMAL})\s*\}}\s*\{{\s*(?P<under>{_DECIMAL})\s*\}}"
    rf"|(?P<top>{_DECIMAL})\s*/\s*(?P<bottom>{_DECIMAL}))"
)
_REPEATING = re.compile(
    r"(?P<whole>\d*)\.(?P<fixed>\d*)\\(?:overline|bar|dot)\s*\{?(?P<again>\d+)\}?"
)
_RECURRING = re.compile(
    r"(?P<whole>\d*)\.(?P<fixed>\d{0,20}?)(?P<again>\d{1,20}?)(?P=again)+\s*(?:\.{3}|\\[lc]?dots)"
)
"""`0.1666...`, `0.272727...`."""
_SIGN = re.compile(r"^([-+])\s*(?=[\d.\\])|^(minus|negative|负)\s*", re.IGNORECASE)

MAGNITUDES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9}
MAGNITUDES |= {"trillion": 10**12, "dozen": 12}
_HANZI_MAGNITUDES = {"十": 10, "百": 100, "千": 1000, "万": 10**4, "亿": 10**8}
_MAGNITUDE = re.compile(
    rf"(?P<number>.*?[\d}}])\s*(?P<words>(?:(?:{'|'.join(MAGNITUDES)})s?\s*|[百千万亿])+)"
)
_UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
_UNITS += " fifteen sixteen seventeen eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_WORDS = {word: value for value, word in enumerate(_UNITS.split())}
_WORDS |= {word: 10 * value for value, word in enumerate(_TENS.split(), 2)}
_DENOMINATORS = {"half": 2, "halve": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5}
_DENOMINATORS |= {"sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10}
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6}
_ORDINALS |= {"seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10, "eleventh": 11, "twelfth": 12}
_HANZI = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_HANZI_NUMBER = re.compile("[零〇一二两三四五六七八九十百千万亿]+")


@dataclass(frozen=True)
class Number:
    """A value, and how finely it was written."""

    value: Fraction
    places: float = math.inf
    """Decimal places: 0 for an integer, negative under a power of ten, infinite for fractions."""


def same_number(one: Number, other: Number) -> bool:
    """Equal; or one is the other, rounded or cut off where its digits end, within `TOLERANCE`.

    So 0.333333 is 1/3, but 0.33 is not; 1,234.5 is not 1,234.6; and nothing but 0 is 0.
    """
    apart = abs(one.value - other.value)
    if apart == 0:
        return True
    places = min(one.places, other.places)
    if one.places == other.places:
        return False
    unit = TOLERANCE if places == 0 else Fraction(10) ** -int(places)
    return apart <= unit and apart <= TOLERANCE * max(abs(one.value), abs(other.value))


def number(text: str) -> Number | None:
    """The number that all of a spelled text is; None for anything else, units included."""
    if not text or len(text) > _LONGEST:
        return None
    sign = _SIGN.match(text)
    rest = text[sign.end() :].strip() if sign else text
    rest = rest[1:-1].strip() if re.fullmatch(r"\([^()]*\)|\{[^{}]*\}", rest) else rest
    negative = sign is not None and sign[1] != "+"
    try:
        found = _digits(rest) or _magnitude(rest) or _hanzi(rest) or _words(rest)
    except ZeroDivisionError:
        return None
    if found is None or not negative:
        return found
    return Number(-found.value, found.places)


def ordinal(text: str) -> int | None:
    """The rank that a word such as "third", "3rd" or "第三" names."""
    if text.lower() in _ORDINALS:
        return _ORDINALS[text.lower()]
    if match := re.fullmatch(r"(\d+)\s*\^?\{?\s*(?:st|nd|rd|th)\s*\}?", text):
        return int(match[1][:20])
    if match := re.fullmatch(r"第(\d{1,9}|[零一二三四五六七八九十百千]+)", text):
        found = number(match[1])
        return int(found.value) if found else None
    return None


def _digits(text: str) -> Number | None:
    """A number in digits."""
    if match := _PLAIN.fullmatch(text):
        if match["only"]:
            return _scaled("1", _exponent(match["only"]), math.inf)
        power = match["exponent"] or match["power"]
        digits = match["mantissa"].replace(",", "")
        places = len(digits.partition(".")[2])
        return _scaled(digits, _exponent(power) if power else 0, places)
    if match := re.fullmatch(r"(\d{1,9}) out of (\d{1,9})", text):
        return Number(Fraction(int(match[1]), int(match[2])))
    if match := _FRACTION.fullmatch(text):
        top, bottom = match["over"] or match["top"], match["under"] or match["bottom"]
        if match["whole"] and "." in top + bottom:
            return None
        value = _exact(top) / _exact(bottom) + Fraction(match["whole"] or 0)
        return Number(value)
    if match := _REPEATING.fullmatch(text) or _RECURRING.fullmatch(text):
        whole, fixed, again = match["whole"] or "0", match["fixed"], match["again"]
        value = Fraction(f"{whole}.{fixed or 0}")
        return Number(value + Fraction(int(again), (10 ** len(again) - 1) * 10 ** len(fixed)))
    return None


def _exact(digits: str) -> Fraction:
    return Fraction(digits.replace(",", "").removesuffix("."))


def _exponent(power: str) -> int:
    return int(re.sub(r"^10\s*\^|[\s{}()]", "", power)[:_LARGEST_EXPONENT])


def _scaled(digits: str, exponent: int, places: float) -> Number | None:
    if abs(exponent) > _LARGEST_EXPONENT:
        return None
    return Number(_exact(digits) * Fraction(10) ** exponent, places - exponent)


def _magnitude(text: str) -> Number | None:
    """`1.5 million`, `3 dozen`, `2万`."""
    match = _MAGNITUDE.fullmatch(text)
    base = match and _digits(match["number"])
    if not match or not base:
        return None
    factor = 1
    for word in re.findall(r"[a-z]+|[^a-z\s]", match["words"]):
        factor *= MAGNITUDES.get(word.removesuffix("s")) or _HANZI_MAGNITUDES[word]
    return Number(base.value * factor, base.places - math.log10(factor) // 1 if base.places else 0)


def _words(text: str) -> Number | None:
    """`one hundred and five`, `twenty-one`, `two and a half`, `three quarters`, `half`."""
    words = re.sub(r"[-,]", " ", text.lower()).split()
    if not words or not all(word.isalpha() for word in words):
        return None
    if words[-1].removesuffix("s") in _DENOMINATORS:
        return _spoken_fraction(words)
    whole = _spoken(words)
    return None if whole is None else Number(Fraction(whole), 0)


def _spoken_fraction(words: list[str]) -> Number | None:
    """`half`, `a third`, `two and three quarters`."""
    under = _DENOMINATORS[words[-1].removesuffix("s")]
    before, cut = words[:-1], max((i for i, w in enumerate(words[:-1]) if w == "and"), default=-1)
    whole = _spoken(before[:cut]) if cut > 0 else 0
    top = before[cut + 1 :]
    if not top and (before or under != 2):
        return None
    over = 1 if top in ([], ["a"], ["one"]) else _spoken(top)
    return None if whole is None or over is None else Number(whole + Fraction(over, under))


def _spoken(words: list[str]) -> int | None:
    """A whole number in English words."""
    words = [word for word in words if word != "and"]
    total = current = 0
    for place, word in enumerate(words):
        if word in _WORDS:
            current += _WORDS[word]
        elif word == "a" and place == 0 and len(words) > 1:
            current = 1
        elif (size := MAGNITUDES.get(word.removesuffix("s"))) and (current or total):
            if size <= 100:
                current *= size
            else:
                total, current = total + current * size, 0
        elif word == "dozen" and len(words) == 1:
            current = 12
        else:
            return None
    return total + current if words else None


def _hanzi(text: str) -> Number | None:
    """`三百二十一`, `两千`, `三分之二`, `百分之五十`."""
    if match := re.fullmatch(r"(.+)分之(.+)", text):
        under, over = _hanzi_or_digits(match[1]), _hanzi_or_digits(match[2])
        return None if under is None or over is None else Number(over / under)
    value = _hanzi_value(text)
    return None if value is None else Number(Fraction(value), 0)


def _hanzi_or_digits(text: str) -> Fraction | None:
    value = 100 if text == "百" else _hanzi_value(text)
    if value is not None:
        return Fraction(value)
    found = _digits(text)
    return found.value if found else None


def _hanzi_value(text: str) -> int | None:
    if not _HANZI_NUMBER.fullmatch(text) or text[0] in "百千万亿":
        return None
    if all(sign in _HANZI for sign in text) and len(text) > 1:
        return int("".join(str(_HANZI[sign]) for sign in text))
    total = section = digit = 0
    for sign in text:
        size = _HANZI_MAGNITUDES.get(sign)
        if size is None:
            digit = _HANZI[sign]
        elif size < 10**4:
            section, digit = section + (digit or 1) * size, 0
        else:
            total, section, digit = (total + section + digit) * size, 0, 0
    return total + section + digit
