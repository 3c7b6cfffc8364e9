"""JSON in a model's text: parsed strictly, whole or out of the last fenced block. Pure functions.

Strictly means by RFC 8259: `NaN` and `Infinity`, which Python's reader takes, are no JSON. Nor is a
number taken that is too large for a float, which Python would read as infinite.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from selfplay.core.guard import shortened

MAX_DEPTH = 64
"""Levels of lists and objects in a row of data."""
_FENCE = "```"


def parse_json(text: str, keys_once: bool = False) -> Any:
    """The JSON value that `text` is.

    Args:
        text: of a model or a person.
        keys_once: refuse objects with a key twice; else the last of them counts.

    Raises:
        ValueError: it is none, it is nested too deeply, or a number has too many digits to read.
    """
    once = each_once if keys_once else None
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=once)
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error


def without_nan(value: Any) -> Any:
    """Plain data with null where a figure is missing (NaN), which JSON has no word for."""
    if isinstance(value, Mapping):
        return {key: without_nan(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(member) for member in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of what people write (`object_pairs_hook`), each key once.

    Raises:
        ValueError: a key is there twice, and JSON does not say which value counts.
    """
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key '{shortened(key)}' twice")
        found[key] = value
    return found


def check_plain(value: Any, depth: int = MAX_DEPTH) -> None:
    r"""Refuses data that others could not read again: half characters, and endless nesting.

    Python's JSON reader takes `"\ud83d"`, half of a surrogate pair, for a text; no tokenizer, no
    database and no terminal does.

    Raises:
        ValueError: a text or a key holds half of a surrogate pair, or lists and objects are nested
            more than `depth` levels deep.
    """
    level = [value]
    for _ in range(depth + 1):
        for text in level:
            if isinstance(text, str):
                check_text(text)
        level = [member for found in level for member in _members(found)]
        if not level:
            return
    raise ValueError(f"lists and objects are nested more than {depth} levels deep")


def check_text(text: str) -> None:
    """Refuses half characters.

    Raises:
        ValueError: the text holds half of a surrogate pair; says which and where.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        half = f"\\u{ord(text[error.start]):04x}"
        raise ValueError(
            f"{half} at character {error.start + 1} is half of a surrogate pair, which is no "
            "character; write the whole pair, or U+FFFD in its place"
        ) from error


def _members(value: Any) -> Iterator[Any]:
    """What is nested directly in a list or an object, its keys among them."""
    if isinstance(value, Mapping):
        yield from value.keys()
        yield from value.values()
    elif isinstance(value, (list, tuple)):
        yield from value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON that can be read")


def _finite(digits: str) -> float:
    value = float(digits)
    return value if math.isfinite(value) else _refuse(digits)


def _whole(text: str) -> Any:
    return parse_json(text.strip())


def _fenced(text: str) -> Any:
    """Of the last block between lines of three backticks."""
    found, inside = None, list[str]()
    opened = False
    # Line by line: a pattern for the whole would try every opening line up to the text's end.
    for line in text.split("\n"):
        bare = line.strip(" \t")
        if opened and bare == _FENCE:
            found, opened = "\n".join(inside), False
        elif opened:
            inside.append(line)
        elif bare.startswith(_FENCE) and "`" not in bare[len(_FENCE) :]:
            opened, inside = True, []
    if found is None:
        raise ValueError("there is no fenced block")
    return parse_json(found)


def _auto(text: str) -> Any:
    try:
        return _whole(text)
    except ValueError:
        return _fenced(text)


READERS: Mapping[str, Callable[[str], Any]] = {"auto": _auto, "whole": _whole, "fenced": _fenced}
"""Ways to find the JSON value in a response: the whole of it, its last fenced block, or the block
where the whole is none. Each raises ValueError where it finds no JSON value."""
