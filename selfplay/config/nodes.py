"""Places of a configuration that know no dataclass: values, lists and optional parts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from omegaconf import MISSING
from typing_extensions import override

from selfplay.config.values import DEFAULT, convert, describe, index_of, patched, plain, whence
from selfplay.core.errors import ConfigError
from selfplay.core.models.hub import stored


class Node(ABC):
    """One place of the tree."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.origin = DEFAULT

    @abstractmethod
    def assign(self, value: Any, origin: str) -> None:
        """Lays a value over what is there.

        Raises:
            ConfigError: an unknown key or component, or data of the wrong shape.
        """

    @abstractmethod
    def build(self) -> Any:
        """The typed value.

        Raises:
            ConfigError: a missing value, a wrong type, or a check that failed.
        """

    @abstractmethod
    def plain(self) -> Any:
        """The value as plain data: dicts, lists, strings, numbers, bools, None."""

    @abstractmethod
    def leaves(self) -> Iterator[Node]:
        """The places that hold one value of one origin, in order: leaves, and empty containers."""


class Leaf(Node):
    """A single value: a number, a string, a list of numbers."""

    def __init__(self, where: str, hint: Any) -> None:
        super().__init__(where)
        self.hint = hint
        self.value: Any = MISSING

    @override
    def assign(self, value: Any, origin: str) -> None:
        if isinstance(value, Mapping) and isinstance(self.value, list | tuple):
            value = patched(self.where, self.value, value)
        self.value, self.origin = value, origin

    @override
    def build(self) -> Any:
        if isinstance(self.value, str) and self.value == MISSING:
            raise ConfigError(
                f"{self.where}: a value is needed and there is none; set it in the file, or add "
                f"{self.where}=VALUE."
            )
        self.value = convert(self.where, self.hint, self.value, self.origin)
        return self.value

    @override
    def plain(self) -> Any:
        return plain(self.value)

    @override
    def leaves(self) -> Iterator[Node]:
        yield self


class ModelPlace(Leaf):
    """A model: a directory, which is kept as an absolute path, or a name that stays as it is."""

    def __init__(self, where: str, hint: Any, names: Collection[str]) -> None:
        """`names` are those that mean something else than a directory of that name."""
        super().__init__(where, hint)
        self.names = names

    @override
    def build(self) -> Any:
        value = super().build()
        if isinstance(value, str) and value not in self.names:
            self.value = stored(value)
        return self.value


class Items(Node):
    """A list or tuple of sections, components or dicts."""

    def __init__(self, where: str, make: Callable[[str], Node], container: type) -> None:
        super().__init__(where)
        self.make = make
        self.container = container
        self.children: list[Node] = []

    @override
    def assign(self, value: Any, origin: str) -> None:
        if isinstance(value, Mapping):
            for key, item in value.items():
                index = index_of(self.where, key, len(self.children))
                self.children[index].assign(item, origin)
            return
        if not isinstance(value, list | tuple):
            raise ConfigError(
                f"{self.where}: expected a list; found {describe(value)}, {whence(origin)}."
            )
        self.origin = origin
        self.children = [self.make(join(self.where, str(index))) for index in range(len(value))]
        for child, item in zip(self.children, value, strict=True):
            child.assign(item, origin)

    @override
    def build(self) -> Any:
        return self.container(child.build() for child in self.children)

    @override
    def plain(self) -> list[Any]:
        return [child.plain() for child in self.children]

    @override
    def leaves(self) -> Iterator[Node]:
        if not self.children:
            yield self
        for child in self.children:
            yield from child.leaves()


class Maybe(Node):
    """A section, component, list or dict that may be null."""

    def __init__(self, where: str, make: Callable[[str], Node]) -> None:
        super().__init__(where)
        self.make = make
        self.child: Node | None = None

    @override
    def assign(self, value: Any, origin: str) -> None:
        self.origin = origin
        if value is None:
            self.child = None
            return
        self.child = self.child or self.make(self.where)
        self.child.assign(value, origin)

    @override
    def build(self) -> Any:
        return None if self.child is None else self.child.build()

    @override
    def plain(self) -> Any:
        return None if self.child is None else self.child.plain()

    @override
    def leaves(self) -> Iterator[Node]:
        if self.child is None:
            yield self
        else:
            yield from self.child.leaves()


def join(where: str, key: str) -> str:
    """A dotted path with one more key."""
    return f"{where}.{key}" if where else key
