"""JSON Lines, read through one guarded entrance: prompts, recorded groups, anchors, texts.

A line is one JSON object in UTF-8. Numbers may be `NaN` and `Infinity`, which Python and pandas
write; what they mean is for the reader of the column to say. Blank lines are skipped, and a byte
order mark before the first. Refused with the line: what is no object, half characters, nesting
without end, integers that Python does not read, and lines that are longer than memory should hold.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from selfplay.core.errors import DataError
from selfplay.core.guard import guarded
from selfplay.core.json_text import MAX_DEPTH, check_plain, each_once

MAX_LINE = 64 * 2**20
"""Bytes of a line."""


class Line(NamedTuple):
    """One object and where it stands."""

    place: str
    """File and line, counted from 1."""
    values: dict[str, Any]


def each_object(path: Path) -> Iterator[Line]:
    """The objects of a file, one after the other; a large file is never in memory as a whole.

    Raises:
        DataError: there is no such file, it cannot be read, or a line is no JSON object; names it.
    """
    check_readable(path)
    with guarded(DataError, f"{path}: cannot be read"), path.open("rb") as file:
        number = 0
        while raw := file.readline(MAX_LINE + 1):
            number += 1
            place = f"{path}, line {number}"
            if len(raw) > MAX_LINE:
                raise DataError(f"{place}: expected at most {MAX_LINE >> 20} MiB, found more")
            text = decoded(raw, place)
            if text.strip():
                yield Line(place, _object(text, place))


def check_readable(path: Path) -> None:
    """Refuses what is no regular file: it would be read twice, and a pipe or device cannot be.

    Raises:
        DataError: it is absent, a directory, a pipe or a device, or its name is impossible.
    """
    with guarded(DataError, f"{str(path)[:200]}: expected a file"):
        found, regular = path.exists(), path.is_file()
    if not regular:
        what = "something that is no regular file" if found else "none"
        raise DataError(f"{str(path)[:200]}: expected a file, found {what}")


def decoded(raw: bytes, place: str) -> str:
    """A line's text.

    Raises:
        DataError: it is not UTF-8.
    """
    try:
        return raw.decode("utf-8-sig" if place.endswith(", line 1") else "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{place}: expected UTF-8, found {error}; re-encode the file") from error


def _object(text: str, place: str) -> dict[str, Any]:
    with guarded(DataError, f"{place}: expected one JSON object, found"):
        row = json.loads(text, object_pairs_hook=each_once)
        # Only an escape can spell half a character, and depth takes brackets.
        if "\\u" in text or text.count("[") + text.count("{") > MAX_DEPTH:
            check_plain(row)
    if not isinstance(row, dict):
        raise DataError(
            f"{place}: expected a JSON object with named columns, found {type(row).__name__}"
        )
    return row
