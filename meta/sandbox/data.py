"""Plain data between the tests and the code under test, and nothing but plain data.

Numbers, texts, bytes, None, ranges, the built-in containers, deques, `Decimal` and `Fraction` go by
value. A subclass goes as the type it extends, so that no method of it comes along: an overridden
`__eq__` cannot say that it equals the expected answer. Everything else stays where it is and is
named by a handle, whose calls go back to its owner.

A message is its length in four bytes and then JSON, in which what JSON lacks is an object with one
key. Big integers travel in base 16, because decimal conversion takes quadratic time.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

LARGEST_MESSAGE = 16 << 20
"""Bytes."""
_EXACT_IN_JSON = 1 << 53

Handle = Callable[[Any], Any]


class BrokenLinkError(Exception):
    """The other side is gone, or sent what is no message."""


class NotPlainError(BaseException):
    """The tests hand over what is not plain data; their own `except Exception` must not hide it."""


def encode(value: Any, handle: Handle) -> Any:
    """`value` for JSON; `handle` names what is not plain, or raises NotPlainError."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, int):
        small = -_EXACT_IN_JSON < value < _EXACT_IN_JSON
        return int.__int__(value) if small else {"int": hex(value)}
    if isinstance(value, list):
        return [encode(item, handle) for item in list.__iter__(value)]
    for kind, (name, parts, _) in _KINDS.items():
        if isinstance(value, kind):
            return {name: encode(parts(value), handle)}
    return {"handle": handle(value)}


def decode(encoded: Any, handle: Handle) -> Any:
    """The value again. Raises BrokenLinkError for what `encode` never makes."""
    if isinstance(encoded, list):
        return [decode(item, handle) for item in encoded]
    if not isinstance(encoded, dict):
        return encoded
    try:
        ((name, content),) = encoded.items()
        if name == "handle":
            return handle(content)
        if name == "int":
            return int(content, 16)
        return _MAKERS[name](decode(content, handle))
    except (TypeError, ValueError, LookupError, ArithmeticError) as error:
        raise BrokenLinkError(f"no plain data: {error}") from error


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
}
_MAKERS = {name: make for name, _, make in _KINDS.values()}


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
