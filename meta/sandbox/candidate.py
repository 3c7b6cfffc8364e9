"""The code under test, in a process of its own: runs it, then answers calls into it.

Requests are a list: `load code classes`, `name n` (a global's value), `call handle arguments
keywords objects`, `operate name arguments` (an operator or a built-in function, of `OPERATIONS`),
`get handle name` and `set handle name value` (attributes). A reply has either `error`, the names of
the exception's classes, its text, its arguments and the handles of its classes, or `value`, and
after a call `changed`: the arguments that are no longer what they were, so that code which works in
place can be tested; and `objects` where there are any (`objects.py`).

A name that is no global is looked for among the methods of a class `Solution`, a new one for each
call.

Nothing here is trusted by the tests: whatever the code makes of this process, all it can send is
data.
"""

from __future__ import annotations

import operator
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from meta.sandbox.data import BrokenLinkError, Link, NotPlainError, decode, encode
from meta.sandbox.names import MODULE
from meta.sandbox.objects import Objects, restore


def _awaited(coroutine: Any) -> Any:
    import asyncio

    return asyncio.run(coroutine)


BETWEEN = (
    "eq", "lt", "le", "gt", "ge", "add", "sub", "mul", "truediv", "floordiv", "mod", "matmul",
    "and_", "or_", "xor",
)  # fmt: skip
"""Operators of two objects of the code's."""
OPERATIONS: Mapping[str, Callable[..., Any]] = {
    **{name: getattr(operator, name) for name in BETWEEN},
    **{kind.__name__: kind for kind in (len, bool, hash, str, repr, iter, next, isinstance)},
    **{name: getattr(operator, name) for name in ("getitem", "setitem", "delitem")},
    "await": _awaited,
}


class Candidate:
    """The code's globals, and the objects that the tests hold handles of."""

    def __init__(self) -> None:
        self._module = types.ModuleType(MODULE)
        self._held: list[Any] = []
        self._handles: dict[int, int] = {}
        self._classes: Sequence[str] = ()

    def answer(self, request: list[Any]) -> dict[str, Any]:
        """The reply to one request; what the code raises is part of it."""
        operation, *arguments = request
        try:
            return dict(getattr(self, f"_{operation}")(*arguments))
        except BaseException as error:  # noqa: BLE001 - code may raise anything
            return {"error": self._error(error)}

    def _load(self, code: str, classes: Sequence[str]) -> dict[str, Any]:
        self._classes = classes
        sys.modules[MODULE] = self._module
        compiled = compile(code, f"{MODULE}.py", "exec", dont_inherit=True)
        exec(compiled, self._module.__dict__)  # noqa: S102
        return {"value": None}

    def _name(self, name: str) -> dict[str, Any]:
        known = self._module.__dict__
        if name not in known and hasattr(known.get("Solution"), name):
            return self._reply(lambda *a, **k: getattr(known["Solution"](), name)(*a, **k))
        return self._reply(known[name])

    def _call(self, handle: int, given: Any, named: Any, rows: Any) -> dict[str, Any]:
        known, fill = restore(rows, self._shared)
        made = self._made_of(known)
        fill(made)
        arguments = [decode(argument, made) for argument in given]
        keywords = {name: decode(value, made) for name, value in named.items()}
        value = self._held[handle](*arguments, **keywords)
        return self._reply(value, known, arguments, given)

    def _operate(self, name: str, arguments: Any) -> dict[str, Any]:
        made = self._made_of(())
        return self._reply(OPERATIONS[name](*(decode(one, made) for one in arguments)))

    def _get(self, handle: int, name: str) -> dict[str, Any]:
        return self._reply(getattr(self._held[handle], name))

    def _set(self, handle: int, name: str, value: Any) -> dict[str, Any]:
        setattr(self._held[handle], name, decode(value, self._made_of(())))
        return {"value": None}

    @property
    def _shared(self) -> dict[str, Any]:
        known = self._module.__dict__
        return {name: known[name] for name in self._classes if isinstance(known.get(name), type)}

    def _reply(
        self, value: Any, known: Sequence[Any] = (), arguments: Sequence[Any] = (), given: Any = ()
    ) -> dict[str, Any]:
        """A value, with the objects that belong to it, and the arguments that have changed."""
        objects = Objects(self._shared, known)

        def special(other: Any) -> dict[str, Any]:
            number = objects.number(other)
            return self._named(other) if number is None else {"object": number}

        encoded = encode(value, special)
        after = [encode(argument, special) for argument in arguments]
        changed = {i: new for i, new in enumerate(after) if new != given[i]}
        return {"value": encoded, "changed": changed, "objects": objects.rows(special)}

    def _named(self, value: Any) -> dict[str, Any]:
        handle = self._hold(value)
        if isinstance(value, types.CoroutineType):
            return {"coroutine": handle}
        if isinstance(value, type) and issubclass(value, BaseException):
            return {"exception": [handle, [kind.__name__ for kind in value.__mro__]]}
        return {"handle": handle}

    def _made_of(self, objects: Sequence[Any]) -> Callable[[str, Any], Any]:
        found: dict[str, Callable[[Any], Any]] = {
            "handle": self._held.__getitem__,
            "object": objects.__getitem__,
            "nan": float,
        }
        return lambda name, content: found[name](content)

    def _hold(self, value: Any) -> int:
        # A value that is held keeps its identity number to itself.
        found = self._handles.setdefault(id(value), len(self._held))
        if found == len(self._held):
            self._held.append(value)
        return found

    def _error(self, error: BaseException) -> list[Any]:
        kinds = type(error).__mro__
        shared = [*self._shared.values()]
        known = [k.__module__ == "builtins" or any(k is one for one in shared) for k in kinds]
        names = [k.__name__ if ours else "" for k, ours in zip(kinds, known, strict=True)]
        handles = [self._handles.get(id(kind)) for kind in kinds]
        return [names, _text(error), _arguments(error), handles]


def _text(error: BaseException) -> str:
    try:
        return str(error)[:200]
    except Exception:  # noqa: BLE001 - `__str__` may be the code's own
        return ""


def _arguments(error: BaseException) -> Any:
    """What the exception was made with, if that is plain and short; else None."""

    def refuse(value: Any) -> dict[str, Any]:
        raise NotPlainError(str(type(value)))

    try:
        found = encode(list(error.args), refuse)
        return found if len(str(found)) <= 1000 else None
    except BaseException:  # noqa: BLE001 - `args` may be the code's own
        return None


def serve(job: object, incoming: int, outgoing: int) -> None:
    """Answers requests until the tests are done; the job is empty, since `load` brings the code."""
    link, candidate = Link(incoming, outgoing), Candidate()
    try:
        while True:
            link.send(candidate.answer(link.receive()))
    except BrokenLinkError:
        return
