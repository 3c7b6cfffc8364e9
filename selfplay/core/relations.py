"""Checks of a text against the material of its prompt: what it is made of, and in which order.

They say how far a response works on what it was given (rearranges it, keeps or reverses its order),
whatever the task. Where rearranging is the task, full marks in the fitting ones come close to being
right. The material is the prompt's last word or last line, where
most prompts put what they are about, or all of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from selfplay.core.check_rows import CheckRow
from selfplay.core.errors import ConfigError, DataError
from selfplay.core.types import Prompt

_PARTS: Mapping[str, Callable[[str], str]] = {
    "last_word": lambda text: text.split()[-1],
    "last_line": lambda text: text.strip().splitlines()[-1],
    "all": lambda text: text,
}
_UNITS: Mapping[str, Callable[[str], Sequence[str]]] = {
    "characters": lambda text: "".join(text.casefold().split()),
    "words": lambda text: text.casefold().split(),
}


@dataclass(frozen=True)
class Material:
    """What of the prompt a text is compared with."""

    part: str = "last_word"
    """`last_word`, `last_line` or `all`."""
    unit: str = "characters"
    """`characters`, white space aside, or `words`."""

    def __post_init__(self) -> None:
        for name, known in (("part", _PARTS), ("unit", _UNITS)):
            if getattr(self, name) not in known:
                found = getattr(self, name)
                raise ConfigError(f"{name}: expected one of {', '.join(known)}, found '{found}'")


@dataclass(frozen=True)
class Order(Material):
    """Which neighbours are compared."""

    reverse: bool = False
    """Those of the prompt in the opposite order."""


def rearranges(text: str, prompt: Prompt, parameters: Material) -> float:
    """Dice's coefficient of the two multisets of units: 1 for a rearrangement, 0 with none shared.

    Raises:
        DataError: the prompt has no such material.
    """
    made = Counter(_UNITS[parameters.unit](text))
    given = _counts(prompt.text, parameters.part, parameters.unit)
    shared = sum(min(count, given[unit]) for unit, count in made.items() if unit in given)
    return 2.0 * shared / (made.total() + given.total())


def neighbours(text: str, prompt: Prompt, parameters: Order) -> float:
    """Share of the text's neighbouring units that are neighbours in the prompt, in its order.

    0 for a text of fewer than two units.

    Raises:
        DataError: the prompt has no such material.
    """
    pairs = _pairs(prompt.text, parameters.part, parameters.unit, parameters.reverse)
    made = _UNITS[parameters.unit](text)
    return sum(map(pairs.__contains__, pairwise(made))) / (len(made) - 1) if len(made) > 1 else 0.0


def _material(text: str, part: str, unit: str) -> Sequence[str]:
    if not text.strip():
        raise DataError("the prompt is empty: there is nothing to compare a response with")
    return _UNITS[unit](_PARTS[part](text))


@lru_cache(maxsize=1024)
def _counts(text: str, part: str, unit: str) -> Counter[str]:
    """How often each unit is in the part of a prompt, with which all its responses are compared."""
    return Counter(_material(text, part, unit))


@lru_cache(maxsize=1024)
def _pairs(text: str, part: str, unit: str, reverse: bool) -> frozenset[tuple[str, str]]:
    """The neighbours in the part of a prompt, in its order or in the opposite one."""
    given = _material(text, part, unit)
    return frozenset(pairwise(given[::-1] if reverse else given))


ROWS: Mapping[str, CheckRow] = {
    "rearranges": CheckRow(rearranges, Material, "is made of the prompt's material"),
    "neighbours": CheckRow(neighbours, Order, "keeps the order of the prompt's material"),
}
"""The checks of this file."""
