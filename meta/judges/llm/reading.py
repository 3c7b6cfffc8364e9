"""Reading a grader's reply strictly: a score for every criterion, or the reason why there is none.

The last JSON object of the reply counts; text around it, such as a chain of thought or a code
fence, does not. It has to repeat its request's code, so that an object which the model copied from
the response is no verdict. A score outside its range is clamped and noted; a criterion that nobody
asked for is left out and noted; anything else that is off makes the verdict missing: a reply that
was cut off, no JSON, a key twice, a criterion without rationale or score, a score that is no finite
number.

Reasons are in always the same words, so that they can be counted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meta.judges.llm.grading import CODE, CRITERIA, PLAN, RATIONALE, SCORE
from meta.rubrics.rubric import Criterion
from selfplay.core.types import Response

CUT_OFF = "the judge's reply was cut off"
EMPTY = "the judge's reply is empty"
NO_OBJECT = "the judge's reply holds no JSON object"
NO_CODE = "the judge's last JSON object does not repeat its request's code"
NO_CRITERIA = "the judge's reply has no object of criteria"

MAX_DIGITS = 300
"""Of an integer that is read as one; a float may be too small for one of more."""


@dataclass(frozen=True)
class Reading:
    """What one reply says."""

    values: Mapping[str, float]
    """Score by criterion, within its range."""
    rationales: Mapping[str, str]
    """By criterion."""
    plan: str = ""
    clamped: tuple[str, ...] = ()
    """Criteria whose score was outside its range."""
    extra: tuple[str, ...] = ()
    """Criteria that nobody asked for."""


def read_reply(response: Response, criteria: Sequence[Criterion], code: str) -> Reading | str:
    """What the reply says, or why it says nothing."""
    if response.finish_reason == "length":
        return CUT_OFF
    return read_text(response.text, criteria, code)


def read_text(text: str, criteria: Sequence[Criterion], code: str) -> Reading | str:
    """As `read_reply`, of a reply that was not cut off."""
    if not text.strip():
        return EMPTY
    found = last_object(text)
    if found is None:
        return NO_OBJECT
    if found.get(CODE) != code:
        return NO_CODE
    scored = found.get(CRITERIA)
    if not isinstance(scored, dict):
        return NO_CRITERIA
    for criterion in criteria:
        fault = _fault(criterion.id, scored.get(criterion.id))
        if fault:
            return fault
    given = {criterion.id: float(scored[criterion.id][SCORE]) for criterion in criteria}
    values = {c.id: min(max(given[c.id], c.range[0]), c.range[1]) for c in criteria}
    return Reading(
        values,
        {criterion.id: encodable(scored[criterion.id][RATIONALE]) for criterion in criteria},
        encodable(str(found.get(PLAN, ""))),
        tuple(name for name, value in values.items() if value != given[name]),
        tuple(name for name in scored if name not in values),
    )


def last_object(text: str) -> dict[str, Any] | None:
    """The last JSON object in a text that is inside of no other one; None without any.

    What a broken object holds is no object either: reading goes on behind the fault, so that no
    part of a reply, such as one that a response has led the model to write, is read many times.
    """
    decoder = json.JSONDecoder(
        object_pairs_hook=_distinct, parse_constant=_no_number, parse_int=_integer
    )
    found, place = None, text.find("{")
    while place >= 0:
        try:
            found, end = decoder.raw_decode(text, place)
        except json.JSONDecodeError as error:
            end = max(error.pos, place + 1)
        except RecursionError:
            return None
        place = text.find("{", end)
    return found


def encodable(text: str) -> str:
    """The text without halves of surrogate pairs: valid JSON, and no text that can be sent on."""
    return text.encode(errors="replace").decode()


def _fault(name: str, entry: object) -> str:
    """What is wrong with a criterion's entry; empty when nothing is."""
    if not isinstance(entry, dict):
        return f"the judge's reply lacks criterion '{name}'"
    rationale, score = entry.get(RATIONALE), entry.get(SCORE)
    if not isinstance(rationale, str) or not rationale.strip():
        return f"the judge's reply lacks a rationale for criterion '{name}'"
    if not isinstance(score, int | float) or isinstance(score, bool) or not math.isfinite(score):
        return f"the judge's score for criterion '{name}' is no number"
    return ""


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any] | None:
    """An object; None for one that has a key twice."""
    return dict(pairs) if len({key for key, _ in pairs}) == len(pairs) else None


def _no_number(constant: str) -> None:
    """NaN and Infinity are no JSON."""


def _integer(digits: str) -> int | float:
    """The integer; what is too large for a float, or for Python to read at all, is infinite."""
    return int(digits) if len(digits) <= MAX_DIGITS else float(digits)
