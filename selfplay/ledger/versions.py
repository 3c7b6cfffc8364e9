"""The versions that a run goes through: of its rubric, and of its policy."""

from __future__ import annotations

from selfplay.core.errors import LedgerError
from selfplay.ledger.database import Database
from selfplay.ledger.entries import PolicyEntry, RubricEntry


def add_rubric(database: Database, entry: RubricEntry) -> None:
    """Appends an event in the life of a rubric version."""
    with database.transaction():
        database.write(
            "INSERT INTO rubrics (version, parent, text, status, reason, round) "
            "VALUES (?,?,?,?,?,?)",
            [entry],
        )


def rubrics(database: Database) -> list[RubricEntry]:
    """All events, in order."""
    rows = database.rows(
        "SELECT version, parent, text, status, reason, round FROM rubrics ORDER BY position"
    )
    return [RubricEntry(*row) for row in rows]


def add_policy(database: Database, entry: PolicyEntry) -> None:
    """Writes a policy version, or updates whether it is saved.

    Raises:
        LedgerError: the version is there with other weights or another round.
    """
    with database.transaction():
        found = [old for old in policies(database) if old.version == entry.version]
        if not found:
            database.write("INSERT INTO policies VALUES (?,?,?,?)", [entry])
        elif found[0]._replace(saved=entry.saved) != entry:
            raise LedgerError(
                f"{database.path}: expected policy {entry.version} of round {found[0].round} with "
                f"weights {found[0].sha256}, found round {entry.round} with {entry.sha256}; "
                "replaying a stage gave another result: compare the library versions and the "
                "thread count with those in the run's environment"
            )
        else:
            mark_saved(database, entry.version, entry.saved)


def mark_saved(database: Database, version: int, saved: bool) -> None:
    """Notes whether the directory of a policy version exists."""
    with database.transaction():
        database.write("UPDATE policies SET saved = ? WHERE version = ?", [(saved, version)])


def policies(database: Database) -> list[PolicyEntry]:
    """All policy versions, in order."""
    rows = database.rows("SELECT version, round, sha256, saved FROM policies ORDER BY version")
    return [
        PolicyEntry(version, round_, sha256, bool(saved)) for version, round_, sha256, saved in rows
    ]
