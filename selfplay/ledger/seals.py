"""A digest of each recorded round, beside its rows: bits that flip on a disk are noticed.

SQLite keeps no checksums of its pages, so a changed digit of a reward reads like any other. When a
round is recorded, SHA-256 over its rows is written with it, part by part; who reads the round later
can tell that they are the rows that were written. Left out is what may change after a round is
recorded: costs, endings, which policies are kept, and the birth of prompts that were only probed.
Rounds that an older release recorded have no seal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from selfplay.ledger.database import Database

_PROMPT = (
    "p.id, p.messages, p.task, p.answer, p.puzzle, p.extra, p.operator, p.model, p.seed, p.round, "
    "p.policy_version, p.fingerprint, "
    "(SELECT group_concat(parent) FROM (SELECT parent FROM lineage WHERE child = p.id "
    "ORDER BY position))"
)
_OF_GROUPS = "FROM groups g JOIN {table} x ON x.group_id = g.id WHERE g.round = ?"
_IN_ORDER = "ORDER BY g.label, g.position, x.position"

PARTS: dict[str, str] = {
    "dealt": (
        f"SELECT {_PROMPT} FROM prompts p WHERE p.operator IN ('original', 'heldout') "  # noqa: S608
        "AND ? = 0 ORDER BY p.position"
    ),
    "composition": "SELECT metrics FROM compositions WHERE round = ?",
    "judgings": "SELECT fingerprint FROM judgings WHERE round = ? ORDER BY fingerprint",
    "prompts": (
        f"SELECT {_PROMPT} FROM composed_prompts c JOIN prompts p ON p.id = c.prompt_id "  # noqa: S608
        "WHERE c.round = ? ORDER BY c.position"
    ),
    "estimates": (
        "SELECT prompt_id, metric, value, n, round, policy_version, fingerprint FROM estimates "
        "WHERE composed = ? ORDER BY position"
    ),
    "rejections": (
        "SELECT operator, parent, reason FROM rejections WHERE round = ? ORDER BY position"
    ),
    "groups": (
        "SELECT label, position, prompt_id, purpose, policy_version, judged, fingerprint "
        "FROM groups WHERE round = ? ORDER BY label, position"
    ),
    "responses": (
        "SELECT x.text, x.token_ids, x.logprobs, x.finish_reason "
        f"{_OF_GROUPS.format(table='responses')} {_IN_ORDER}"
    ),
    "verdicts": (
        "SELECT x.reward, x.reason, x.scores, x.violations "
        f"{_OF_GROUPS.format(table='verdicts')} {_IN_ORDER}"
    ),
    "replies": (
        "SELECT x.position, x.number, x.reply FROM groups g JOIN replies x ON x.group_id = g.id "
        "WHERE g.round = ? ORDER BY g.label, g.position, x.position, x.number"
    ),
    "comparisons": (
        "SELECT x.winner, x.loser, x.probability, x.judge "
        f"{_OF_GROUPS.format(table='comparisons')} {_IN_ORDER}"
    ),
    "anchors": (
        "SELECT prompt_id, response, score, scorer, origin, alarm, version FROM anchors "
        "WHERE round = ? ORDER BY position"
    ),
    "alarms": (
        "SELECT monitor, action, text, value, reference, p, suspects FROM alarms "
        "WHERE round = ? ORDER BY position"
    ),
    "review": (
        "SELECT cause, outcome, version, reason, tokens, decision FROM reviews WHERE round = ?"
    ),
    "rubrics": (
        "SELECT version, parent, text, status, reason FROM rubrics WHERE round = ? "
        "ORDER BY position"
    ),
    "policies": "SELECT version, sha256 FROM policies WHERE round = ? ORDER BY version",
    "stages": "SELECT stage FROM stages WHERE round = ? ORDER BY stage",
    "metrics": "SELECT stage, name, value FROM metrics WHERE round = ? ORDER BY stage, name",
}
"""What is sealed of a round, by the name under which it is told of."""


def seal(database: Database, t: int) -> None:
    """Writes the seals of a round, within the transaction that records it."""
    database.write(
        "INSERT INTO seals VALUES (?,?,?)",
        [(t, part, _sha256(database.stream(query, t))) for part, query in PARTS.items()],
    )


def seal_again(database: Database, t: int, part: str) -> None:
    """Replaces one seal of a round that has seals, after something was added to it on purpose."""
    if not database.rows("SELECT 1 FROM seals WHERE round = ? AND part = ?", t, part):
        return
    database.write(
        "UPDATE seals SET sha256 = ? WHERE round = ? AND part = ?",
        [(_sha256(database.stream(PARTS[part], t)), t, part)],
    )


def sealed(database: Database) -> list[int]:
    """The rounds that have seals, in order."""
    return [t for (t,) in database.rows("SELECT DISTINCT round FROM seals ORDER BY round")]


def broken(database: Database, t: int) -> list[str]:
    """Parts of a round that are not what was recorded; empty where it has no seals.

    Raises:
        LedgerError: the file is damaged so far that rows cannot be read.
    """
    kept = dict(database.rows("SELECT part, sha256 FROM seals WHERE round = ?", t))
    return [
        part
        for part, query in PARTS.items()
        if part in kept and kept[part] != _sha256(database.stream(query, t))
    ]


def _sha256(rows: Iterator[Sequence[Any]]) -> str:
    state = hashlib.sha256()
    for row in rows:
        for value in row:
            # Type and length first, so that no two rows are the same bytes.
            data = value if isinstance(value, bytes) else repr(value).encode("utf-8", "replace")
            state.update(f"{type(value).__name__} {len(data)} ".encode())
            state.update(data)
    return state.hexdigest()
