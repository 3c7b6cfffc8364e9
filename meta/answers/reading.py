r"""What a spelled text is: a quantity, a literal, a list, an equation, an expression or plain text.

A text is mathematics only if all of it can be: words, other than functions and wrapped units, make
it plain text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from meta.answers.literals import Literal, literal
from meta.answers.spelling import CURRENCY, FUNCTIONS, LONGEST, closings
from meta.answers.units import NONE, Quantity, Unit, quantity, unit_behind


@dataclass(frozen=True)
class Named:
    """A value with the name it is given: `x = 5`, `Total = 18`; the name is empty for a sum."""

    name: str
    value: str


@dataclass(frozen=True)
class Listing:
    """Several values."""

    items: tuple[str, ...]
    brackets: str = ""
    """`()`, `[)`, `{}` …, `∪` for a union, `or` for alternatives; empty for a loose list."""


@dataclass(frozen=True)
class Expression:
    """Mathematics for the engine, as LaTeX, and the unit behind it."""

    latex: str
    unit: Unit = NONE


@dataclass(frozen=True)
class Text:
    """Anything else, as it is compared: without case, outer punctuation, articles."""

    folded: str


Reading: TypeAlias = Quantity | Literal | Named | Listing | Expression | Text

_VARIABLE = r"(?:\\Delta\s*)?(?:\\?[a-zA-Z]+|[a-zA-Z])(?:_\{?\w+\}?)?'?"
_NAME = re.compile(
    rf"(?:{_VARIABLE}(?:\s*\([\w\\, ]*\))?|\|[A-Za-z\\{{}} ]+\|"
    r"|(?:\\(?:angle|triangle)\s*)?[A-Z]{1,4}|\(\s*\\?[a-zA-Z]+(?:\s*,\s*\\?[a-zA-Z]+)*\s*\)|\\(?:overline|vec|hat|bar)\{\w+\}"
    r"|[A-Za-z\u4e00-\u9fff][A-Za-z\u4e00-\u9fff ]*)"
)
_ARITHMETIC = re.compile(rf"[\d\s.,+*/^(){CURRENCY}%-]+")
_DEGREES = re.compile(r"(\d+(?:\.\d+)?)\s*°")
_NO_PRODUCT = re.compile(
    r"[a-zA-Z]{2,}\s+[a-zA-Z\d]{2,}|[a-zA-Z]{2,}\s+\d|[a-z]\s+[a-z]{2}|\d\s+\d"
    r"|\d\.\d+\.\d|[a-zA-Z]\.(?:\s|$)|[+*/^-]$|[a-zA-Z]\d|\+\+|<<|>>"
)
"""Words, numbers side by side, and signs with nothing behind them."""
_INDEX = re.compile(r"_(?:\w|\{\w*\})")
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\{[a-zA-Z]+\*?\}")
_COMMAND = re.compile(r"\\[a-zA-Z]+")
_MATHEMATICAL = re.compile(r"[\w\s+\-*/^=()\[\]{},.\\|<>!%°'&:;]+")
_STOP_WORDS = frozenset(
    {"or", "and", "to", "is", "of", "in", "at", "by", "no", "if", "the", "per", "my"}
    | {"me", "we", "us", "ox", "ex", "am", "an", "as", "be", "do", "go", "he", "it"}
    | {"on", "so", "up", "cm", "mm", "km", "kg", "mg", "ml", "oz", "lb", "ft", "yd"}
    | {"mi", "hr"}
)
_MEMBER = re.compile(
    r"([a-zA-Z]|\([a-zA-Z](?:\s*,\s*[a-zA-Z])*\))\s*\\in\s*([(\[\\{].*)"
    r"|\\\{\s*([a-zA-Z])\s*(?:\\mid(?![a-z])|\||:)\s*(.*[<>=].*)\\\}",
    re.DOTALL,
)
_BOUND = re.compile(r"([a-zA-Z])\s*(<|>|\\le|\\ge)\s*([^<>=a-zA-Z]+|[^<>=a-zA-Z]*\\[^<>=]+)")
_BOUNDS = re.compile(r"([^<>=]+?)\s*(<|\\le)\s*([a-zA-Z])\s*(<|\\le)\s*([^<>=]+)")
_BRACED = re.compile(r"\{[^{}]*,[^{}]*\}")
_SEPARATOR = re.compile(r"\s*(?:,\s*(?:and|or)\s+|[,;]\s*|\s+(?:and|or|及)\s+|或|和|以及)\s*")
_LONGEST = 300
"""Characters of what is no expression."""
_PAIRS = {"(": ")", "[": "]"}
_ARTICLE = re.compile(r"^(?:the|an?)\s+(?=\S)")


def read(text: str) -> Reading:
    """What a spelled text is; what is longer than `LONGEST` is no mathematics."""
    if len(text) > LONGEST:
        return Text(folded(text))
    return _read(text)


@lru_cache(maxsize=8192)
def _read(text: str) -> Reading:
    if len(text) > _LONGEST:
        return Expression(text) if _mathematical(text) else Text(folded(text))
    return (
        literal(text)
        or quantity(text)
        or _named(text)
        or _listing(text)
        or _expression(text)
        or Text(folded(text))
    )


def folded(text: str) -> str:
    """The text as plain texts are compared."""
    plain = re.sub(  # a run is tried from its beginning alone: in linear time
        r"(?<![.,;:!?'\"{}$\\])[.,;:!?'\"{}$\\]+(?=\s|$)|(?<=\s)['\"{}$\\]+|^['\"{}$\\]+|,",
        " ",
        text.casefold(),
    )
    plain = re.sub(r"_\{?(\w+)\}?", r"\1", plain)
    plain = re.sub(r"(?<=[\u4e00-\u9fff]) | (?=[\u4e00-\u9fff])", "", plain)
    plain = " ".join(plain.replace("_", " ").split()) or text.casefold()
    return _ARTICLE.sub("", plain)


def _named(text: str) -> Named | None:
    r"""`name = value`, or the end of a chain of sums; so are `n \in {1, 2}`, `{x | x > 1}`."""
    if member := _MEMBER.fullmatch(text):
        return Named(member[1] or member[3], (member[2] or member[4]).strip())
    first, *more = re.split(r"(?<![<>!\\])=", text)
    value = more[-1].strip() if more else ""
    if not value or not first.strip():
        return None
    name = first.strip()
    if re.match(r"[-+]?\d", value) and isinstance(read(value), Text):
        return None  # "p = 3 is prime"
    wordy = re.fullmatch(r"(?![A-Z]{1,4}$)[A-Za-z\u4e00-\u9fff][A-Za-z\u4e00-\u9fff ]+", name)
    if _ARITHMETIC.fullmatch(name) and re.search(r"\d", name):
        return None if isinstance(read(value), Text) else Named("", value)
    if not _NAME.fullmatch(name) or _balanced_split(text, _SEPARATOR):
        return None
    return Named("" if wordy else name.replace(" ", "").strip("\\"), value)


def _listing(text: str) -> Listing | None:
    """A tuple, a set, an interval, a union, or values with commas or "or" between them."""
    if "\\pm " in text and text.count("\\pm ") == 1:
        before, after = (part.strip() for part in text.split("\\pm "))
        both = (f"{before}+{after}" if before else after, f"{before}-{after}")
        return None if _any_text(both) else Listing(both, "or")
    union = _balanced_split(text, re.compile(r"\s*\\cup\s*"))
    if union and not _any_text(union):
        return Listing(tuple(union), "∪")
    if text.startswith("\\{") and text.endswith("\\}") and text.count("\\{") == 1:
        return Listing(_items(text[2:-2].strip()), "{}")
    if _BRACED.fullmatch(text):
        return Listing(_items(text[1:-1].strip()), "{}")
    if _enclosed(text):
        items = _items(text[1:-1].strip())
        return Listing(items, text[0] + text[-1]) if len(items) > 1 or text[0] == "[" else None
    items = tuple(_balanced_split(text, _SEPARATOR))
    if not items or _any_text(items):
        return None
    either = re.search(r"\bor\b|或", text) is not None
    intervals = [_interval(item) for item in items] if either else []
    if len({name for name, _ in filter(None, intervals)}) == 1 and None not in intervals:
        return Listing(tuple(found[1] for found in intervals if found), "∪")
    return Listing(items, "or" if either else "")


def _any_text(items: Iterable[str]) -> bool:
    return any(isinstance(read(item), Text) for item in items)


def _interval(text: str) -> tuple[str, str] | None:
    r"""The unknown of an inequality and its interval: `x \le 3` is (-\infty, 3]."""
    if match := _BOUND.fullmatch(text):
        open_end = match[2] in "<>"
        if match[2][0] in "<" or match[2] == "\\le":
            return match[1], rf"(-\infty,{match[3]}{')' if open_end else ']'}"
        return match[1], rf"{'(' if open_end else '['}{match[3]},\infty)"
    if match := _BOUNDS.fullmatch(text):
        low, high = "(" if match[2] == "<" else "[", ")" if match[4] == "<" else "]"
        return match[3], f"{low}{match[1]},{match[5]}{high}"
    return None


def _enclosed(text: str) -> bool:
    """Whether one bracket that opens with the text closes with it; halves may differ: `[1, 2)`."""
    return (
        len(text) > 2
        and text[0] in _PAIRS
        and text[-1] in ")]"
        and closings(text).get(0) == len(text) - 1
    )


def _items(inside: str) -> tuple[str, ...]:
    if not inside:
        return ()
    return tuple(_balanced_split(inside, re.compile(r"\s*[,;]\s*"))) or (inside,)


def _balanced_split(text: str, separator: re.Pattern[str]) -> list[str]:
    """The parts between separators outside brackets; empty where there is none."""
    parts, start, depth, position = [], 0, 0, 0
    while position < len(text):
        sign = text[position]
        depth += 1 if sign in "([{" else -1 if sign in ")]}" else 0
        match = separator.match(text, position) if depth == 0 else None
        if match and match.end() > position and match[0].strip():
            parts.append(text[start : match.start()].strip())
            start = position = match.end()
            continue
        position += 1
    last = text[start:].strip()
    return [*parts, last] if parts and last and all(parts) else []


def _expression(text: str) -> Expression | None:
    """Mathematics, if nothing in the text is anything else."""
    bare, unit = unit_behind(text)
    bare = _DEGREES.sub(r"(\1*\\pi/180)", bare.removeprefix(CURRENCY))
    return Expression(bare, unit) if _mathematical(bare) else None


def _mathematical(text: str) -> bool:
    if not _MATHEMATICAL.fullmatch(text) or not text.isascii():
        return False
    plain = _INDEX.sub("", _COMMAND.sub(" ", _ENVIRONMENT.sub(" ", text)))
    runs = [run for run in re.findall(r"[a-zA-Z]{2,}", plain) if run.lower() not in FUNCTIONS]
    if any(len(run) > 3 or run.lower() in _STOP_WORDS for run in runs):
        return False
    if _NO_PRODUCT.search(plain):
        return False
    working = plain != text or re.search(r"[\d+*/^=<>|()!-]", plain) is not None
    return (
        working
        or len(text) == 1
        or bool(re.fullmatch("[a-z]?[xyz]|[xyz][a-z]|ab|bc|ac|mn|pq", text))
    )
