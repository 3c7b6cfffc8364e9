"""The code under test, in a process of its own: runs it, then answers calls into it.

Requests are a list: `load code`, `name n` (a global's value), `call handle arguments keywords`,
`get handle name` and `set handle name value` (attributes). A reply has either `error`, the names of
the exception's classes and its text, or `value`, and after a call `changed`: the arguments that are
no longer what they were, so that code which works in place can be tested.

Nothing here is trusted by the tests: whatever the code makes of this process, all it can send is
data.
"""

from __future__ import annotations

import sys
import types
from typing import Any

from meta.sandbox.data import BrokenLinkError, Link, decode, encode

MODULE = "solution"


class Candidate:
    """The code's globals, and the objects that the tests hold handles of."""

    def __init__(self) -> None:
        self._module = types.ModuleType(MODULE)
        self._held: list[Any] = []

    def answer(self, request: list[Any]) -> dict[str, Any]:
        """The reply to one request; what the code raises is part of it."""
        operation, *arguments = request
        try:
            return dict(getattr(self, f"_{operation}")(*arguments))
        except BaseException as error:  # noqa: BLE001 - code may raise anything
            kinds = [kind.__name__ for kind in type(error).__mro__]
            return {"error": [kinds, _text(error)]}

    def _load(self, code: str) -> dict[str, Any]:
        sys.modules[MODULE] = self._module
        compiled = compile(code, f"{MODULE}.py", "exec", dont_inherit=True)
        exec(compiled, self._module.__dict__)  # noqa: S102
        return {"value": None}

    def _name(self, name: str) -> dict[str, Any]:
        return {"value": self._encoded(self._module.__dict__[name])}

    def _call(self, handle: int, arguments: Any, keywords: Any) -> dict[str, Any]:
        given = [decode(argument, self._held.__getitem__) for argument in arguments]
        named = {name: decode(value, self._held.__getitem__) for name, value in keywords.items()}
        value = self._encoded(self._held[handle](*given, **named))
        after = [self._encoded(argument) for argument in given]
        changed = {i: new for i, new in enumerate(after) if new != arguments[i]}
        return {"value": value, "changed": changed}

    def _get(self, handle: int, name: str) -> dict[str, Any]:
        return {"value": self._encoded(getattr(self._held[handle], name))}

    def _set(self, handle: int, name: str, value: Any) -> dict[str, Any]:
        setattr(self._held[handle], name, decode(value, self._held.__getitem__))
        return {"value": None}

    def _encoded(self, value: Any) -> Any:
        return encode(value, self._hold)

    def _hold(self, value: Any) -> int:
        for handle, known in enumerate(self._held):
            if known is value:
                return handle
        self._held.append(value)
        return len(self._held) - 1


def _text(error: BaseException) -> str:
    try:
        return str(error)[:200]
    except Exception:  # noqa: BLE001 - `__str__` may be the code's own
        return ""


def serve(job: object, incoming: int, outgoing: int) -> None:
    """Answers requests until the tests are done; the job is empty, since `load` brings the code."""
    link, candidate = Link(incoming, outgoing), Candidate()
    try:
        while True:
            link.send(candidate.answer(link.receive()))
    except BrokenLinkError:
        return
