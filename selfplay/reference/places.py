"""The keys of a configuration's dataclasses, with what is said of each: type, default, text."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import Field, dataclass, fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from selfplay.config.nodes import join
from selfplay.config.values import is_union, type_name
from selfplay.core.components import Table
from selfplay.core.documented import default_text, field_texts


@dataclass(frozen=True)
class Place:
    """A key, and what the dataclass that declares it says of it."""

    key: str
    """Dotted; `N` stands for an index of a list."""
    item: Field[Any]
    hint: Any
    text: str
    """What it means, on one line."""

    @property
    def kind(self) -> type | None:
        """The dataclass that the key holds, one or a list of them; None for a component."""
        present = without_null(self.hint)
        inner = get_args(present)[0] if get_origin(present) in (list, tuple) else present
        section = isinstance(inner, type) and is_dataclass(inner) and self.table is None
        return inner if section else None

    @property
    def inside(self) -> str:
        """Where the keys of that dataclass are."""
        return self.key if without_null(self.hint) is self.kind else join(self.key, "N")

    @property
    def table(self) -> Table | None:
        """What there is to choose from, where the key holds components."""
        found: Table | None = self.item.metadata.get("table")
        return found

    @property
    def default(self) -> str:
        """As a configuration would say it; empty for a section, whose keys have theirs."""
        return "" if self.kind and self.inside == self.key else default_text(self.item)


def places(kind: type, where: str) -> list[Place]:
    """The keys of a dataclass. A section derived from another one's class comes after it."""
    hints, texts = get_type_hints(kind), field_texts(kind)
    found = [
        Place(join(where, item.name), item, hints[item.name], _line(kind, texts.get(item.name, "")))
        for item in fields(kind)
        if item.init
    ]
    kinds = [place.kind for place in found if place.kind]
    return sorted(found, key=lambda place: base_among(place.kind, kinds) is not None)


def flat(kind: type, where: str, apart: Collection[type] = ()) -> Iterator[Place]:
    """The keys of a dataclass and of its sections, but for sections that are described apart."""
    for place in places(kind, where):
        if place.kind is None or place.kind in apart:
            yield place
        else:
            yield from flat(place.kind, place.inside, apart)


def base_among(kind: type | None, kinds: Collection[type]) -> type | None:
    """The first of some classes that a class is derived from."""
    return next((k for k in kinds if kind and k is not kind and issubclass(kind, k)), None)


def of_its_own(keys: list[Place], base: type) -> list[Place]:
    """The keys that a base does not have, or has with another default."""
    inherited = {item.name: default_text(item) for item in fields(base)}
    return [place for place in keys if inherited.get(place.item.name) != default_text(place.item)]


def without_null(hint: Any) -> Any:
    """A type that may be null, without that."""
    others = [part for part in get_args(hint) if part is not type(None)]
    return others[0] if is_union(hint) and len(others) == 1 else hint


def type_text(hint: Any) -> str:
    """A type in words: `list of float`."""
    container, inner = get_origin(hint), get_args(hint)
    if is_union(hint):
        return " or ".join(map(type_text, inner))
    if container in (list, tuple):
        return f"list of {type_text(inner[0])}"
    if container is dict:
        return f"mapping to {type_text(inner[1])}"
    return "any" if hint is Any else type_name(hint)


def _line(kind: type, text: str) -> str:
    """On one line; a constant that the text names (One of `KINDS`) by what it holds."""

    def held(match: re.Match[str]) -> str:
        constant = getattr(sys.modules[kind.__module__], match[1], ())
        if isinstance(constant, Mapping):
            return "; ".join(f"`{word}`: {meaning}" for word, meaning in constant.items())
        return ", ".join(f"`{word}`" for word in constant) or match[0]

    return re.sub(r"[Oo]ne of `([A-Z]+)`", held, " ".join(text.split()))
