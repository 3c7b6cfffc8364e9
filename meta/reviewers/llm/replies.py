"""Reading a reviewing model's replies strictly: an analysis, a rubric, or why there is neither.

The last JSON object of a reply counts, and it has to repeat its request's code: an object that the
model copied from what it was shown is no reply. A rubric counts as a whole or not at all: one
criterion that cannot be used is a fault, and the faulty reply may be sent back.

Criteria of the rubric in force that the model must not touch (`Rules.fixed`) are in every rubric
that is read, as they are. Those that were kept stand in their old order, new ones behind them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from meta.judges.llm.quoting import disarmed
from meta.judges.llm.reading import encodable, last_object
from meta.rubrics.rubric import Criterion, Rubric, arguments
from selfplay.core.errors import DataError
from selfplay.core.types import Response

CODE, ANALYSIS, CRITERIA = "code", "analysis", "criteria"
"""The keys of a reply."""
OF_JUDGED = ("id", "text", "weight", "range", "sign")
"""What every criterion needs."""
OF_CHECKED = ("kind", "check", "params")
"""What it may have besides, where checks are allowed."""
MAX_SCORE = 100.0
"""Bound of a range: a scale that a judge can still use."""
MAX_PARAMETER = 10_000
"""Bound of a check's parameters: what code can count to for every response."""


@dataclass(frozen=True)
class Analysis:
    """What the model says of a rollout."""

    text: str


@dataclass(frozen=True)
class Draft:
    """A rubric that the model wrote."""

    rubric: Rubric
    reply: str


@dataclass(frozen=True)
class Fault:
    """Why there is no usable reply."""

    reason: str
    reply: str | None = None
    """What the model wrote; None where it was not asked or did not answer."""


@dataclass(frozen=True)
class Rules:
    """What a rubric may be made of."""

    force: Rubric
    """The rubric in force."""
    checks: frozenset[str]
    """Checks that may be used; empty: `judge` criteria only."""
    max_weight: float

    @cached_property
    def fixed(self) -> tuple[Criterion, ...]:
        """Criteria in force that stay as they are: those on checks that may not be used."""
        return tuple(
            c for c in self.force.criteria if c.kind == "check" and c.check not in self.checks
        )

    def fixes(self, entry: object) -> bool:
        """Whether it speaks of a criterion that stays as it is, whatever it says."""
        ids = [criterion.id for criterion in self.fixed]
        return isinstance(entry, dict) and entry.get("id") in ids

    @cached_property
    def heaviest(self) -> float:
        """Largest weight that is taken."""
        return max(self.max_weight, *(criterion.weight for criterion in self.force.criteria))


def read_analysis(response: Response, code: str) -> Analysis | Fault:
    """The analysis in a reply."""
    found = _object(response, code)
    if isinstance(found, Fault):
        return found
    text = found.get(ANALYSIS)
    if not isinstance(text, str) or not text.strip():
        return Fault("the reply has no analysis", response.text)
    return Analysis(encodable(text.strip()))


def read_rubric(response: Response, code: str, rules: Rules) -> Draft | Fault:
    """The rubric in a reply."""
    found = _object(response, code)
    if isinstance(found, Fault):
        return found
    entries = found.get(CRITERIA)
    if not isinstance(entries, list):
        return Fault("the reply has no list of criteria", response.text)
    try:
        named = [
            _criterion(entry, f"criterion {i}", rules)
            for i, entry in enumerate(entries, 1)
            if not rules.fixes(entry)
        ]
        return Draft(assembled(named, rules), response.text)
    except DataError as error:
        return Fault(encodable(str(error)), response.text)


def assembled(criteria: list[Criterion], rules: Rules) -> Rubric:
    """The next version of the rubric in force, out of these criteria and the fixed ones.

    Raises:
        DataError: too many, none, or an id twice.
    """
    places = {criterion.id: place for place, criterion in enumerate(rules.force.criteria)}
    whole = [*rules.fixed, *criteria]
    whole.sort(key=lambda criterion: places.get(criterion.id, len(places)))
    return Rubric(tuple(whole), rules.force.name, rules.force.version + 1)


