"""Taking back what came after a round, so that a copy of a ledger stands where its run once stood.

All in one transaction. Rows name their round; a prompt that nothing speaks of any more goes, and an
admission goes with the round in which its prompt was born. One thing cannot be taken back: a prompt
that was only probed up to the round and admitted later keeps the lineage that it was admitted with,
until it is admitted again.
"""

from __future__ import annotations

from selfplay.core.errors import LedgerError
from selfplay.ledger.codec import canonical_json
from selfplay.ledger.database import Database
from selfplay.ledger.digest import digest

_LATER_GROUPS = "(SELECT id FROM groups WHERE round > ?)"
_TALKED_OF = """
    SELECT prompt_id FROM groups
    UNION SELECT prompt_id FROM composed_prompts
    UNION SELECT prompt_id FROM estimates
    UNION SELECT prompt_id FROM archive
    UNION SELECT prompt_id FROM anchors
"""
_STATEMENTS = (
    *(
        f"DELETE FROM {table} WHERE group_id IN {_LATER_GROUPS}"  # noqa: S608 (our own names)
        for table in ("comparisons", "replies", "verdicts", "responses")
    ),
    "DELETE FROM groups WHERE round > ?",
    "DELETE FROM rejections WHERE round > ?",
    "DELETE FROM estimates WHERE composed > ?",
    "DELETE FROM composed_prompts WHERE round > ?",
    "DELETE FROM compositions WHERE round > ?",
    "DELETE FROM anchors WHERE round > ?",
    "DELETE FROM archive WHERE prompt_id IN (SELECT id FROM prompts WHERE round > ?)",
    *(
        f"DELETE FROM {table} WHERE round > ?"  # noqa: S608 (the same)
        for table in (
            "metrics",
            "stages",
            "costs",
            "usages",
            "rubrics",
            "alarms",
            "reviews",
            "endings",
            "policies",
            "seals",
            "judgings",
        )
    ),
)
_UNTOLD = f"operator <> 'heldout' AND id NOT IN ({_TALKED_OF})"
_ORPHANS = (
    f"DELETE FROM lineage WHERE child IN (SELECT id FROM prompts WHERE {_UNTOLD})",  # noqa: S608
    f"DELETE FROM prompts WHERE {_UNTOLD}",  # noqa: S608
)


def cut(database: Database, t: int, parent: str) -> None:
    """Takes back all that came after round `t`, and notes whose rounds the others are.

    The note has the digest of what is left, which a later reader can compare.

    Raises:
        LedgerError: the round is not recorded.
    """
    query = "SELECT coalesce(max(round), -1) FROM stages WHERE stage = 'record'"
    last = int(database.rows(query)[0][0])
    if not 0 <= t <= last:
        known = f"a round from 0 to {last}" if last >= 0 else "a run whose round 0 is recorded"
        raise LedgerError(f"{parent}: expected {known}, found round {t}")
    with database.transaction():
        for statement in _STATEMENTS:
            database.write(statement, [(t,)])
        for statement in _ORPHANS:
            database.write(statement, [()])
        note = canonical_json({"parent": parent, "round": t, "digest": digest(database)})
        database.write("INSERT OR REPLACE INTO run VALUES ('fork', ?)", [(note,)])
