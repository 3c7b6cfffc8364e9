"""Strict YAML for data that people and models write: no key twice, no aliases, and places to name.

`yaml.safe_load` keeps the last of two equal keys without a word, and an alias that names itself or
others many times over makes a short text huge. Both are refused here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import yaml

from selfplay.core.errors import DataError
from selfplay.core.yaml_guard import LOADER, read_guarded

MAX_DEPTH = 16
"""Levels of lists and mappings."""

Path: TypeAlias = tuple[str | int, ...]
"""Keys and list positions on the way to a value."""
Lines: TypeAlias = Mapping[Path, int]
"""Line of each value, from 1."""


def read_yaml(text: str, what: str) -> tuple[Any, Lines]:
    """The value that `text` spells, and where each part of it stands.

    Raises:
        DataError: no YAML, too long, nested too deeply, a key twice, or an alias; says which line.
    """
    lines: dict[Path, int] = {}

    def parse(text: str) -> Any:
        _refuse_tricks(text, what)
        _walk(yaml.compose(text, Loader=LOADER), (), lines, what)
        return yaml.load(text, Loader=LOADER)  # noqa: S506 - a safe loader

    return read_guarded(text, parse, DataError, f"the {what}"), lines


def _refuse_tricks(text: str, what: str) -> None:
    """Raises DataError for aliases, and for nesting, which takes the parser time without end."""
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise DataError(
                f"line {line}: the {what} has the alias '*{event.anchor}'; write out its value"
            )
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise DataError(f"line {line}: the {what} is nested too deeply")


def at_line(lines: Lines, *path: str | int) -> str:
    """`line 7: `, for the beginning of a message; empty where the line is not known."""
    return f"line {lines[path]}: " if path in lines else ""


def _walk(node: Any, path: Path, lines: dict[Path, int], what: str) -> None:
    if node is None:
        return
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise DataError(
                    f"line {line}: the {what} has a list or a mapping as a key; a key is a text"
                )
            if key.value in seen:
                raise DataError(f"line {line}: the {what} has the key '{key.value}' twice")
            seen.add(key.value)
            _walk(value, (*path, key.value), lines, what)
    elif isinstance(node, yaml.SequenceNode):
        for i, member in enumerate(node.value):
            _walk(member, (*path, i), lines, what)
