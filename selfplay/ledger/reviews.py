"""What the reviews of a run's rubric rest on and came to: anchors, alarms, reviews."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from selfplay.ledger.codec import canonical_json, reads_rows
from selfplay.ledger.database import Database
from selfplay.ledger.entries import AlarmEntry, AnchorEntry, ReviewEntry


def add_anchors(database: Database, entries: Sequence[AnchorEntry]) -> None:
    """Appends anchors, whose prompts are there."""
    with database.transaction():
        database.write(
            "INSERT INTO anchors (prompt_id, response, score, scorer, origin, alarm, version, "
            "round) VALUES (?,?,?,?,?,?,?,?)",
            entries,
        )


def anchors(database: Database) -> list[AnchorEntry]:
    """All anchors, in the order in which they were appended."""
    rows = database.rows(
        "SELECT prompt_id, response, score, scorer, origin, alarm, version, round FROM anchors "
        "ORDER BY position"
    )
    return [AnchorEntry(*row) for row in rows]


def add_alarms(database: Database, entries: Sequence[AlarmEntry]) -> None:
    """Writes alarms of a round, behind those that it has already."""
    with database.transaction():
        rounds = Counter(entry.round for entry in alarms(database))
        database.write(
            "INSERT INTO alarms VALUES (?,?,?,?,?,?,?,?,?)",
            (
                (entry.round, rounds[entry.round] + i, *entry[1:-1], json.dumps(entry.suspects))
                for i, entry in enumerate(entries)
            ),
        )


@reads_rows
def alarms(database: Database) -> list[AlarmEntry]:
    """All alarms, oldest first."""
    rows = database.rows(
        "SELECT round, monitor, action, text, value, reference, p, suspects FROM alarms "
        "ORDER BY round, position"
    )
    return [
        AlarmEntry._make((*row, tuple((group, place) for group, place in json.loads(suspects))))
        for *row, suspects in rows
    ]


def add_review(database: Database, entry: ReviewEntry) -> None:
    """Writes what became of a round's review."""
    decision = None if entry.decision is None else canonical_json(entry.decision)
    with database.transaction():
        database.write("INSERT INTO reviews VALUES (?,?,?,?,?,?,?)", [(*entry[:-1], decision)])


@reads_rows
def reviews(database: Database) -> list[ReviewEntry]:
    """All reviews, oldest first."""
    rows = database.rows(
        "SELECT round, cause, outcome, version, reason, tokens, decision FROM reviews "
        "ORDER BY round"
    )
    return [
        ReviewEntry._make((*row, None if decision is None else json.loads(decision)))
        for *row, decision in rows
    ]
