"""What happened to the criteria: rubric events with their differences, reviews, and alarms.

Differences are told criterion by criterion. Where a version cannot be read any more, because the
program that wrote it knew other checks, they are those of its text, line by line.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from meta.rubrics.diff import RubricDiff
from meta.rubrics.set import DEFAULT
from selfplay.core.errors import DataError
from selfplay.ledger import AlarmEntry, Ledger, RubricEntry
from selfplay.paths import LEDGER
from selfplay.report.curves import short
from selfplay.review.rubrics import RubricHistory, review_history, rubric_history

EVENTS, ALARMS = 200, 500
"""The newest that a page holds."""


@dataclass(frozen=True)
class Line:
    """One difference between two rubrics."""

    kind: Literal["removed", "added", "changed", "reordered"]
    cluster: str
    """Empty for the default rubric."""
    text: str


def rubric_timeline(directory: Path) -> dict[str, Any]:
    """Rubric events and reviews of a run, oldest first.

    Raises:
        LedgerError: there is no readable ledger.
    """
    history = rubric_history(directory)
    reviews = review_history(directory).reviews
    entries = _decided(history.entries)
    events = [
        {
            "version": entry.version,
            "parent": entry.parent,
            "status": entry.status,
            "round": entry.round,
            "reason": entry.reason,
            "standing": history.standing(entry.version),
            "text": entry.text,
            "lines": [asdict(line) for line in _lines(history, entry.parent, entry.version)],
        }
        for entry in entries[-EVENTS:]
    ]
    return {
        "total": len(entries),
        "in_force": history.in_force.version if history.in_force else None,
        "frozen": history.frozen,
        "events": events,
        "reviews_total": len(reviews),
        "reviews": [
            {key: getattr(review, key) for key in ("round", "cause", "outcome", "version")}
            | {"reason": review.reason, "tokens": review.tokens}
            for review in reviews[-EVENTS:]
        ],
    }


def _decided(entries: Sequence[RubricEntry]) -> list[RubricEntry]:
    """The events without proposals that were decided on: the decision tells all of those."""
    decided = {e.version for e in entries if e.status in ("accepted", "rejected")}
    return [e for e in entries if e.status != "proposed" or e.version not in decided]


def _lines(history: RubricHistory, parent: int | None, version: int) -> Iterator[Line]:
    if parent is None:
        return
    try:
        differences = history.differences(parent, version)
    except DataError:
        yield from _text_lines(history.entry(parent).text, history.entry(version).text)
        return
    for cluster, found in differences.items():
        name = "" if cluster == DEFAULT else cluster
        parts: list[tuple[Literal["removed", "added", "changed", "reordered"], RubricDiff]] = [
            *(("removed", RubricDiff(removed=(criterion,))) for criterion in found.removed),
            *(("added", RubricDiff(added=(criterion,))) for criterion in found.added),
            *(("changed", RubricDiff(changed=(change,))) for change in found.changed),
        ]
        if found.reordered:
            parts.append(("reordered", RubricDiff(reordered=True)))
        for kind, part in parts:
            yield Line(kind, name, part.words()[0])


def _text_lines(before: str, after: str) -> Iterator[Line]:
    old, new = before.splitlines(), after.splitlines()
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal" and b > a:
            yield Line("removed", "", "\n".join(old[a:b]))
        if kind != "equal" and d > c:
            yield Line("added", "", "\n".join(new[c:d]))


def monitors_on(settings: Mapping[str, Any]) -> bool:
    """Whether a run's settings have monitors; those of the first release had none."""
    return bool(settings.get("meta", {}).get("monitors", {}).get("enabled", False))


def alarms(directory: Path) -> dict[str, Any]:
    """The alarms of a run, by monitor and one by one.

    Raises:
        LedgerError: there is no readable ledger.
    """
    history = review_history(directory)
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        watched = monitors_on(ledger.settings)
    return {
        "watched": watched,
        "total": len(history.alarms),
        "monitors": [
            {"monitor": monitor, "action": action, "rounds": [alarm.round for alarm in found]}
            for (monitor, action), found in history.rounds_of().items()
        ],
        "alarms": [_alarm(alarm) for alarm in history.alarms[-ALARMS:]],
        "anchors": history.as_dict()["anchors"],
    }


def _alarm(alarm: AlarmEntry) -> dict[str, Any]:
    numbers = {"value": alarm.value, "reference": alarm.reference, "p": alarm.p}
    return {
        "round": alarm.round,
        "monitor": alarm.monitor,
        "action": alarm.action,
        "text": alarm.text,
        "suspects": len(alarm.suspects),
        **{key: short(v) if math.isfinite(v) else None for key, v in numbers.items()},
    }
