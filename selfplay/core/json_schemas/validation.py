"""Is a JSON value what a schema says? And is the schema one that can be checked in full?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from selfplay.core.errors import ConfigError, DataError, nearest
from selfplay.core.json_schemas.assertions import ASSERTIONS

Schema: TypeAlias = Mapping[str, Any] | bool

_ONE = ("items", "additionalProperties", "propertyNames", "not")
"""Keywords whose value is a schema."""
_LISTED = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED = ("properties", "$defs", "definitions")
_SILENT = (
    *("$schema", "$id", "$comment", "title", "description", "default", "examples", "format"),
    *("deprecated", "readOnly", "writeOnly", "$defs", "definitions"),
)
"""Keywords that say nothing of whether a value is valid."""


def check_schema(schema: Any, where: str) -> None:
    """Refuses what is no schema, and what asks for more than can be checked.

    Raises:
        ConfigError: says where in the schema, what was expected and what was found.
    """
    _check(schema, schema, where, set())


def broken_keywords(value: Any, schema: Schema) -> tuple[str, ...]:
    """Where in a checked schema the keywords stand that a value breaks, each once and in order.

    Raises:
        DataError: value or schema are nested too deeply to tell, or the schema refers to itself.
    """
    try:
        return tuple(dict.fromkeys(_broken(value, schema, _Place(schema, ()))))
    except RecursionError as error:
        raise DataError("the JSON or its schema is nested too deeply to be compared") from error


@dataclass(frozen=True)
class _Place:
    """Where in a schema one is."""

    root: Schema
    path: tuple[str, ...]

    def down(self, *steps: str) -> _Place:
        return replace(self, path=(*self.path, *steps))


def _broken(value: Any, schema: Schema, place: _Place) -> Iterator[str]:
    if isinstance(schema, bool):
        if not schema:
            yield "/".join(place.path) or "false"
        return
    for keyword, asked in schema.items():
        here = place.down(keyword)
        if keyword in ASSERTIONS:
            if not ASSERTIONS[keyword].holds(value, asked):
                yield "/".join(here.path)
        elif keyword in _APPLICATORS:
            yield from _APPLICATORS[keyword](value, asked, schema, here)


def _valid(value: Any, schema: Schema, place: _Place) -> bool:
    return next(_broken(value, schema, place), None) is None


def _properties(value: Any, asked: Any, schema: Any, place: _Place) -> Iterator[str]:
    for name in asked if isinstance(value, dict) else ():
        if name in value:
            yield from _broken(value[name], asked[name], place.down(name))


def _additional(value: Any, asked: Any, schema: Any, place: _Place) -> Iterator[str]:
    known = schema.get("properties", ())
    for name in value if isinstance(value, dict) else ():
        if name not in known:
            yield from _broken(value[name], asked, place)


def _names(value: Any, asked: Any, schema: Any, place: _Place) -> Iterator[str]:
    for name in value if isinstance(value, dict) else ():
        yield from _broken(name, asked, place)


def _prefix(value: Any, asked: Any, schema: Any, place: _Place) -> Iterator[str]:
    for i, (item, wanted) in enumerate(
        zip(value if isinstance(value, list) else (), asked, strict=False)
    ):
        yield from _broken(item, wanted, place.down(str(i)))


def _items(value: Any, asked: Any, schema: Any, place: _Place) -> Iterator[str]:
    for item in value[len(schema.get("prefixItems", ())) :] if isinstance(value, list) else ():
        yield from _broken(item, asked, place)


def _all_of(value: Any, asked: Any, schema: Any, place: _Place) -> Iterator[str]:
    for i, wanted in enumerate(asked):
        yield from _broken(value, wanted, place.down(str(i)))


def _any_of(value: Any, asked: Any, schema: Any, place: _Place) -> Iterator[str]:
    if not any(_valid(value, wanted, place) for wanted in asked):
        yield "/".join(place.path)


def _one_of(value: Any, asked: Any, schema: Any, place: _Place) -> Iterator[str]:
    if sum(_valid(value, wanted, place) for wanted in asked) != 1:
        yield "/".join(place.path)


def _not(value: Any, asked: Any, schema: Any, place: _Place) -> Iterator[str]:
    if _valid(value, asked, place):
        yield "/".join(place.path)


def _ref(value: Any, asked: Any, schema: Any, place: _Place) -> Iterator[str]:
    # The location starts anew, so that a recursive schema has no more locations than keywords.
    yield from _broken(value, _target(place.root, asked), _Place(place.root, (asked,)))


_Applicator: TypeAlias = Callable[[Any, Any, Any, _Place], Iterator[str]]
_APPLICATORS: Mapping[str, _Applicator] = {
    "properties": _properties,
    "additionalProperties": _additional,
    "propertyNames": _names,
    "prefixItems": _prefix,
    "items": _items,
    "allOf": _all_of,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "not": _not,
    "$ref": _ref,
}
"""Keywords that apply schemas to a value or to its parts."""


def _target(root: Any, reference: str) -> Any:
    """What `#/…` points to in the schema (RFC 6901). Raises KeyError where that is nothing."""
    found = root
    for step in reference.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        found = found[int(name)] if isinstance(found, list) else found[name]
    return found


def _check(schema: Any, root: Any, where: str, seen: set[str]) -> None:
    """`seen` has the references that are followed already."""
    if isinstance(schema, bool):
        return
    if not isinstance(schema, Mapping):
        raise ConfigError(f"{where}: expected a schema (a mapping, true or false), found {schema}")
    for keyword, asked in schema.items():
        here = f"{where}.{keyword}"
        if keyword == "$ref":
            _check_reference(asked, root, here, seen)
        elif keyword in ASSERTIONS:
            known = ASSERTIONS[keyword]
            if not known.takes(asked):
                raise ConfigError(f"{here}: expected {known.expected}, found {asked!r}")
        else:
            for name, part in _parts(keyword, asked, here):
                _check(part, root, f"{here}{name}", seen)


def _parts(keyword: str, asked: Any, where: str) -> list[tuple[str, Any]]:
    """The schemas within a keyword's value, each with its place."""
    if keyword in _ONE:
        return [("", asked)]
    if keyword in _LISTED:
        if not isinstance(asked, list) or not asked:
            raise ConfigError(f"{where}: expected a list of schemas, found {asked!r}")
        return [(f".{i}", part) for i, part in enumerate(asked)]
    if keyword in _NAMED:
        if not isinstance(asked, Mapping):
            raise ConfigError(f"{where}: expected schemas by name, found {asked!r}")
        return [(f".{name}", part) for name, part in asked.items()]
    if keyword in _SILENT:
        return []
    known = [*ASSERTIONS, *_APPLICATORS, *_SILENT]
    raise ConfigError(f"{where}: this keyword cannot be checked; {nearest(keyword, known)}")


def _check_reference(reference: Any, root: Any, where: str, seen: set[str]) -> None:
    if not isinstance(reference, str) or not reference.startswith("#"):
        raise ConfigError(f"{where}: expected '#/…', a place in this schema, found {reference!r}")
    if reference in seen:
        return
    seen.add(reference)
    try:
        target = _target(root, reference)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ConfigError(f"{where}: '{reference}' points to nothing in this schema") from error
    _check(target, root, f"{where} ({reference})", seen)