def _object(response: Response, code: str) -> dict[str, Any] | Fault:
    if response.finish_reason == "length":
        return Fault("the reply was cut off", response.text)
    if not response.text.strip():
        return Fault("the reply is empty", response.text)
    found = last_object(response.text)
    if found is None:
        return Fault("the reply holds no JSON object", response.text)
    if found.get(CODE) != code:
        return Fault("the reply's last JSON object does not repeat the code", response.text)
    return found


def _criterion(entry: object, where: str, rules: Rules) -> Criterion:
    """Raises DataError for what is no criterion, or none that the rules allow."""
    given = arguments(_readable(entry, where), Criterion, where)
    absent = [key for key in OF_JUDGED if key not in given]
    if absent:
        raise DataError(f"{where}: needs {', '.join(absent)}")
    _check_numbers(given, where, rules)
    if isinstance(given["text"], str):
        # What a template takes for the end of a turn would stand in the judge's prompts.
        given["text"] = disarmed(" ".join(given["text"].split()))
    return Criterion(**{**given, **_kind(given, where, rules)})


def _readable(entry: object, where: str) -> object:
    """The entry; half a surrogate pair is valid JSON, and no text that could be stored."""
    try:
        json.dumps(entry, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{where}: holds characters that are none") from error
    return entry


def _check_numbers(given: Mapping[str, Any], where: str, rules: Rules) -> None:
    weight, bounds = given["weight"], given["range"]
    if isinstance(weight, int | float) and weight > rules.heaviest:
        raise DataError(
            f"{where}: expected a weight up to {rules.heaviest:g}, found {str(weight)[:20]}"
        )
    numbers = bounds if isinstance(bounds, list) else []
    if any(isinstance(bound, int | float) and abs(bound) > MAX_SCORE for bound in numbers):
        raise DataError(f"{where}: expected a range within ±{MAX_SCORE:g}")


def _kind(given: Mapping[str, Any], where: str, rules: Rules) -> dict[str, Any]:
    """Kind, check and parameters; those that are empty, as a schema demands them, are absent."""
    kind = given.get("kind") or "judge"
    if kind == "judge":
        return {"kind": "judge", "check": given.get("check") or "", "params": _params(given, where)}
    check = given.get("check")
    if not isinstance(check, str) or check not in rules.checks:
        allowed = ", ".join(sorted(rules.checks)) or "none"
        raise DataError(
            f"{where}: expected a check that may be used ({allowed}), found {str(check)[:80]!r}"
        )
    return {"kind": kind, "check": check, "params": _params(given, where)}


def _params(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The check's parameters; a schema that names every key has them as a JSON text."""
    params = given.get("params") or {}
    if isinstance(params, str):
        try:
            params = json.loads(params)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where}: expected params, a JSON object as a text") from error
    if not isinstance(params, dict):
        raise DataError(f"{where}: expected params, a mapping, found {str(params)[:80]!r}")
    numbers = [value for value in params.values() if isinstance(value, int | float)]
    if not all(abs(value) <= MAX_PARAMETER for value in numbers):
        raise DataError(f"{where}: expected parameters up to {MAX_PARAMETER:,}")
    return params


def analysis_format() -> dict[str, Any]:
    """The JSON schema of an analysis, as servers take it (`response_format`)."""
    text = {"type": "string"}
    return _format("analysis", {CODE: text, ANALYSIS: text})


def rubric_format(*, checks: bool) -> dict[str, Any]:
    """The JSON schema of a rubric.

    Bounds are left to the reader of the reply, since not every server can enforce them.
    """
    text, number = {"type": "string"}, {"type": "number"}
    properties: dict[str, Any] = {
        "id": text,
        "text": text,
        "weight": number,
        "range": {"type": "array", "items": number},
        "sign": {"type": "string", "enum": ["reward", "deduction"]},
    }
    if checks:
        kinds = {"type": "string", "enum": ["judge", "check"]}
        properties |= {"kind": kinds, "check": text, "params": text}
    criteria = {"type": "array", "items": _closed(properties)}
    return _format("rubric", {CODE: text, CRITERIA: criteria})


def _format(name: str, properties: dict[str, Any]) -> dict[str, Any]:
    schema = {"name": name, "strict": True, "schema": _closed(properties)}
    return {"type": "json_schema", "json_schema": schema}


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
