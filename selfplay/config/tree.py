"""A configuration while it is put together: a tree that mirrors the dataclasses.

Layers (defaults, files, overrides) are assigned to the tree one after another; every leaf keeps
its value and its origin. Then the tree is built, from the leaves up, into dataclass instances.
OmegaConf alone cannot do this: it has no union of dataclasses that switches on a name, and keeps
no origins.

How layers meet: sections and dicts merge; lists are replaced, or changed by index (a mapping
`{0: ...}` in place of the list); a component that gets another name starts from the defaults of
its new options.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import Field, fields, is_dataclass
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from typing_extensions import override

from selfplay.config.nodes import Items, Leaf, Maybe, ModelPlace, Node, join
from selfplay.config.values import DEFAULT, describe, is_union, whence
from selfplay.core.components import MODEL, Choice, NoOptions, Row, Table, find_row, own_code
from selfplay.core.errors import ConfigError, nearest


class Section(Node):
    """A dataclass."""

    def __init__(self, where: str, kind: type, shorthand: str | None = None) -> None:
        super().__init__(where)
        self.kind = kind
        self.shorthand = shorthand
        self.children: dict[str, Node] = {}
        hints = get_type_hints(kind)
        for item in fields(kind):
            if item.init:
                child = make_node(join(where, item.name), hints[item.name], item.metadata)
                self.children[item.name] = child
                default = _default_of(item)
                if default is not NO_DEFAULT:
                    child.assign(default, DEFAULT)

    @override
    def assign(self, value: Any, origin: str) -> None:
        if is_dataclass(value):
            value = {name: getattr(value, name) for name in self.children}
        if self.shorthand is not None and isinstance(value, str):
            value = {self.shorthand: value}
        for key, item in _mapping(self.where, value, origin, self.children).items():
            if key not in self.children:
                raise ConfigError(
                    f"{join(self.where, str(key))}: unknown key, {whence(origin)}; "
                    f"{nearest(str(key), self.children)}"
                )
            self.children[key].assign(item, origin)

    @override
    def build(self) -> Any:
        instance = self.kind(**{name: child.build() for name, child in self.children.items()})
        check = getattr(instance, "check", None)
        if check is not None:
            check(self.where or "configuration")
        return instance

    @override
    def plain(self) -> dict[str, Any]:
        return {name: child.plain() for name, child in self.children.items()}

    @override
    def leaves(self) -> Iterator[Node]:
        for child in self.children.values():
            yield from child.leaves()


class Pick(Node):
    """A component chosen from a table by name, and its options."""

    def __init__(self, where: str, table: Table, shorthand: tuple[str, str] | None) -> None:
        super().__init__(where)
        self.table = table
        self.shorthand = shorthand
        self.name = Leaf(join(where, "name"), str)
        self.row: Row | None = None
        self.options = Section(where, NoOptions)

    @override
    def assign(self, value: Any, origin: str) -> None:
        if isinstance(value, Choice):
            self._choose(value.name, origin)
            self.options.assign(value.options, origin)
            return
        if isinstance(value, str):
            value = self._long_form(value)
        options = dict(_mapping(self.where, value, origin, ["name"]))
        if "name" in options:
            self._choose(options.pop("name"), origin)
        elif self.row is None:
            raise ConfigError(
                f"{self.where}: which component? A 'name' is needed, {whence(origin)} there is "
                f"none; known: {', '.join(sorted(self.table))}"
            )
        self.options.assign(options, origin)

    def _long_form(self, text: str) -> dict[str, str]:
        # A path has a slash or a suffix; a plain word is rather a misspelt name.
        is_path = "/" in text or (":" not in text and "." in text)
        if self.shorthand is None or text in self.table or not is_path:
            return {"name": text}
        name, option = self.shorthand
        return {"name": name, option: text}

    def _choose(self, name: Any, origin: str) -> None:
        if not isinstance(name, str):
            raise ConfigError(
                f"{self.name.where}: expected the name of a component; found {describe(name)}, "
                f"{whence(origin)}."
            )
        if self.row is None or name != self.name.value:
            self.row = find_row(name, self.table, self.where)
            with own_code(name, "when its Options are read"):
                self.options = Section(self.where, self.row.options)
            if "name" in self.options.children:
                raise ConfigError(f"{self.where}: '{name}' has an option 'name'; rename it.")
        self.name.assign(name, origin)

    @override
    def build(self) -> Choice:
        if self.row is None:
            raise ConfigError(
                f"{self.where}: a component is needed and there is none; give it a 'name' "
                f"(known: {', '.join(sorted(self.table))})."
            )
        name = self.name.build()
        with own_code(name, "when its Options are checked"):
            return Choice(name, self.row.factory, self.options.build())

    @override
    def plain(self) -> dict[str, Any]:
        return {"name": self.name.value, **self.options.plain()}

    @override
    def leaves(self) -> Iterator[Node]:
        yield self.name
        yield from self.options.leaves()


class Entries(Node):
    """A dict with string keys; of type Any it passes whatever is nested in it through."""

    def __init__(self, where: str, hint: Any, metadata: Mapping[str, Any]) -> None:
        super().__init__(where)
        self.hint = hint
        self.metadata = metadata
        self.children: dict[str, Node] = {}

    @override
    def assign(self, value: Any, origin: str) -> None:
        self.origin = origin
        for key, item in _mapping(self.where, value, origin).items():
            child = self.children.get(str(key))
            if child is None or self._changes_shape(child, item):
                child = self._make(join(self.where, str(key)), item)
                self.children[str(key)] = child
            child.assign(item, origin)

    def _changes_shape(self, child: Node, item: Any) -> bool:
        holds_list = isinstance(child, Leaf) and isinstance(child.value, list | tuple)
        return (
            self.hint is Any
            and not holds_list
            and (isinstance(child, Entries) != isinstance(item, Mapping))
        )

    def _make(self, where: str, item: Any) -> Node:
        if self.hint is Any and isinstance(item, Mapping):
            return Entries(where, Any, {})
        return make_node(where, self.hint, self.metadata)

    @override
    def build(self) -> dict[str, Any]:
        return {key: child.build() for key, child in self.children.items()}

    @override
    def plain(self) -> dict[str, Any]:
        return {key: child.plain() for key, child in self.children.items()}

    @override
    def leaves(self) -> Iterator[Node]:
        if not self.children:
            yield self
        for child in self.children.values():
            yield from child.leaves()


def make_node(where: str, hint: Any, metadata: Mapping[str, Any]) -> Node:
    """The kind of node that a field's type and metadata ask for."""
    if MODEL in metadata:
        return ModelPlace(where, hint, metadata[MODEL])
    present = _without_none(hint)
    node = _make_present(where, present, metadata)
    if present is hint:
        return node
    if isinstance(node, Leaf):
        return Leaf(where, hint)
    return Maybe(where, lambda place: _make_present(place, present, metadata))


