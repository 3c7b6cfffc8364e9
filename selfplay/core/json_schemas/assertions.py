"""Keywords of JSON Schema that say something of one value, without looking into its parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from selfplay.core.patterns import is_found, pattern_fault


@dataclass(frozen=True)
class Assertion:
    """One keyword."""

    takes: Callable[[Any], bool]
    """Whether the keyword may have such a value."""
    expected: str
    """The same, in words."""
    holds: Callable[[Any, Any], bool]
    """Whether an instance keeps to the keyword's value; True where it does not speak of such."""


def is_number(value: Any) -> bool:
    """A bool is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


TYPES: Mapping[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: is_number(value) and value == int(value),
    "number": is_number,
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
"""JSON's types by name; 1.0 is an integer."""


def comparable(value: Any) -> Any:
    """A hashable stand-in that is equal for equal JSON values: 1 and 1.0, but not 1 and true."""
    if isinstance(value, dict):
        return ("object", frozenset((key, comparable(part)) for key, part in value.items()))
    if isinstance(value, list):
        return ("array", tuple(comparable(part) for part in value))
    return (isinstance(value, bool), value)


def _is_type(names: Any) -> bool:
    listed = names if isinstance(names, list) else [names]
    return bool(listed) and all(isinstance(name, str) and name in TYPES for name in listed)


def _has_type(value: Any, names: Any) -> bool:
    return any(TYPES[name](value) for name in (names if isinstance(names, list) else [names]))


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _exact(number: Any) -> Fraction:
    """The decimal number that was written, not the binary one next to it."""
    return Fraction(number) if isinstance(number, int) else Fraction(Decimal(repr(number)))


def _bound(holds: Callable[[Any, Any], bool]) -> Assertion:
    """A bound on numbers."""
    return Assertion(is_number, "a number", lambda v, asked: not is_number(v) or holds(v, asked))


def _counted(kind: type[Sized], holds: Callable[[int, int], bool]) -> Assertion:
    """A bound on the length of one kind of value."""
    return Assertion(
        _is_count,
        "a count of 0 or more",
        lambda value, asked: not isinstance(value, kind) or holds(len(value), asked),
    )


def _least(found: Any, asked: Any) -> bool:
    return bool(found >= asked)


def _most(found: Any, asked: Any) -> bool:
    return bool(found <= asked)


ASSERTIONS: Mapping[str, Assertion] = {
    "type": Assertion(_is_type, f"one of {', '.join(TYPES)}, or a list of them", _has_type),
    "enum": Assertion(
        lambda value: isinstance(value, list),
        "a list",
        lambda value, asked: comparable(value) in map(comparable, asked),
    ),
    "const": Assertion(
        lambda value: True,
        "anything",
        lambda value, asked: bool(comparable(value) == comparable(asked)),
    ),
    "minimum": _bound(_least),
    "maximum": _bound(_most),
    "exclusiveMinimum": _bound(lambda value, asked: bool(value > asked)),
    "exclusiveMaximum": _bound(lambda value, asked: bool(value < asked)),
    "multipleOf": Assertion(
        lambda value: is_number(value) and value > 0,
        "a number above 0",
        lambda value, asked: not is_number(value) or _exact(value) % _exact(asked) == 0,
    ),
    "minLength": _counted(str, _least),
    "maxLength": _counted(str, _most),
    "pattern": Assertion(
        lambda value: isinstance(value, str) and not pattern_fault(value),
        "a regular expression",
        lambda value, asked: not isinstance(value, str) or is_found(asked, value),
    ),
    "minItems": _counted(list, _least),
    "maxItems": _counted(list, _most),
    "uniqueItems": Assertion(
        lambda value: isinstance(value, bool),
        "true or false",
        lambda value, asked: (
            not (asked and isinstance(value, list))
            or len(set(map(comparable, value))) == len(value)
        ),
    ),
    "minProperties": _counted(dict, _least),
    "maxProperties": _counted(dict, _most),
    "required": Assertion(
        _are_texts,
        "a list of names",
        lambda value, asked: not isinstance(value, dict) or all(key in value for key in asked),
    ),
}
"""Every keyword of the kind."""
