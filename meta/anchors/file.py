"""Anchors as JSON Lines, one anchor a line, in the order in which they were appended.

    {"prompt": [["user", "2+2?"]], "task": "sums", "answer": "4", "response": "4", "score": 1.0,
     "scorer": "verifier", "origin": "core", "alarm": "", "version": 1}

A file of a user's own needs `prompt` (a plain text will do, or messages as objects with role and
content), `response` and `score`; the scorer is then `given`. A prompt's puzzle and further columns
are kept; its lineage is not: it is read as an imported one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from meta.anchors.anchors import Anchor, AnchorSet
from selfplay.core.errors import DataError, ResourceError, nearest
from selfplay.core.guard import guarded, shortened, shown
from selfplay.core.json_lines import each_object
from selfplay.core.numbers import finite
from selfplay.core.types import Chat, Lineage, Message, Prompt, Puzzle, user

GIVEN = "given"
"""The scorer of anchors that name none."""
COLUMNS: Mapping[str, tuple[type, ...]] = {
    "prompt": (str, list),
    "task": (str,),
    "answer": (str, type(None)),
    "puzzle": (dict, type(None)),
    "extra": (dict,),
    "response": (str,),
    "score": (int, float),
    "scorer": (str,),
    "origin": (str,),
    "alarm": (str,),
    "version": (int,),
}
"""What a line may hold."""


def read_anchors(path: Path) -> AnchorSet:
    """The anchor set in a file.

    Raises:
        DataError: there is no such file, or a line that is no anchor; names the line.
    """
    with guarded(DataError, f"anchors {shortened(str(path))}: cannot be read"):
        if not path.exists():
            raise DataError(f"anchors {path}: there is no such file")
    anchors: list[Anchor] = []
    for line in each_object(path):
        try:
            anchors.append(_anchor(line.values))
        except DataError as error:
            raise DataError(f"{line.place}: {error}") from error
    try:
        return AnchorSet(tuple(anchors))
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def write_anchors(path: Path, anchors: AnchorSet) -> None:
    """Writes the set at once or not at all; a file that is there may only grow.

    Raises:
        DataError: the file holds other anchors than the beginning of the set.
        ResourceError: it cannot be written.
    """
    if path.exists():
        old = read_anchors(path).anchors
        if [anchor_row(a) for a in old] != [anchor_row(a) for a in anchors.anchors[: len(old)]]:
            raise DataError(
                f"anchors {path}: the file holds others than these; a set is append-only: read "
                "the file and append to what it holds, or choose another file"
            )
    rows = [json.dumps(anchor_row(a), ensure_ascii=False) + "\n" for a in anchors.anchors]
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text("".join(rows), encoding="utf-8", newline="\n")
        partial.replace(path)
    except OSError as error:
        raise ResourceError(f"anchors {path}: cannot be written: {error}") from error


def anchor_row(anchor: Anchor) -> dict[str, Any]:
    """The anchor as plain data."""
    own = {"response": anchor.response, "score": anchor.score, "scorer": anchor.scorer}
    own |= {"origin": anchor.origin, "alarm": anchor.alarm, "version": anchor.version}
    return prompt_row(anchor.prompt) | own


def prompt_row(prompt: Prompt) -> dict[str, Any]:
    """The prompt's columns as plain data, its lineage left out."""
    return {
        "prompt": [[message.role, message.content] for message in prompt.messages],
        "task": prompt.task,
        "answer": prompt.answer,
        "puzzle": asdict(prompt.puzzle) if prompt.puzzle else None,
        "extra": dict(prompt.extra),
    }


def check_columns(row: Mapping[str, Any], columns: Mapping[str, tuple[type, ...]]) -> None:
    """Refuses columns that a line may not hold, and values of other types.

    Raises:
        DataError: names the column.
    """
    for key, value in row.items():
        if key not in columns:
            raise DataError(f"there is no column '{key}'; {nearest(key, columns)}")
        odd = isinstance(value, bool) and bool not in columns[key]
        if odd or not isinstance(value, columns[key]):
            names = " or ".join(kind.__name__ for kind in columns[key])
            raise DataError(f"{key}: expected {names}, found {shown(value)}")


def _anchor(row: Mapping[str, Any]) -> Anchor:
    check_columns(row, COLUMNS)
    absent = [key for key in ("prompt", "response", "score") if key not in row]
    if absent:
        raise DataError(f"needs {' and '.join(absent)}")
    own = {key: row[key] for key in ("origin", "alarm", "version") if key in row}
    scorer = row.get("scorer", GIVEN)
    score = finite(row["score"])
    if score is None:
        raise DataError(f"anchor: expected a finite score, found {shown(row['score'])}")
    return Anchor(prompt_from(row), row["response"], score, scorer, **own)


def prompt_from(row: Mapping[str, Any]) -> Prompt:
    """The prompt that a row's columns spell, as an imported one.

    A run goes on with the originals in its ledger, so a file's prompts must not be called so.

    Raises:
        DataError: its messages or its puzzle cannot be read.
    """
    puzzle = row.get("puzzle")
    return Prompt(
        _messages(row["prompt"]),
        row.get("task", "default"),
        row.get("answer"),
        None if puzzle is None else _puzzle(puzzle),
        row.get("extra", {}),
        Lineage(operator="imported"),
    )


def _messages(value: str | list[Any]) -> Chat:
    if isinstance(value, str):
        return user(value)
    pairs: list[Any] = [
        [m.get("role"), m.get("content")] if isinstance(m, dict) else m for m in value
    ]
    read = all(
        isinstance(m, list) and len(m) == 2 and all(isinstance(part, str) for part in m)
        for m in pairs
    )
    if not value or not read:
        raise DataError(
            f"prompt: expected a text or a list of [role, content] or of objects with role and "
            f"content, found {shown(value)}"
        )
    return tuple(Message(role, content) for role, content in pairs)


def _puzzle(value: Mapping[str, Any]) -> Puzzle:
    with guarded(DataError, "puzzle: expected generator, attributes and index, found"):
        levels = tuple((str(name), level) for name, level in value["attributes"])
        return Puzzle(str(value["generator"]), levels, int(value["index"]))
