"""YAML, read through one guarded entrance: configurations, overrides, rubrics, constitutions.

YAML's readers recurse, so a text that is nested deeply enough ends in a RecursionError or in a
crash of the process, and their constructors raise what they like for an odd tag (`!!float x`).
Here the depth is counted from the parser's events, which do not recurse, before anything is built.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import yaml

from selfplay.core.errors import SelfplayError
from selfplay.core.guard import guarded, shortened
from selfplay.core.json_text import check_plain, check_text

T = TypeVar("T")

MAX_CHARACTERS = 2_000_000
"""Longer texts are not read."""
MAX_DEPTH = 64
"""Levels of lists and mappings."""
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""PyYAML's safe loader, in C where libyaml is there."""


def read_guarded(text: str, parse: Callable[[str], T], kind: type[SelfplayError], where: str) -> T:
    """What `parse` makes of a YAML text that is neither too long nor too deep.

    Args:
        text: to be read.
        parse: calls a YAML library and returns plain data.
        kind: of the error.
        where: the text stands, for messages: a file or an override.

    Raises:
        SelfplayError: of the given kind, with the line and column where the library names them.
    """
    if len(text) > MAX_CHARACTERS:
        raise kind(
            f"{where}: too long: expected up to {MAX_CHARACTERS:,} characters, found {len(text):,}"
        )
    try:
        with guarded(kind, f"{where}: not valid YAML"):
            check_text(text)
            check_depth(text)
            found = parse(text)
            check_plain(found)
            return found
    except SelfplayError as error:
        cause = error.__cause__
        if isinstance(cause, yaml.MarkedYAMLError) and cause.problem_mark:
            mark = cause.problem_mark
            raise kind(
                f"{where}, line {mark.line + 1}, column {mark.column + 1}: not valid YAML: "
                f"{shortened(str(cause.problem))}."
            ) from cause
        raise


def check_depth(text: str, depth: int = MAX_DEPTH) -> None:
    """Refuses nesting without end, from the parser's events.

    Raises:
        ValueError: lists and mappings are nested more than `depth` levels deep; says which line.
        yaml.YAMLError: the text is no YAML.
    """
    level = 0
    for event in yaml.parse(text, Loader=LOADER):
        level += isinstance(event, yaml.CollectionStartEvent)
        level -= isinstance(event, yaml.CollectionEndEvent)
        if level > depth:
            line = event.start_mark.line + 1
            raise ValueError(f"nested too deeply: more than {depth} levels at line {line}")
