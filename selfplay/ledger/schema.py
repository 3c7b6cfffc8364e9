"""The tables, as a list of scripts: script k takes a ledger from schema version k to k + 1.

`PRAGMA user_version` holds the version. A released script is never edited; a change of the schema
is one more script at the end of `MIGRATIONS`.

Conventions: a missing number is NULL, never 0. `token_ids` and `logprobs` are little-endian int32
and float32 blobs. Columns that hold JSON say so. `groups.id` is only a short name within this
file; what identifies a group is (round, label, position). A lineage's parent is no foreign key,
since an imported prompt may descend from a prompt of another run.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from selfplay.core.errors import LedgerError

APPLICATION_ID = 0x53504C59
"""Marks an SQLite file as a ledger: `SPLY`."""

_VERSION_1 = """
CREATE TABLE run (
    key TEXT PRIMARY KEY,               -- settings, environment, created, fork
    value TEXT NOT NULL                 -- JSON
) WITHOUT ROWID;

CREATE TABLE prompts (
    position INTEGER PRIMARY KEY,       -- order of arrival
    id TEXT NOT NULL UNIQUE,
    messages TEXT NOT NULL,             -- JSON: [[role, content], ...]
    task TEXT NOT NULL,
    answer TEXT,
    puzzle TEXT,                        -- JSON: [generator, [[attribute, level], ...], index]
    extra TEXT,                         -- JSON object, NULL when empty
    operator TEXT NOT NULL,
    model TEXT NOT NULL,
    seed INTEGER NOT NULL,
    round INTEGER NOT NULL,
    policy_version INTEGER NOT NULL,
    fingerprint TEXT NOT NULL
);
CREATE INDEX prompts_by_operator ON prompts (operator);

CREATE TABLE lineage (
    child TEXT NOT NULL REFERENCES prompts (id),
    position INTEGER NOT NULL,
    parent TEXT NOT NULL,
    PRIMARY KEY (child, position)
) WITHOUT ROWID;
CREATE INDEX lineage_by_parent ON lineage (parent);

CREATE TABLE compositions (
    round INTEGER PRIMARY KEY,
    metrics TEXT NOT NULL               -- JSON object: what the creator counted
);
CREATE TABLE composed_prompts (
    round INTEGER NOT NULL REFERENCES compositions (round),
    position INTEGER NOT NULL,
    prompt_id TEXT NOT NULL REFERENCES prompts (id),
    PRIMARY KEY (round, position)
) WITHOUT ROWID;
CREATE TABLE estimates (
    composed INTEGER NOT NULL REFERENCES compositions (round),
    position INTEGER NOT NULL,
    prompt_id TEXT NOT NULL REFERENCES prompts (id),
    metric TEXT NOT NULL,
    value REAL,
    n INTEGER NOT NULL,
    round INTEGER NOT NULL,
    policy_version INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    PRIMARY KEY (composed, position)
) WITHOUT ROWID;
CREATE TABLE rejections (
    round INTEGER NOT NULL REFERENCES compositions (round),
    position INTEGER NOT NULL,
    operator TEXT NOT NULL,
    parent TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (round, position)
) WITHOUT ROWID;

CREATE TABLE groups (
    id INTEGER PRIMARY KEY,
    round INTEGER NOT NULL,
    label TEXT NOT NULL,
    position INTEGER NOT NULL,
    prompt_id TEXT NOT NULL REFERENCES prompts (id),
    purpose TEXT NOT NULL,
    policy_version INTEGER NOT NULL,
    judged INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    UNIQUE (round, label, position)
);
CREATE TABLE responses (
    group_id INTEGER NOT NULL REFERENCES groups (id),
    position INTEGER NOT NULL,
    text TEXT,                          -- NULL: decode token_ids
    token_ids BLOB NOT NULL,
    logprobs BLOB,
    finish_reason TEXT NOT NULL,
    PRIMARY KEY (group_id, position)
);
CREATE TABLE verdicts (
    group_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    reward REAL,
    reason TEXT NOT NULL,
    scores TEXT,                        -- JSON object, NULL when empty
    violations TEXT,                    -- JSON list, NULL when empty
    PRIMARY KEY (group_id, position),
    FOREIGN KEY (group_id, position) REFERENCES responses (group_id, position)
) WITHOUT ROWID;
CREATE TABLE comparisons (
    group_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    winner INTEGER NOT NULL,
    loser INTEGER NOT NULL,
    probability REAL NOT NULL,
    judge TEXT NOT NULL,
    PRIMARY KEY (group_id, position),
    FOREIGN KEY (group_id, winner) REFERENCES responses (group_id, position),
    FOREIGN KEY (group_id, loser) REFERENCES responses (group_id, position)
) WITHOUT ROWID;

CREATE TABLE rubrics (
    position INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    parent INTEGER,
    text TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT NOT NULL,
    round INTEGER NOT NULL
);
CREATE TABLE policies (
    version INTEGER PRIMARY KEY,
    round INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    saved INTEGER NOT NULL
);

