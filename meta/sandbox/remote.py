"""The code under test as the tests see it: names and objects that stand for the other process's."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

from meta.sandbox.candidate import BETWEEN

if TYPE_CHECKING:
    from meta.sandbox.under_test import CodeUnderTest


class Remote:
    """An object of the code that is not plain data.

    Which other objects of the code's it equals, the code says; it equals nothing of the tests.
    """

    def __init__(self, code: CodeUnderTest, handle: int) -> None:
        object.__setattr__(self, "_code", code)
        object.__setattr__(self, "_handle", handle)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self._code.call(self._handle, arguments, keywords)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__name__":
            raise AttributeError(name)
        return self._code.get(self._handle, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._code.set(self._handle, name, value)

    def __hash__(self) -> int:
        return int(self._operate("hash"))

    def __bool__(self) -> bool:
        return self._operate("bool") is True

    def _operate(self, name: str, *arguments: Any) -> Any:
        return self._code.operate(name, self, *arguments)

    def __len__(self) -> int:
        return int(self._operate("len"))

    def __getitem__(self, key: Any) -> Any:
        return self._operate("getitem", key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._operate("setitem", key, value)

    def __delitem__(self, key: Any) -> None:
        self._operate("delitem", key)

    def __contains__(self, item: Any) -> bool:
        return any(item == member for member in self)

    def __iter__(self) -> Iterator[Any]:
        iterator = self._operate("iter")
        if not isinstance(iterator, Remote):
            raise TypeError("iter() returned no iterator")
        while True:
            try:
                item = next(iterator)
            except StopIteration:
                return
            yield item

    def __next__(self) -> Any:
        return self._operate("next")

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield from self._code.coroutine(self._handle).__await__())

    def __deepcopy__(self, _: object) -> Remote:
        return self

    def __enter__(self) -> Any:
        return self._code.get(self._handle, "__enter__")()

    def __exit__(self, *_: object) -> None:
        """What the tests raise is not the code's to know or to swallow."""
        self._code.get(self._handle, "__exit__")(None, None, None)

    def __instancecheck__(self, value: object) -> bool:
        return isinstance(value, Remote) and self._code.operate("isinstance", value, self) is True

    def __str__(self) -> str:
        return str(self._operate("str"))

    def __repr__(self) -> str:
        return str(self._operate("repr"))


def _between(name: str) -> Callable[[Remote, object], Any]:
    def operate(self: Remote, other: object) -> Any:
        return self._operate(name, other) if isinstance(other, Remote) else NotImplemented

    return operate


for _name in BETWEEN:
    setattr(Remote, f"__{_name.rstrip('_')}__", _between(_name))


class Absent:
    """A name that the tests use and the code does not define."""

    def __init__(self, code: CodeUnderTest, name: str) -> None:
        self._code, self._name = code, name

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Raises NameError, as a call of an unknown name does, and has that noted."""
        self._code.lacking = True
        raise NameError(f"name '{self._name}' is not defined")

    def __getattr__(self, name: str) -> Any:
        return self()
