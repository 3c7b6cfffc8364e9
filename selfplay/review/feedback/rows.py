"""Rows of a feedback file as they are written, before the run is asked what they mean.

A row is a *rating*, a score of one response, or a *comparison* of two responses to one prompt:

    {"prompt": "What is 2 + 2?", "response": "4", "score": 1, "scorer": "ann"}
    {"prompt_id": "6f1c", "chosen": "4", "rejected": "5", "probability": 0.9}
    {"at": "3/train/5/2", "score": 4}

Who is asked is told by the prompt (a text or messages), its id in the run or the first digits of
it, or by where a response stands in the run: `at`, or `chosen_at` and `rejected_at`, hold
`round/label/group/response`, positions from 0, in place of the response's text or beside it. A
prompt with any of task, answer, puzzle and extra is meant as it stands there; one without means the
run's prompt of that text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from meta.anchors.file import check_columns, prompt_from
from selfplay.core.errors import DataError
from selfplay.core.types import Prompt
from selfplay.data.rows import TableRow

HUMAN = "human"
"""The scorer of rows that name none."""
TIE = 0.5
MEANT = ("task", "answer", "puzzle", "extra")
"""Columns that make a prompt one that stands there whole."""
_COLUMNS: Mapping[str, tuple[type, ...]] = {
    "prompt": (str, list),
    "prompt_id": (str,),
    "task": (str,),
    "answer": (str,),
    "puzzle": (dict,),
    "extra": (dict,),
    "at": (str,),
    "response": (str,),
    "score": (int, float, str),
    "chosen": (str,),
    "chosen_at": (str,),
    "rejected": (str,),
    "rejected_at": (str,),
    "tie": (bool, str),
    "probability": (int, float, str),
    "scorer": (str,),
    "alarm": (str,),
    "note": (str,),
}
_RATED = ("response", "at")
_SIDES = (("chosen", "chosen_at"), ("rejected", "rejected_at"))
_TEXTS = ("prompt", "response", "chosen", "rejected")
"""Columns that may be empty texts."""
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
"""What a table without types says for a tie."""


class Place(NamedTuple):
    """Where a response stands in a run."""

    round: int
    label: str
    group: int
    """Position among the groups of the label."""
    response: int

    def __str__(self) -> str:
        return f"{self.round}/{self.label}/{self.group}/{self.response}"

    @classmethod
    def read(cls, text: str) -> Place | None:
        """The place that `str` wrote; None where the text is none."""
        match = re.fullmatch(r"(\d+)/([^\s/]+(?:/[^\s/]+)*)/(\d+)/(\d+)", text.strip())
        return match and cls(int(match[1]), match[2], int(match[3]), int(match[4]))


class Named(NamedTuple):
    """A response, by its text or its place or both."""

    text: str | None
    place: Place | None


@dataclass(frozen=True)
class Row:
    """One row."""

    line: str
    """File and line."""
    prompt: Prompt | None
    """As it stands there; None where an id or a place says which."""
    whole: bool
    """Whether it is meant as it stands there."""
    prompt_id: str
    responses: tuple[Named, ...]
    """One that is rated, or the chosen and the rejected one."""
    value: float | None
    """The score, None where none was filled in; or the chance of the chosen one being better."""
    scorer: str
    note: str


def read_row(row: TableRow, scorer: str = HUMAN) -> Row:
    """What a row says; empty columns count as absent.

    Args:
        row: of a file.
        scorer: of rows that name none.

    Raises:
        DataError: it is neither a rating nor a comparison; names the line.
    """
    values = {k: v for k, v in row.values.items() if v is not None and v != {}}
    values = {k: v for k, v in values.items() if k in _TEXTS or v != ""}
    try:
        check_columns(values, _COLUMNS)
        compared = any(name in values for side in _SIDES for name in side)
        responses, value = _compared(values) if compared else _rated(values)
        return Row(
            row.place,
            prompt_from(values) if "prompt" in values else None,
            not values.keys().isdisjoint(MEANT),
            values.get("prompt_id", ""),
            responses,
            value,
            values.get("scorer", scorer),
            values.get("note", ""),
        )
    except DataError as error:
        raise DataError(f"{row.place}: {error}") from error


def _rated(values: Mapping[str, Any]) -> tuple[tuple[Named, ...], float | None]:
    for name in ("tie", "probability"):
        if name in values:
            raise DataError(f"{name}: goes with chosen and rejected, not with a score")
    named = _named(values, *_RATED)
    return (named,), _number(values, "score") if "score" in values else None


def _compared(values: Mapping[str, Any]) -> tuple[tuple[Named, ...], float]:
    for name in ("score", *_RATED):
        if name in values:
            raise DataError(f"{name}: does not go with chosen and rejected; make two rows of it")
    return tuple(_named(values, *side) for side in _SIDES), _probability(values)


def _named(values: Mapping[str, Any], text: str, at: str) -> Named:
    if text not in values and at not in values:
        raise DataError(f"expected '{text}', or '{at}' with the place of it, found neither")
    return Named(values.get(text), _place(values[at], at) if at in values else None)


def _probability(values: Mapping[str, Any]) -> float:
    tie = values.get("tie", False)
    if isinstance(tie, str):
        if tie.strip().casefold() not in _TRUTH:
            raise DataError(f"tie: expected true or false, found {tie!r}")
        tie = _TRUTH[tie.strip().casefold()]
    if "probability" not in values:
        return TIE if tie else 1.0
    found = _number(values, "probability")
    if tie and found != TIE:
        raise DataError(f"a tie has the probability 0.5, found {found}; leave one of them out")
    return found


def _place(text: str, name: str) -> Place:
    place = Place.read(text)
    if place is None:
        raise DataError(
            f"{name}: expected round/label/group/response, such as 3/train/5/2, found {text!r}"
        )
    return place


def reads_as(shown: str, text: str) -> bool:
    """Whether a text that went through somebody's table is this one.

    Tables change line ends and blanks, and have an apostrophe before what they would compute.
    """
    return " ".join(shown.split()) in (" ".join(text.split()), " ".join(f"'{text}".split()))


def _number(values: Mapping[str, Any], name: str) -> float:
    try:
        return float(values[name])
    except (ValueError, OverflowError) as error:
        raise DataError(f"{name}: expected a number, found {values[name]!r}") from error
