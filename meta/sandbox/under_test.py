"""The other process, for the tests: what they ask it, and what comes of its replies.

A call passes plain data, handles and objects of shared classes, and gives such, or a `Remote`.
Lists, dictionaries and sets that the code changed in place are changed here too; where a call has a
result as well, within an assertion or what a function returns, once that is decided:
`f(x) == sorted(x)` is not to be met by emptying `x`.

An exception of the code is raised here as the built-in exception it is or extends, or as the class
of the code's own that the tests have by its name. `StopIteration` is none of these: outside of
`next` it would end loops of the tests, and is a RuntimeError as in a generator. When the process is
gone `CodeEndedError` is raised, which `except Exception` does not catch: ending is not a way to
have raised.
"""

from __future__ import annotations

import builtins
import sys
from collections import deque
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from meta.sandbox.data import BrokenLinkError, Link, Made, NotPlainError, decode, encode
from meta.sandbox.objects import Objects, restore
from meta.sandbox.remote import Absent, Remote
from meta.sandbox.undefined import Undefined

_ENDING = (StopIteration, StopAsyncIteration)
_INNER = ("<genexpr>", "<listcomp>", "<setcomp>", "<dictcomp>", "<lambda>")


class CodeEndedError(BaseException):
    """The process of the code under test is gone, or no longer makes sense."""


