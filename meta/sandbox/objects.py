"""Objects of classes that both processes have, by value: graphs of them, with what they share.

Such a class stands in the prompt's prefix (a `ListNode`, a dataclass), so both sides have their
own, and of an object only the class's name and its attributes go. In a message objects are
numbered; what refers to one has its number, so that lists of nodes may be long and go in circles.
The numbers of objects that were handed over come first in the reply, with what became of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from meta.sandbox.data import BrokenLinkError, Made, Special, decode, encode


class Objects:
    """The objects of one message, and their numbers."""

    def __init__(self, classes: Mapping[str, Any], known: Sequence[Any] = ()) -> None:
        """Args: the classes by their names, and the objects that the other side has numbered."""
        self._classes = classes
        self.values = list(known)
        self._numbers = {id(value): number for number, value in enumerate(known)}

    def number(self, value: Any) -> int | None:
        """The number of an object; None for what is none of these classes."""
        if self._classes.get(type(value).__name__) is not type(value):
            return None
        found = self._numbers.setdefault(id(value), len(self.values))
        if found == len(self.values):
            self.values.append(value)
        return found

    def rows(self, special: Special) -> list[Any]:
        """Class and attributes of each; those that are met on the way are numbered, too."""
        found: list[Any] = []
        while len(found) < len(self.values):
            value = self.values[len(found)]
            found.append([type(value).__name__, encode(_attributes(value), special)])
        return found


def restore(
    rows: Any, classes: Mapping[str, Any], known: Sequence[Any] = ()
) -> tuple[list[Any], Callable[[Made], None]]:
    """The objects of a message, not yet filled, and what fills them once they can be named.

    Args:
        rows: as `Objects.rows` made them.
        classes: this side's, by their names.
        known: objects that have the first numbers already.

    Raises:
        BrokenLinkError: `rows` is no such thing.
    """
    try:
        new = [object.__new__(classes[name]) for name, _ in rows[len(known) :]]
        states = [state for _, state in rows]
    except (LookupError, TypeError, ValueError) as error:
        raise BrokenLinkError(f"no objects: {error}") from error
    values = [*known, *new]

    def fill(made: Made) -> None:
        for value, state in zip(values, states, strict=False):
            _set_attributes(value, decode(state, made))

    return values, fill


def _slots(value: Any) -> list[str]:
    return [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]


def _attributes(value: Any) -> dict[str, Any]:
    named = {name: getattr(value, name) for name in _slots(value) if hasattr(value, name)}
    return {**named, **getattr(value, "__dict__", {})}


def _set_attributes(value: Any, attributes: Any) -> None:
    try:
        getattr(value, "__dict__", {}).clear()
        for name, attribute in attributes.items():
            if name.startswith("__"):
                raise BrokenLinkError(f"an attribute {name}")
            object.__setattr__(value, name, attribute)
    except (AttributeError, TypeError) as error:
        raise BrokenLinkError(f"no attributes: {error}") from error