def _make_present(where: str, hint: Any, metadata: Mapping[str, Any]) -> Node:
    container, arguments = get_origin(hint), get_args(hint)
    if "table" in metadata:
        table, shorthand = metadata["table"], metadata.get("shorthand")
        if metadata.get("many"):
            return Items(where, lambda place: Pick(place, table, shorthand), container or tuple)
        return Pick(where, table, shorthand)
    if isinstance(hint, type) and is_dataclass(hint):
        return Section(where, hint, metadata.get("shorthand"))
    if container in (list, tuple) and is_dataclass(arguments[0]):
        return Items(where, lambda place: make_node(place, arguments[0], metadata), container)
    if container is dict and arguments[0] is str:
        return Entries(where, arguments[1], metadata)
    return Leaf(where, hint)


def _without_none(hint: Any) -> Any:
    parts = get_args(hint) if is_union(hint) else ()
    others = [part for part in parts if part is not NoneType]
    return others[0] if len(others) == 1 and len(parts) == 2 else hint


def _default_of(item: Field[Any]) -> Any:
    if item.default_factory is not NO_DEFAULT:
        return item.default_factory()
    return item.default


def _mapping(where: str, value: Any, origin: str, known: Iterable[str] = ()) -> Mapping[Any, Any]:
    if isinstance(value, Mapping):
        return value
    keys = f" with keys among {', '.join(known)}" if known else ""
    raise ConfigError(
        f"{where or 'configuration'}: expected a mapping{keys}; found {describe(value)}, "
        f"{whence(origin)}."
    )