class CodeUnderTest:
    """The other process."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._classes: Mapping[str, Any] = {}
        self._remotes: dict[int, Remote] = {}
        self._exceptions: dict[int, type[Exception]] = {}
        self._deciding: list[tuple[FrameType, list[tuple[Any, Any]]]] = []
        self.ended = False
        self.lacking = False
        """The tests have used a name that the code does not define."""
        self.fault = ""
        """What the tests handed over that cannot be."""

    def load(self, code: str, classes: Mapping[str, Any]) -> None:
        """Has the code run; of `classes` objects go by value. Raises what it raises."""
        self._classes = classes
        self._ask(["load", code, [*classes]])

    def global_named(self, name: str) -> Any:
        """A global of the code, or what raises NameError once it is used."""
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self._value(self._ask(["name", name]))
        except LookupError:
            return Absent(self, name)

    def hold(self) -> None:
        """An assertion begins in the frame that calls."""
        self._deciding.append((sys._getframe(1), []))

    def settle(self, decided: FrameType | None = None) -> None:
        """What calls have changed within the assertion of a frame, or within all, changes now.

        So does what was left by assertions within it that have raised.
        """
        frame = None
        while self._deciding and (decided is None or frame is not decided):
            frame, late = self._deciding.pop()
            for old, new in late:
                _replace(old, new)

    def call(self, handle: int, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """What a call returns, after `arguments` were changed as the code changed them."""
        objects = Objects(self._classes)

        def special(value: Any) -> dict[str, Any]:
            number = objects.number(value)
            return self._special(value) if number is None else {"object": number}

        given = [encode(argument, special) for argument in arguments]
        named = {name: encode(value, special) for name, value in keywords.items()}
        request = ["call", handle, given, named, objects.rows(special)]
        reply = self._ask(request)
        value, made = self._with_objects(reply, objects.values)
        try:
            changes = [
                (arguments[int(place)], self._decoded(new, made))
                for place, new in reply["changed"].items()
            ]
            late = self._late_for(sys._getframe(2)) if value is not None else None
            if late is not None:
                late += changes
            else:
                for old, new in changes:
                    _replace(old, new)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise self._gone() from error
        return value

    def operate(self, name: str, *arguments: Any) -> Any:
        """What an operator or a built-in function of `candidate.OPERATIONS` gives."""
        given = [encode(argument, self._special) for argument in arguments]
        return self._value(self._ask(["operate", name, given]))

    def get(self, handle: int, name: str) -> Any:
        """An attribute."""
        return self._value(self._ask(["get", handle, name]))

    def set(self, handle: int, name: str, value: Any) -> None:
        """Sets an attribute."""
        self._ask(["set", handle, name, encode(value, self._special)])

    def _late_for(self, frame: FrameType | None) -> list[tuple[Any, Any]] | None:
        """Where changes wait if a frame is that of an assertion, or an expression's within it."""
        deciding = {id(frame): late for frame, late in self._deciding}
        while frame is not None and id(frame) not in deciding and frame.f_code.co_name in _INNER:
            frame = frame.f_back
        return deciding.get(id(frame))

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
            raised = self._raised(reply["error"])
            next_ended = request[:2] == ["operate", "next"] and isinstance(raised, StopIteration)
            if isinstance(raised, _ENDING) and not next_ended:
                raise RuntimeError(f"the code raised {type(raised).__name__}")
            raise raised
        return reply

    def _value(self, reply: dict[str, Any]) -> Any:
        return self._with_objects(reply, [])[0]

    def _with_objects(self, reply: dict[str, Any], known: list[Any]) -> tuple[Any, Made]:
        """The value of a reply whose first objects are known, and what makes others of it."""
        try:
            objects, fill = restore(reply.get("objects", ()), self._classes, known)
            made = self._made_of(objects)
            fill(made)
        except BrokenLinkError as error:
            raise self._gone() from error
        return self._decoded(reply["value"], made), made

    def _decoded(self, encoded: Any, made: Made) -> Any:
        try:
            return decode(encoded, made)
        except BrokenLinkError as error:
            raise self._gone() from error

    def _made_of(self, objects: list[Any]) -> Made:
        found: dict[str, Callable[[Any], Any]] = {
            "handle": self._remote,
            "object": objects.__getitem__,
            "nan": Undefined,
            "coroutine": self.coroutine,
            "exception": self._exception,
        }
        return lambda name, content: found[name](content)

    def _remote(self, handle: Any) -> Remote:
        return self._remotes.setdefault(int(handle), Remote(self, int(handle)))

    async def coroutine(self, handle: Any) -> Any:
        """What a coroutine of the code's gives, run over there."""
        return self.operate("await", self._remote(handle))

    def _exception(self, content: Any) -> type[Exception]:
        """A class of this side for one of the code's own."""
        handle, kinds = content
        bases = [kind for kind in map(_built_in, map(str, kinds)) if kind is not None]
        if not bases:
            raise BrokenLinkError("an exception that is none")
        return self._exceptions.setdefault(int(handle), type(str(kinds[0]), (bases[0],), {}))

    def _gone(self) -> CodeEndedError:
        self.ended = True
        return CodeEndedError()

    def _raised(self, error: Any) -> BaseException:
        """As the first class that is known here among those of what the code raised."""
        try:
            kinds, text, arguments, handles = error
            own = [self._exceptions.get(handle) for handle in handles]
            found = [one or self._known(str(kind)) for one, kind in zip(own, kinds, strict=True)]
            known = next(kind for kind in found if kind is not None)
            parts = [] if arguments is None else self._decoded(arguments, _no_special)
        except (TypeError, ValueError, LookupError, StopIteration):
            return self._gone()
        try:
            same = known(*parts)
            return same if str(same) == str(text) else known(str(text))
        except Exception:  # noqa: BLE001 - such as a Unicode error, which takes five arguments
            return ValueError(str(text))

    def _known(self, name: str) -> type[Exception] | None:
        shared = self._classes.get(name)
        is_error = isinstance(shared, type) and issubclass(shared, Exception)
        return shared if is_error else _built_in(name)

    def _special(self, value: Any) -> dict[str, Any]:
        if isinstance(value, Remote):
            return {"handle": int(value._handle)}
        if isinstance(value, Absent):
            value()
        if isinstance(value, BaseException):  # which one it is, the code has decided
            raise TypeError("an exception cannot be handed to the code under test")
        self.fault = f"a {type(value).__name__} cannot be handed to the code under test"
        raise NotPlainError(self.fault)


def _no_special(name: str, content: Any) -> Any:
    raise BrokenLinkError(f"a {name} where none belongs")


def _built_in(name: str) -> type[Exception] | None:
    found = getattr(builtins, name, None)
    return found if isinstance(found, type) and issubclass(found, Exception) else None


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
    elif hasattr(old, "dtype"):  # an array of NumPy's
        old[...] = new
