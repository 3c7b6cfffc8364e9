r"""Numbers with their units: `18 eggs`, `$5`, `30°`, `3 cm`, `2 hours 30 minutes`, `5元`.

Where one side has no unit, the other's is left out; where both have one, the units are compared,
and known ones converted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from meta.answers.dimensions import dimension
from meta.answers.numerals import Number, number, ordinal, same_number
from meta.answers.spelling import CURRENCY, FUNCTIONS

_KNOWN = """
length km 1000: km kilometer kilometre 千米 公里
length m 1: m meter metre 米
length dm 1/10: dm decimeter decimetre 分米
length cm 1/100: cm centimeter centimetre 厘米
length mm 1/1000: mm millimeter millimetre 毫米
length in 127/5000: inch inche in "
length ft 381/1250: ft foot feet '
length yd 1143/1250: yd yard
length mi 201168/125: mile mi
area m2 1: m^2 sq_m square_meter square_metre 平方米
area cm2 1/10000: cm^2 sq_cm square_centimeter square_centimetre 平方厘米
area dm2 1/100: dm^2 square_decimeter 平方分米
area km2 1000000: km^2 square_kilometer square_kilometre 平方千米 平方公里
area mm2 1/1000000: mm^2 square_millimeter square_millimetre
area ft2 145161/1562500: ft^2 sq_ft square_foot square_feet
area in2 16129/25000000: in^2 sq_in square_inch square_inche
volume m3 1000: m^3 cubic_meter cubic_metre 立方米
volume cm3 1/1000: cm^3 cc cubic_centimeter cubic_centimetre 立方厘米
volume dm3 1: dm^3 cubic_decimeter 立方分米
volume l 1: l liter litre 升
volume ml 1/1000: ml milliliter millilitre 毫升
mass kg 1000: kg kilogram kilo 千克 公斤
mass g 1: g gram 克
mass mg 1/1000: mg milligram 毫克
mass t 1000000: ton tonne 吨
mass lb 45359237/100000: lb pound_mass
mass oz 45359237/1600000: oz ounce
time s 1: s sec second 秒
time min 60: min minute 分钟
time h 3600: h hr hour 小时
time d 86400: day 天
time wk 604800: week 周 星期
money$ usd 1: $ dollar usd buck us_dollar 美元
money$ cent 1/100: cent ¢
money£ gbp 1: £ gbp pound
money€ eur 1: € eur euro
money¥ cny 1: ¥ 元 yuan rmb cny 人民币
money¥ jiao 1/10: 角
money₹ inr 1: ₹ rupee inr
angle deg 1: ° degree deg 度
temperature c 1: °c degree_celsius degrees_celsius 摄氏度
temperature_f f 1: °f F degree_fahrenheit degrees_fahrenheit
speed mps 1: m/s meter_per_second metre_per_second m*s^-1 m_s^-1 米/秒
speed kmh 5/18: km/h kmh kph kilometer_per_hour kilometre_per_hour km/hr 千米/时 千米/小时
speed mph 1397/3125: mph mile_per_hour mile/hour
acceleration mps2 1: m/s^2 meter_per_second_squared
share percent 1/100: % percent pct percentage per_cent percentage_point
energy j 1: j joule
energy kj 1000: kj kilojoule
electronvolts ev 1: ev electronvolt electron_volt
electronvolts kev 1000: kev
electronvolts mev 1000000: mev
electronvolts gev 1000000000: gev
force n 1: n newton
power w 1: w watt
power kw 1000: kw kilowatt
frequency hz 1: hz hertz
voltage v 1: v volt
current a 1: a ampere amp
information mb 1: mb megabyte
information gb 1000: gb gigabyte
amount mol 1: mol mole
count unit 1: unit 个单位 单位
count2 unit2 1: square_unit sq_unit unit^2 平方单位
count3 unit3 1: cubic_unit unit^3 立方单位
"""
_BASES = {"length": "m", "area": "m^2", "volume": "L", "mass": "g", "time": "s", "energy": "J"}
_BASES |= {"speed": "m/s", "acceleration": "m/s^2", "force": "N", "power": "W", "voltage": "V"}
_BASES |= {"frequency": "Hz", "current": "A", "amount": "mol", "electronvolts": "eV"}
"""The units that factors in the table are of, as `meta.answers.dimensions` reads them."""
_VALUE_WORDS = frozenset(
    {"or", "and", "to", "times", "plus", "minus", "over", "squared", "cubed", "is", "are", "not"}
    | {"because", "since", "but", "than", "between", "if", "so", "mod", "more", "less", "half"}
    | {"third", "quarter", "dozen", "hundred", "thousand", "million", "billion", "trillion", "pi"}
    | {
        "point",
        "each_other",
        "with",
        "from",
        "through",
        "until",
        "th",
        "st",
        "nd",
        "rd",
        "am",
        "pm",
    }
    | set(FUNCTIONS)
)
"""Words that are part of an answer's value, or a sentence's, so that they are no unit."""
_UNIT_TEXT = re.compile(
    r"[^\W\d_][^\W\d_.'-]*(?:[ .'/-]+[^\W\d_]+)*(?:\s*\^\s*\{?-?\d\}?)?\.?", re.UNICODE
)
_NUMERAL = r"[-+]?\s*(?:\d{1,3}(?:,\d{3})+|\d+|(?=\.\d))(?:\.\d+)?(?:\s*\d*/\d+)?"
_NUMBER_END = re.compile(r"[\d})](?:\s*[百千万亿]+)?(?!\d)")
_UNIT_START = re.compile(r"[^\d\s\\{}()^,;=+*/百千万亿-][^=+,;()]*$|/\s*[A-Za-z]+$")
_LONGEST = 200
"""Characters within which a number ends that has a unit."""
_LONGEST_UNIT = 60
_FRACTION_UNIT = re.compile(
    r"(?<=\d)\s*\\frac\s*\{\s*([a-z]+)\s*\}\s*\{\s*([a-z]+)(\s*\^\s*\{?\d\}?)?\s*\}"
)
_BRACKETED = re.compile(r"(?<=[\d}])\s*\(\s*([^\W\d_]{1,12})\s*\)")
_HYPHENED = re.compile(
    r"(?<=^\d)-(?=[A-Za-z]{3})|(?<=^\d\d)-(?=[A-Za-z]{3})|(?<=^\d{3})-(?=[A-Za-z]{3})"
)
"""In `43-yard`, as attributes are written."""
_RESIDUE = re.compile(r"(\S+)\s*\(?\s*\\?[bp]?mod\s*\{?\s*(\w+)\s*\}?\)?")
_TAIL = frozenset(
    {"in", "of", "on", "at", "for", "to", "from", "altogether", "total", "left", "remaining"}
    | {"each", "every", "per", "a"}
)
_TRIGONOMETRIC = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)")
_BEHIND = re.compile(
    r"(?P<before>.*?[}\w)])\s*(?P<unit>(?:(?<=\s)[A-Za-z][A-Za-z .]*|°|%|[\u4e00-\u9fff]+)"
    r"(?:\s*(?:\^\s*\{?\d\}?|/\s*[a-z]+))*)"
)
_COMPOUND = re.compile(rf"({_NUMERAL})\s*([^\W\d]+|°|'+|\")(?:\s*(?:,|and|,\s*and)\s*)?\s*")
_PREFIX = re.compile(
    rf"(?P<sign>[-+]?)\s*(?:US)?\s*(?P<currency>[{CURRENCY}£€¥₹])\s*(?P<rest>[-+]?\s*[\d.\\(].*)"
)


@dataclass(frozen=True)
class Unit:
    """What a number counts; `dimension` is empty for words that are not in the table."""

    words: str
    dimension: str = ""
    factor: Fraction = Fraction(1)


def _table() -> dict[str, Unit]:
    found: dict[str, Unit] = {}
    for line in _KNOWN.strip().splitlines():
        head, _, names = line.partition(":")
        sort, name, factor = head.split()
        unit = _made(name, _BASES[sort]) if sort in _BASES else Unit(name, sort)
        assert unit is not None
        unit = Unit(name, unit.dimension, unit.factor * Fraction(factor))
        found |= {alias.replace("_", " "): unit for alias in names.split()}
    return found


def _made(words: str, text: str) -> Unit | None:
    """A unit made of others; None where the text is none."""
    found = dimension(text)
    return None if found is None else Unit(words, repr(found[0]), found[1])


_UNITS = _table()
NONE = Unit("")
PERCENT = _UNITS["%"]
ORDINAL = Unit("th", "rank")


@dataclass(frozen=True)
class Quantity:
    """A number and its unit."""

    number: Number
    unit: Unit = NONE
    attached: bool = False
    """A single letter behind the digits, which may as well be a variable: `5m`."""


def quantity(text: str) -> Quantity | None:
    """The quantity that all of a spelled text is; None for anything else."""
    if (bare := number(text)) is not None:
        return Quantity(bare)
    if (rank := ordinal(text)) is not None:
        return Quantity(Number(Fraction(rank), 0), ORDINAL)
    if modulus := _RESIDUE.fullmatch(text):
        residue = number(modulus[1])
        return Quantity(residue, Unit(modulus[2], f"mod {modulus[2]}")) if residue else None
    text = _HYPHENED.sub(" ", text)
    text = _BRACKETED.sub(r" \1", _FRACTION_UNIT.sub(r" \1/\2\3", text))
    return _priced(text) or _measured(text) or _compound(text)


def _priced(text: str) -> Quantity | None:
    """`$5`, `-$5`, `$1.5 million`, `$5 per day`."""
    match = _PREFIX.fullmatch(text)
    if match is None:
        return None
    unit = _UNITS["$" if match["currency"] == CURRENCY else match["currency"]]
    rest = match["sign"] + match["rest"]
    bare = number(rest)
    if bare is None and (measured := _measured(rest)) and not measured.attached:
        tail = measured.unit.words
        if not measured.unit.dimension and tail.startswith(("per ", "a ", "each", "/")):
            return Quantity(measured.number, unit)
        same = measured.unit.dimension == unit.dimension and measured.unit.factor == unit.factor
        return Quantity(measured.number, unit) if same else None
    return None if bare is None else Quantity(bare, unit)


def _measured(text: str) -> Quantity | None:
    """A number and words: the shortest number whose rest is a unit."""
    if match := re.fullmatch(r"百分之(.+)", text):
        share = number(match[1])
        return Quantity(share, PERCENT) if share else None
    for cut in (match.end() for match in _NUMBER_END.finditer(text[:_LONGEST])):
        behind = text[cut:]
        unit_text = behind.strip()
        if not _UNIT_START.match(unit_text) or (value := number(text[:cut].strip())) is None:
            continue
        spaced = behind != unit_text or unit_text[0] == "/"
        if unit := _unit(unit_text, spaced):
            single = len(unit_text) == 1 and unit_text.isascii() and unit_text.isalpha()
            return Quantity(value, unit, single and not spaced)
    return _worded(text)


def _worded(text: str) -> Quantity | None:
    """`eighteen eggs`, `three hours`, `五元`."""
    if half := re.fullmatch(r"(an?|\w+) (\w+) and a half", text):
        whole, unit = number("one" if half[1] in ("a", "an") else half[1]), _unit(half[2], True)
        return Quantity(Number(whole.value + Fraction(1, 2)), unit) if whole and unit else None
    words = text.split()
    if len(words) == 2 and words[1].lower() in ("place", "position"):
        rank = ordinal(words[0])
        return None if rank is None else Quantity(Number(Fraction(rank), 0), ORDINAL)
    for cut in range(len(words) - 1, 0, -1):
        value = number(re.sub(r"(?<=half) an?$", "", " ".join(words[:cut])))
        unit = _unit(" ".join(words[cut:]), spaced=True)
        if value is not None and unit is not None:
            return Quantity(value, unit)
    if match := re.fullmatch(r"([零一二两三四五六七八九十百千万亿]+)([\u4e00-\u9fff]{1,4})", text):
        value, unit = number(match[1]), _unit(match[2], spaced=True)
        return Quantity(value, unit) if value and unit else None
    return None


def _compound(text: str) -> Quantity | None:
    """`2 hours 30 minutes`, `5 feet 6 inches`, `3 dollars and 50 cents`."""
    if len(text) <= _LONGEST_UNIT:
        text = re.sub(r"[a-z]+", _digits_of, text)
    parts = _COMPOUND.findall(text)
    if len(parts) < 2 or _COMPOUND.sub("", text).strip(" ."):
        return None
    units = [_unit(word, spaced=True) for _, word in parts]
    values = [number(digits.strip()) for digits, _ in parts]
    dimensions = {unit.dimension if unit else "" for unit in units}
    if len(dimensions) != 1 or "" in dimensions or None in values:
        return None
    first = next(unit for unit in units if unit)
    total = sum(v.value * u.factor for v, u in zip(values, units, strict=True) if v and u)
    return Quantity(Number(Fraction(total) / first.factor, 0), first)


def _digits_of(word: re.Match[str]) -> str:
    """A number word in digits, another word as it is."""
    value = number(word[0])
    return str(value.value) if value and value.places == 0 else word[0]


def _unit(text: str, spaced: bool) -> Unit | None:
    """The unit that a text names; None where it may be something else, such as a variable."""
    if len(text) > _LONGEST_UNIT:
        return None
    words = re.sub(r"[\s{}]+", " ", re.sub(r"\.(?=\s|$)", "", text)).strip()
    words = re.sub(r"(?<=°)\s+(?=[CF])", "", re.sub(r"\s*\^ ?(-?\d)", r"^\1", words))
    made = _made(words, words) if spaced else None
    for name in (words, words.lower()):
        if made and name != words:  # upper and lower case differ: `0.25 M`
            return made
        known = (
            _UNITS.get(name)
            or _UNITS.get(re.sub(r"s\b", "", name))
            or _UNITS.get(re.sub(r"\s*([/^*])\s*", r"\1", name))
        )
        if known:
            return known
    if made:
        return made
    words = re.sub(r"\s*/\s*(?=[a-zA-Z])", " per ", words).strip()
    folded = [_singular(word) for word in words.casefold().split()]
    if re.fullmatch(r"[\u4e00-\u9fff]{1,6}(?:/[\u4e00-\u9fff]+)?", words):
        return Unit(words)
    wordy = _UNIT_TEXT.fullmatch(words) and len(folded) <= 6 and re.search(r"[^\W\d_]{3}", words)
    if not spaced or not wordy or not _VALUE_WORDS.isdisjoint(words.casefold().split()):
        return None
    return Unit(" ".join(folded))


def unit_behind(text: str) -> tuple[str, Unit]:
    r"""An expression and the unit behind it: `2\\sqrt{3} cm`; `NONE` where nothing is one."""
    match = _BEHIND.fullmatch(text)
    known = _UNITS.get(match["unit"]) or _unit(match["unit"], spaced=True) if match else None
    if not match or known is None or re.search(r"(?<!\\)\b[a-zA-Z]", match["before"]):
        return text, NONE
    if known.dimension == "angle" and _TRIGONOMETRIC.search(match["before"]):
        return text, NONE
    return match["before"], known


def same_unit(one: Unit, other: Unit) -> bool:
    """The same unit, or none on one side."""
    if NONE in (one, other) or one == other:
        return True
    return _same_words(one, other)


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word


def same_quantity(gold: Quantity, given: Quantity, percents: bool) -> bool:
    """Equal numbers of the same unit, or of none on one side.

    A share may be written as a fraction, so 50% is 0.5; it is 50 too where the question asks for
    percents (`percents`) or the number is above 1, which a bare share would not be.
    """
    share, other = (gold, given) if gold.unit == PERCENT else (given, gold)
    if share.unit == PERCENT and other.unit != PERCENT:
        return _same_share(share.number, other, percents)
    if gold.unit == NONE or given.unit == NONE:
        return not gold.attached and same_number(gold.number, given.number)
    if {gold.unit.words, given.unit.words} == {"c", "C"}:  # "25 C" may be degrees or coulombs
        return same_number(gold.number, given.number)
    if not gold.unit.dimension or gold.unit.dimension != given.unit.dimension:
        return _same_words(gold.unit, given.unit) and same_number(gold.number, given.number)
    if gold.unit.factor == given.unit.factor:
        return same_number(gold.number, given.number)
    return same_number(_in_base(gold), _in_base(given))


def _same_share(share: Number, other: Quantity, percents: bool) -> bool:
    if other.unit != NONE:
        return False
    as_fraction = Number(share.value / 100, share.places + 2)
    if same_number(as_fraction, other.number):
        return True
    return (percents or abs(share.value) > 1) and same_number(share, other.number)


def _in_base(one: Quantity) -> Number:
    return Number(one.number.value * one.unit.factor, one.number.places)


def _same_words(one: Unit, other: Unit) -> bool:
    """The same words, or fewer before or after the thing itself: `eggs`, `duck eggs per day`."""
    if one.dimension or other.dimension:
        return False
    few, many = sorted((one.words.split(), other.words.split()), key=len)
    tail = next((place for place, word in enumerate(many) if word in _TAIL), len(many))
    heads = many[:tail]
    return few == many or (bool(heads) and few in (heads, heads[-len(few) :]))
