"""Units made of others: `m/s^2`, `kJ mol^{-1}`, `kg*m^2`, as powers of base units and a factor.

The SI with its prefixes, and what textbooks use beside it. A unit is read only where all of the
text is one; upper and lower case differ (`mW` is no `MW`).
"""

from __future__ import annotations

import re
from collections import Counter
from fractions import Fraction

_PREFIXES = {"T": 12, "G": 9, "M": 6, "k": 3, "d": -1, "c": -2, "m": -3, "μ": -6, "u": -6}
_PREFIXES |= {"n": -9, "p": -12, "f": -15}
_PREFIXED = """
m: m
g: kg/1000
s: s
A: A
K: K
mol: mol
cd: cd
Hz: s^-1
N: kg m s^-2
Pa: kg m^-1 s^-2
J: kg m^2 s^-2
W: kg m^2 s^-3
C: A s
V: kg m^2 s^-3 A^-1
F: kg^-1 m^-2 s^4 A^2
H: kg m^2 s^-2 A^-2
Ω: kg m^2 s^-3 A^-2
T: kg s^-2 A^-1
Wb: kg m^2 s^-2 A^-1
Bq: s^-1
L: m^3/1000
l: m^3/1000
eV: eV
cal: cal
bar: kg m^-1 s^-2*100000
M: mol m^-3*1000
"""
_PLAIN = """
atm: kg m^-1 s^-2*101325
min: s*60
h: s*3600
hr: s*3600
torr: torr
mmHg: torr
Å: m/10000000000
amu: amu
rpm: rpm
rad: rad
sr: sr
"""
_WORDS = {"meter": "m", "metre": "m", "gram": "g", "second": "s", "ampere": "A", "kelvin": "K"}
_WORDS |= {"mole": "mol", "hertz": "Hz", "newton": "N", "pascal": "Pa", "joule": "J", "watt": "W"}
_WORDS |= {"coulomb": "C", "volt": "V", "farad": "F", "henry": "H", "ohm": "Ω", "tesla": "T"}
_WORDS |= {"weber": "Wb", "liter": "L", "litre": "L", "electronvolt": "eV", "calorie": "cal"}
_WORDS |= {"minute": "min", "hour": "h", "radian": "rad", "angstrom": "Å", "atmosphere": "atm"}
_PREFIX_WORDS = {"": "", "tera": "T", "giga": "G", "mega": "M", "kilo": "k", "centi": "c"}
_PREFIX_WORDS |= {"milli": "m", "micro": "μ", "nano": "n", "pico": "p", "femto": "f"}
_SPOKEN = re.compile(
    rf"\b((?:square|cubic)\s+)?({'|'.join(_PREFIX_WORDS)})({'|'.join(_WORDS)})s?\b(\s+(?:squared|cubed)\b)?",
    re.IGNORECASE,
)
_POWER_WORDS = {"squared": "^2", "cubed": "^3", "square": "^2", "cubic": "^3", "": ""}
_LETTERS = re.compile(r"[a-z](?:[ *][a-z])+")
"""Products of letters that are rather variables: `m g`."""
_PART = re.compile(r"(?P<name>[A-Za-zμΩÅ]+)(?:\^?\{?(?P<power>[-+]?\d)\}?)?")
_SPLIT = re.compile(r"\s*([*/])\s*|\s+")

Dimension = tuple[tuple[str, int], ...]


def _read(line: str) -> tuple[Counter[str], Fraction]:
    """The powers and the factor of a line of the tables: `kg m s^-2*1000`."""
    text, factor = line.strip(), Fraction(1)
    if match := re.search(r"([*/])(\d+)$", text):
        text = text[: match.start()]
        factor = Fraction(match[2]) if match[1] == "*" else 1 / Fraction(match[2])
    powers: Counter[str] = Counter()
    for part in text.split():
        name, _, power = part.partition("^")
        powers[name] += int(power or 1)
    return powers, factor


def _table(lines: str) -> dict[str, tuple[Counter[str], Fraction]]:
    entries = (line.split(":") for line in lines.strip().splitlines())
    return {name: _read(rest) for name, rest in entries}


_WITH_PREFIX, _WITHOUT = _table(_PREFIXED), _table(_PLAIN)


def dimension(text: str) -> tuple[Dimension, Fraction] | None:
    """The powers of base units and the factor of a unit; None for a text that is none."""
    if _LETTERS.fullmatch(text):
        return None
    text = _SPOKEN.sub(_symbol, text)
    text = re.sub(r"\\mu\s*|µ", "μ", text).replace("\\Omega", "Ω").replace("\\", " ")
    text = re.sub(r"\b(?:ohms?|Ohms?)\b", "Ω", re.sub(r"\s+per\s+", "/", text)).strip()
    powers: Counter[str] = Counter()
    factor, sign = Fraction(1), 1
    start = 0
    for cut in [*_SPLIT.finditer(text), None]:
        part = _part(text[start : cut.start() if cut else len(text)].strip("(){} "))
        if part is None:
            return None
        for name, power in part[0].items():
            powers[name] += sign * power
        factor *= part[1] ** sign
        if cut is None:
            break
        sign = -1 if cut[1] == "/" or (sign < 0 and "(" in text) else 1  # a/(b c)
        start = cut.end()
    return tuple(sorted((name, power) for name, power in powers.items() if power)), factor


def _symbol(match: re.Match[str]) -> str:
    """`kilometers squared` as `km^2`."""
    power = _POWER_WORDS[(match[1] or match[4] or "").strip().lower()]
    return _PREFIX_WORDS[match[2].lower()] + _WORDS[match[3].lower()] + power


def _part(text: str) -> tuple[Counter[str], Fraction] | None:
    """One unit with its power: `cm^2`."""
    match = _PART.fullmatch(text)
    found = _named(match["name"]) if match else None
    if match is None or found is None:
        return None
    power = int(match["power"] or 1)
    return Counter({name: n * power for name, n in found[0].items()}), found[1] ** power


def _named(name: str) -> tuple[Counter[str], Fraction] | None:
    """A unit by its symbol, with its prefix."""
    if whole := _WITHOUT.get(name) or _WITH_PREFIX.get(name):
        return whole
    base = _WITH_PREFIX.get(name[1:])
    if base is None or name[0] not in _PREFIXES:
        return None
    return base[0], base[1] * Fraction(10) ** _PREFIXES[name[0]]
