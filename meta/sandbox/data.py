"""Plain data between the tests and the code under test, and nothing but plain data.

Numbers, texts, bytes, None, ranges, the built-in containers and types, deques, dates, `Decimal`,
`Fraction` and NumPy's arrays and numbers go by value. A subclass goes as the type it extends, so
that no method of it comes along: an overridden `__eq__` cannot say that it equals the expected
answer. What becomes of everything else the caller says, in an object with one key of its own.

A message is its length in four bytes and then JSON, in which what JSON lacks is an object with one
key. Big integers travel in base 16, because decimal conversion takes quadratic time.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections import deque
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

LARGEST_MESSAGE = 16 << 20
"""Bytes."""
_EXACT_IN_JSON = 1 << 53

Special = Callable[[Any], dict[str, Any]]
"""What is sent of a value that is not plain, or NotPlainError raised."""
Made = Callable[[str, Any], Any]
"""The value of a special key and its content; of `nan`, the number that is none."""
_TYPES: dict[str, type] = {
    kind.__name__: kind
    for kind in (bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset, range)
}
_ARRAY_KINDS = "biufcSUmM"


class BrokenLinkError(Exception):
    """The other side is gone, or sent what is no message."""


class NotPlainError(BaseException):
    """The tests hand over what is not plain data; their own `except Exception` must not hide it."""


def encode(value: Any, special: Special) -> Any:
    """`value` for JSON."""
    if value is None or isinstance(value, bool):
        return value
    array = _array(value)
    if array is not None:
        return {"array": [*array[:3], encode(array[3], special)]}
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, int):
        small = -_EXACT_IN_JSON < value < _EXACT_IN_JSON
        return int.__int__(value) if small else {"int": hex(value)}
    if isinstance(value, list):
        return [encode(item, special) for item in list.__iter__(value)]
    if isinstance(value, type) and _TYPES.get(value.__name__) is value:
        return {"type": value.__name__}
    for kind, (name, parts, _) in _KINDS.items():
        if isinstance(value, kind):
            return {name: encode(parts(value), special)}
    return special(value)


def decode(encoded: Any, made: Made) -> Any:
    """The value again. Raises BrokenLinkError for what `encode` never makes."""
    if isinstance(encoded, list):
        return [decode(item, made) for item in encoded]
    if isinstance(encoded, float) and math.isnan(encoded):
        return made("nan", encoded)
    if not isinstance(encoded, dict):
        return encoded
    try:
        ((name, content),) = encoded.items()
        if name == "int":
            return int(content, 16)
        if name not in _MAKERS:
            return made(name, content)
        return _MAKERS[name](decode(content, made))
    except (TypeError, ValueError, LookupError, ArithmeticError, ImportError) as error:
        raise BrokenLinkError(f"no plain data: {error}") from error


def _array(value: Any) -> tuple[str, list[int], bool, Any] | None:
    """Type, shape, whether it is a single number, and content, if it is NumPy's; else None."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, (numpy.ndarray, numpy.generic)):
        return None
    array = numpy.asarray(value)
    shape, single = list(array.shape), isinstance(value, numpy.generic)
    if array.dtype.kind in _ARRAY_KINDS:
        return array.dtype.str, shape, single, array.tobytes()
    if array.dtype.kind == "O":
        return "O", shape, single, list(array.flat)
    return None


def _array_of(parts: list[Any]) -> Any:
    import numpy

    kind, shape, single, content = parts
    if kind == "O":
        array = numpy.empty(len(content), object)
        array[:] = content
    else:
        type_ = numpy.dtype(str(kind))
        if type_.kind not in _ARRAY_KINDS:
            raise ValueError(f"an array of {kind}")
        array = numpy.frombuffer(content, type_).copy()
    array = array.reshape([int(size) for size in shape])
    return array[()] if single else array


def _exact(value: Decimal | Fraction) -> str:
    return str(value)


_KINDS: dict[type | tuple[type, ...], tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = {
    tuple: ("tuple", lambda v: list(tuple.__iter__(v)), tuple),
    dict: ("dict", lambda v: [[k, dict.__getitem__(v, k)] for k in dict.__iter__(v)], dict),
    set: ("set", lambda v: list(set.__iter__(v)), set),
    frozenset: ("frozenset", lambda v: list(frozenset.__iter__(v)), frozenset),
    deque: ("deque", lambda v: [v.maxlen, list(deque.__iter__(v))], lambda v: deque(v[1], v[0])),
    bytes: ("bytes", lambda v: bytes.hex(v), bytes.fromhex),
    bytearray: ("bytearray", lambda v: bytearray.hex(v), bytearray.fromhex),
    complex: ("complex", lambda v: [v.real, v.imag], lambda v: complex(*v)),
    range: ("range", lambda v: [v.start, v.stop, v.step], lambda v: range(*v)),
    Decimal: ("decimal", _exact, Decimal),
    Fraction: ("fraction", _exact, Fraction),
    datetime: ("datetime", datetime.isoformat, datetime.fromisoformat),
    date: ("date", date.isoformat, date.fromisoformat),
    time: ("time", time.isoformat, time.fromisoformat),
    timedelta: (
        "timedelta",
        lambda v: [v.days, v.seconds, v.microseconds],
        lambda v: timedelta(*v),
    ),
}
_MAKERS = {name: make for name, _, make in _KINDS.values()} | {
    "array": _array_of,
    "type": _TYPES.__getitem__,
}


class Link:
    """Two pipes that carry messages."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        """Args: the file descriptors to read from and to write to."""
        self._incoming, self._outgoing = incoming, outgoing

    def send(self, message: Any) -> None:
        """Raises BrokenLinkError when the other side is gone."""
        content = json.dumps(message).encode()
        waiting = memoryview(len(content).to_bytes(4, "big") + content)
        try:
            while waiting:
                waiting = waiting[os.write(self._outgoing, waiting) :]
        except OSError as error:
            raise BrokenLinkError(str(error)) from error

    def receive(self) -> Any:
        """The next message. Raises BrokenLinkError at the end, or for what is none."""
        size = int.from_bytes(self._read(4), "big")
        if size > LARGEST_MESSAGE:
            raise BrokenLinkError(f"a message of {size} bytes")
        try:
            return json.loads(self._read(size))
        except (ValueError, RecursionError) as error:
            raise BrokenLinkError(f"no message: {error}") from error

    def _read(self, size: int) -> bytes:
        found = bytearray()
        while len(found) < size:
            try:
                part = os.read(self._incoming, min(size - len(found), 1 << 20))
            except OSError as error:
                raise BrokenLinkError(str(error)) from error
            if not part:
                raise BrokenLinkError("the other side has ended")
            found += part
        return bytes(found)
