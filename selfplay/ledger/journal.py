"""Which stages are done, what they measured and cost, and why the run ends."""

from __future__ import annotations

from collections.abc import Sequence

from selfplay.ledger.codec import from_number, number
from selfplay.ledger.database import Database
from selfplay.ledger.entries import CostEntry, EndingEntry, MetricEntry, StageRecord, UsageEntry

_OLDEST = (
    "SELECT round, value FROM metrics WHERE name = ? AND stage = ? AND round <= ? "
    "AND value IS NOT NULL ORDER BY round LIMIT ?"
)
_NEWEST = (
    "SELECT round, value FROM metrics WHERE name = ? AND stage = ? AND round <= ? "
    "AND value IS NOT NULL ORDER BY round DESC LIMIT ?"
)


def add_stage(database: Database, record: StageRecord) -> None:
    """Writes a stage's row and its metrics."""
    key = (record.round, record.stage)
    with database.transaction():
        database.write("INSERT INTO stages (round, stage) VALUES (?,?)", [key])
        database.write(
            "INSERT INTO metrics VALUES (?,?,?,?)",
            ((*key, name, number(value)) for name, value in record.metrics.items()),
        )


def stages(database: Database) -> list[tuple[int, str]]:
    """(round, stage), in the order in which they were committed."""
    rows = database.rows("SELECT round, stage FROM stages ORDER BY position")
    return [(t, stage) for t, stage in rows]


def metrics(database: Database, name: str | None, since: int = 0) -> list[MetricEntry]:
    """The numbers called `name` (None: all) from round `since` on, by round."""
    columns = "SELECT round, stage, name, value FROM metrics WHERE round >= ?"
    order = "ORDER BY round, stage, name"
    if name is None:
        rows = database.rows(f"{columns} {order}", since)
    else:
        rows = database.rows(f"{columns} AND name = ? {order}", since, name)
    return [MetricEntry(t, stage, called, from_number(value)) for t, stage, called, value in rows]


def known(
    database: Database, stage: str, name: str, last: int, count: int, newest: bool
) -> list[tuple[int, float]]:
    """The newest or the oldest `count` numbers up to round `last`, with their rounds."""
    query = _NEWEST if newest else _OLDEST
    found = database.rows(query, name, stage, last, count)
    return sorted((t, float(value)) for t, value in found)


def highest(database: Database, stage: str, name: str, last: int) -> float | None:
    """The highest number up to round `last`; None without any."""
    found = database.rows(
        "SELECT max(value) FROM metrics WHERE name = ? AND stage = ? AND round <= ?",
        name,
        stage,
        last,
    )
    return None if found[0][0] is None else float(found[0][0])


def stage_metrics(database: Database, t: int, stage: str) -> dict[str, float]:
    """The numbers of one stage, by name."""
    rows = database.rows(
        "SELECT name, value FROM metrics WHERE round = ? AND stage = ? ORDER BY name", t, stage
    )
    return {name: from_number(value) for name, value in rows}


def round_metrics(database: Database, t: int) -> dict[str, float]:
    """The numbers of all stages of one round, as `stage/name`."""
    rows = database.rows(
        "SELECT stage || '/' || name, value FROM metrics WHERE round = ? ORDER BY stage, name", t
    )
    return {name: from_number(value) for name, value in rows}


def add_ending(database: Database, entry: EndingEntry) -> None:
    """Notes that the run ends with a round; one that was lifted there before is replaced."""
    with database.transaction():
        database.write("INSERT OR REPLACE INTO endings VALUES (?,?,?,?)", [entry])


def lift_ending(database: Database, t: int) -> None:
    """Notes that the run goes on though it had ended with round `t`."""
    with database.transaction():
        database.write("UPDATE endings SET lifted = 1 WHERE round = ?", [(t,)])


def endings(database: Database) -> list[EndingEntry]:
    """All of them, by round."""
    rows = database.rows("SELECT round, cause, reason, lifted FROM endings ORDER BY round")
    return [EndingEntry(t, cause, reason, bool(lifted)) for t, cause, reason, lifted in rows]


def add_cost(database: Database, entry: CostEntry) -> None:
    """Appends a cost."""
    with database.transaction():
        database.write(
            "INSERT INTO costs (round, stage, role, seconds, tokens_in, tokens_out, peak_bytes) "
            "VALUES (?,?,?,?,?,?,?)",
            [entry],
        )


def costs(database: Database) -> list[CostEntry]:
    """All costs, in order."""
    rows = database.rows(
        "SELECT round, stage, role, seconds, tokens_in, tokens_out, peak_bytes FROM costs "
        "ORDER BY position"
    )
    return [CostEntry(*row) for row in rows]


def add_usages(database: Database, entries: Sequence[UsageEntry]) -> None:
    """Appends what models behind servers took."""
    with database.transaction():
        database.write(
            "INSERT INTO usages (round, stage, role, model, server, requests, retries, cached, "
            "tokens_in, tokens_out, unmetered, unanswered, money) "
            "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
            entries,
        )


def usages(database: Database) -> list[UsageEntry]:
    """All of them, in order."""
    rows = database.rows(
        "SELECT round, stage, role, model, server, requests, retries, cached, tokens_in, "
        "tokens_out, unmetered, unanswered, money FROM usages ORDER BY position"
    )
    return [UsageEntry(*row) for row in rows]
