"""The code under test as the tests see it: names whose calls go to the other process.

A call passes plain data and handles, and gives plain data or a `Remote`. Lists, dictionaries and
sets that the code changed in place are changed here too. An exception of the code is raised here as
the built-in exception it is or extends, so `except ValueError` works. When the process is gone
`CodeEndedError` is raised, which `except Exception` does not catch: ending is not a way to have
raised.
"""

from __future__ import annotations

import builtins
from collections import deque
from collections.abc import Iterator
from typing import Any

from meta.sandbox.data import BrokenLinkError, Link, NotPlainError, decode, encode


class CodeEndedError(BaseException):
    """The process of the code under test is gone, or no longer makes sense."""


class CodeUnderTest:
    """The other process."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.ended = False

    def load(self, code: str) -> None:
        """Has the code run. Raises what it raises."""
        self._ask(["load", code])

    def global_named(self, name: str) -> Any:
        """A global of the code, or what raises NameError once it is used."""
        try:
            return self._value(self._ask(["name", name]))
        except LookupError:
            return Absent(name)

    def call(self, handle: int, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """What a call returns, after `arguments` were changed as the code changed them."""
        given = [self._encoded(argument) for argument in arguments]
        named = {name: self._encoded(value) for name, value in keywords.items()}
        reply = self._ask(["call", handle, given, named])
        value = self._value(reply)
        try:
            for place, new in reply["changed"].items():
                _replace(arguments[int(place)], self._decoded(new))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise self._gone() from error
        return value

    def get(self, handle: int, name: str) -> Any:
        """An attribute."""
        return self._value(self._ask(["get", handle, name]))

    def set(self, handle: int, name: str, value: Any) -> None:
        """Sets an attribute."""
        self._ask(["set", handle, name, self._encoded(value)])

    def _ask(self, request: list[Any]) -> dict[str, Any]:
        if self.ended:
            raise CodeEndedError
        try:
            self._link.send(request)
            reply = self._link.receive()
        except BrokenLinkError as error:
            raise self._gone() from error
        if not isinstance(reply, dict) or not ("value" in reply or "error" in reply):
            raise self._gone()
        if "error" in reply:
            raise self._raised(reply["error"])
        return reply

    def _value(self, reply: dict[str, Any]) -> Any:
        return self._decoded(reply["value"])

    def _decoded(self, encoded: Any) -> Any:
        try:
            return decode(encoded, lambda handle: Remote(self, int(handle)))
        except BrokenLinkError as error:
            raise self._gone() from error

    def _gone(self) -> CodeEndedError:
        self.ended = True
        return CodeEndedError()

    def _raised(self, error: Any) -> BaseException:
        """The first built-in exception among the classes of what the code raised."""
        try:
            kinds, text = error
            found = [getattr(builtins, kind, None) for kind in map(str, kinds)]
        except (TypeError, ValueError):
            return self._gone()
        known = [kind for kind in found if isinstance(kind, type) and issubclass(kind, Exception)]
        try:
            return known[0](str(text)) if known else self._gone()
        except TypeError:  # a Unicode error takes five arguments
            return ValueError(str(text))

    @staticmethod
    def _encoded(value: Any) -> Any:
        return encode(value, _handle_of)


class Remote:
    """An object of the code that is not plain data; equal to itself alone."""

    def __init__(self, code: CodeUnderTest, handle: int) -> None:
        object.__setattr__(self, "_code", code)
        object.__setattr__(self, "_handle", handle)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self._code.call(self._handle, arguments, keywords)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._code.get(self._handle, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._code.set(self._handle, name, value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Remote) and other._handle == self._handle

    def __hash__(self) -> int:
        return hash(self._handle)

    def __bool__(self) -> bool:
        return True

    def _special(self, name: str, *arguments: Any) -> Any:
        return self._code.get(self._handle, name)(*arguments)

    def __len__(self) -> int:
        try:
            return int(self._special("__len__"))
        except AttributeError as error:  # what `list` expects of an object without a length
            raise TypeError(str(error)) from error

    def __getitem__(self, key: Any) -> Any:
        return self._special("__getitem__", key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._special("__setitem__", key, value)

    def __contains__(self, item: Any) -> bool:
        return any(item == member for member in self)

    def __iter__(self) -> Iterator[Any]:
        iterator = self._special("__iter__")
        while True:
            try:
                item = iterator._special("__next__")
            except StopIteration:
                return
            yield item

    def __next__(self) -> Any:
        return self._special("__next__")

    def __str__(self) -> str:
        return str(self._special("__str__"))

    def __repr__(self) -> str:
        return str(self._special("__repr__"))


class Absent:
    """A name that the tests use and neither they nor the code define."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Raises NameError, as a call of an unknown name does."""
        raise NameError(f"name '{self._name}' is not defined")

    def __getattr__(self, name: str) -> Any:
        return self()


def _handle_of(value: Any) -> int:
    if isinstance(value, Remote):
        return int(value._handle)
    if isinstance(value, Absent):
        value()
    raise NotPlainError(f"a {type(value).__name__} cannot be handed to the code under test")


def _replace(old: Any, new: Any) -> None:
    """Makes a mutable container what the code made of it."""
    if isinstance(old, (list, bytearray)):
        old[:] = new
    elif isinstance(old, (dict, set)):
        old.clear()
        old.update(new)
    elif isinstance(old, deque):
        old.clear()
        old.extend(new)
