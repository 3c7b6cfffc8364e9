"""Single values of a configuration: conversion to the declared type, and back to plain data.

OmegaConf does the conversion (numbers, strings, enums, `Literal`, paths, lists, tuples, dicts), one
value at a time, so that an error can name the key, the type and the place; unions, which OmegaConf
knows for single values only, are tried member by member. Stricter
than OmegaConf in two points: a bool is never made from something else, nor a string from a bool,
since YAML turns a bare `no` or `off` into one.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import field, make_dataclass
from enum import Enum
from functools import cache
from pathlib import PurePath
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from omegaconf import MISSING, OmegaConf

from selfplay.core.errors import ConfigError, nearest
from selfplay.core.guard import guarded, shown

DEFAULT = "default"
"""The origin of a value that nobody set."""
OVERRIDE = "override"
"""The origin of a value set by `key=value`; any other origin is a file's name."""


def whence(origin: str) -> str:
    """Where a value comes from, as the end of a sentence."""
    places = {DEFAULT: "by default", OVERRIDE: "by an override"}
    return f"set {places.get(origin, f'in {origin}')}"


def describe(value: Any) -> str:
    """A found value for an error message, cut short, with its type."""
    text = shown(value)
    short = text if len(text) <= 60 else text[:57] + "..."
    return "nothing" if value is None else f"{short} ({type(value).__name__})"


def type_name(hint: Any) -> str:
    """A declared type in words that a reader of a configuration knows."""
    if is_union(hint):
        return " or ".join(type_name(part) for part in get_args(hint))
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, get_args(hint)))
    if hint is NoneType:
        return "null"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return "one of " + ", ".join(member.name for member in hint)
    return hint.__name__ if type(hint) is type else str(hint).replace("typing.", "")


def is_union(hint: Any) -> bool:
    """Whether a type is `A | B`, in either spelling."""
    return get_origin(hint) in (Union, UnionType)


def convert(where: str, hint: Any, value: Any, origin: str) -> Any:
    """`value` as the declared type `hint`.

    Raises:
        ConfigError: it has another type, or is not among the values of an enum or a `Literal`.
    """
    if type(value) is hint:
        return value
    converted = _attempt(hint, value)
    if converted is _UNFIT:
        raise ConfigError(
            f"{where}: expected {type_name(hint)}; found {describe(value)}, {whence(origin)}."
            + _advice(hint, value)
        )
    return converted


def plain(value: Any) -> Any:
    """A converted value as data that JSON and YAML can hold."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def patched(
    where: str, items: list[Any] | tuple[Any, ...], changes: Mapping[Any, Any]
) -> list[Any]:
    """A list with some elements replaced, by index.

    Raises:
        ConfigError: a key of `changes` is no index of the list.
    """
    result = list(items)
    for key, item in changes.items():
        result[index_of(where, key, len(result))] = item
    return result


def index_of(where: str, key: Any, length: int) -> int:
    """The list index that a key stands for.

    Raises:
        ConfigError: the key is no index of a list of that length.
    """
    if not str(key).isdecimal() or int(key) >= length:
        known = f"0 to {length - 1}" if length else "none, the list is empty"
        raise ConfigError(
            f"{where}.{key}: expected an index of the list ({known}), or the whole list as "
            f"{where}=[...]; found '{key}'."
        )
    return int(key)


_UNFIT = object()
"""What an attempt gives when a value does not fit the type."""


def _attempt(hint: Any, value: Any) -> Any:
    if is_union(hint):
        # The member of the value's own type first, so that 3 stays an int in `float | int`.
        own: Any = type(value)
        members = sorted(
            get_args(hint), key=lambda member: own is not (get_origin(member) or member)
        )
        attempts = (_attempt(member, value) for member in members)
        return next((found for found in attempts if found is not _UNFIT), _UNFIT)
    if hint is NoneType:
        return None if value is None else _UNFIT
    if isinstance(value, bool) != (hint is bool) and (hint is bool or hint is str):
        return _UNFIT
    holder = deepcopy(_holder(hint))
    try:
        # OmegaConf lets through what a conversion raises, for an integer too large for a float.
        with guarded(ConfigError, "value"):
            OmegaConf.update(holder, "value", value)
            loaded: Any = OmegaConf.to_object(holder)
    except ConfigError:
        return _UNFIT
    return loaded.value


@cache
def _holder(hint: Any) -> Any:
    schema = make_dataclass("Holder", [("value", hint, field(default=MISSING))])
    return OmegaConf.structured(schema)


def _advice(hint: Any, value: Any) -> str:
    members = get_args(hint) if is_union(hint) else (hint,)
    options = [str(item) for part in members for item in _named_values(part)]
    if isinstance(value, str) and options:
        hint_text = nearest(value, options)
        return f" {hint_text[0].upper()}{hint_text[1:]}"
    if isinstance(value, bool) and (str in members or options):
        return " YAML reads a bare yes, no, on or off as true or false: put it in quotes."
    return ""


def _named_values(hint: Any) -> list[Any]:
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return [member.name for member in hint]
    return []