CREATE TABLE stages (
    position INTEGER PRIMARY KEY,
    round INTEGER NOT NULL,
    stage TEXT NOT NULL,
    UNIQUE (round, stage)
);
CREATE TABLE metrics (
    round INTEGER NOT NULL,
    stage TEXT NOT NULL,
    name TEXT NOT NULL,
    value REAL,
    PRIMARY KEY (round, stage, name),
    FOREIGN KEY (round, stage) REFERENCES stages (round, stage)
) WITHOUT ROWID;
CREATE TABLE costs (
    position INTEGER PRIMARY KEY,
    round INTEGER NOT NULL,
    stage TEXT NOT NULL,
    role TEXT NOT NULL,
    seconds REAL NOT NULL,
    tokens_in INTEGER NOT NULL,
    tokens_out INTEGER NOT NULL
);
"""

_VERSION_2 = """
ALTER TABLE costs ADD COLUMN peak_bytes INTEGER;    -- NULL where memory was not measured
"""

# Before, every prompt but the held-out ones had been admitted.
_VERSION_3 = """
CREATE TABLE archive (
    position INTEGER PRIMARY KEY,       -- order of admission
    prompt_id TEXT NOT NULL UNIQUE REFERENCES prompts (id)
);
INSERT INTO archive (prompt_id)
    SELECT id FROM prompts WHERE operator <> 'heldout' ORDER BY position;
"""

_VERSION_4 = """
CREATE TABLE anchors (
    position INTEGER PRIMARY KEY,       -- append-only
    prompt_id TEXT NOT NULL REFERENCES prompts (id),
    response TEXT NOT NULL,
    score REAL NOT NULL,
    scorer TEXT NOT NULL,
    origin TEXT NOT NULL,
    alarm TEXT NOT NULL,
    version INTEGER NOT NULL,
    round INTEGER NOT NULL
);
CREATE TABLE alarms (
    round INTEGER NOT NULL,
    position INTEGER NOT NULL,
    monitor TEXT NOT NULL,
    action TEXT NOT NULL,
    text TEXT NOT NULL,
    value REAL NOT NULL,
    reference REAL NOT NULL,
    p REAL NOT NULL,
    suspects TEXT NOT NULL,             -- JSON: [[group, response], ...], positions under `train`
    PRIMARY KEY (round, position)
) WITHOUT ROWID;
CREATE TABLE reviews (
    round INTEGER PRIMARY KEY,
    cause TEXT NOT NULL,
    outcome TEXT NOT NULL,              -- accepted, rejected, none
    version INTEGER,                    -- of the candidate, NULL without one
    reason TEXT NOT NULL,
    tokens INTEGER NOT NULL,
    decision TEXT                       -- JSON object: the gate's figures, NULL without any
);
CREATE TABLE usages (
    position INTEGER PRIMARY KEY,
    round INTEGER NOT NULL,
    stage TEXT NOT NULL,
    role TEXT NOT NULL,
    model TEXT NOT NULL,
    server TEXT NOT NULL,
    requests INTEGER NOT NULL,
    retries INTEGER NOT NULL,
    cached INTEGER NOT NULL,
    tokens_in INTEGER NOT NULL,
    tokens_out INTEGER NOT NULL,
    unmetered INTEGER NOT NULL,         -- answers whose tokens the server did not say
    unanswered INTEGER NOT NULL,
    money REAL                          -- NULL where it is not known
);
CREATE TABLE endings (
    round INTEGER PRIMARY KEY,
    cause TEXT NOT NULL,                -- tokens, hours, money, or a stop condition's name
    reason TEXT NOT NULL,
    lifted INTEGER NOT NULL             -- the run has gone on since
);
CREATE INDEX metrics_by_name ON metrics (name, round, value);
CREATE INDEX costs_by_role ON costs (role, round, seconds);
"""

_VERSION_5 = """
CREATE TABLE seals (
    round INTEGER NOT NULL,
    part TEXT NOT NULL,                 -- a name of `seals.PARTS`
    sha256 TEXT NOT NULL,               -- of its rows when the round was recorded
    PRIMARY KEY (round, part)
) WITHOUT ROWID;
CREATE TABLE replies (
    group_id INTEGER NOT NULL,
    position INTEGER NOT NULL,          -- of the response
    number INTEGER NOT NULL,            -- of the reply, in the order of the verdict's
    reply BLOB NOT NULL,                -- UTF-8, deflated
    PRIMARY KEY (group_id, position, number),
    FOREIGN KEY (group_id, position) REFERENCES verdicts (group_id, position)
) WITHOUT ROWID;
"""

_VERSION_6 = """
CREATE TABLE judgings (
    round INTEGER NOT NULL,             -- whose composition they were in force at
    fingerprint TEXT NOT NULL,
    PRIMARY KEY (round, fingerprint)
) WITHOUT ROWID;
"""

MIGRATIONS: tuple[str, ...] = (
    _VERSION_1,
    _VERSION_2,
    _VERSION_3,
    _VERSION_4,
    _VERSION_5,
    _VERSION_6,
)


def schema_version(connection: sqlite3.Connection) -> int:
    """How many of the scripts the database has seen."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def check_version(
    connection: sqlite3.Connection, name: str, migrations: Sequence[str] = MIGRATIONS
) -> bool:
    """Whether the database `name` is up to date with `migrations`.

    Raises:
        LedgerError: it is no ledger, or was written by a newer program.
    """
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = schema_version(connection)
    if application != APPLICATION_ID or version == 0:
        raise LedgerError(
            f"expected a ledger at {name}, found another SQLite database; check the run directory"
        )
    if version > len(migrations):
        raise LedgerError(
            f"{name} has schema version {version}, this program knows up to {len(migrations)}; "
            "update the program, or use the version that wrote the run"
        )
    return version == len(migrations)


def migrate(connection: sqlite3.Connection, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Applies the scripts that the database has not seen, all of them in one transaction."""
    remaining = migrations[schema_version(connection) :]
    if not remaining:
        return
    pragmas = f"PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={len(migrations)};"
    try:
        connection.executescript("\n".join(["BEGIN IMMEDIATE;", *remaining, pragmas, "COMMIT;"]))
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
