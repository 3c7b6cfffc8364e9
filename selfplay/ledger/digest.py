"""One fingerprint of all that a run has made, so that two runs can be told to be the same.

SHA-256 over the rows of every table in an order that follows from their content. Left out is what
may differ between equal runs: costs, the environment, the time of creation, the short ids of
groups, the order in which prompts arrived, which policy directories still exist, the words in which
an ending tells its reason, wall time among them; what only says why: judges' replies, seals; and
what follows from the settings and the rubrics: the judgings in force.
"""

from __future__ import annotations

import hashlib

from selfplay.ledger.database import Database

LEFT_OUT: frozenset[str] = frozenset({"costs", "usages", "seals", "replies", "judgings"})
"""Tables of which the digest says nothing."""

QUERIES: dict[str, str] = {
    "run": "SELECT key, value FROM run WHERE key = 'settings'",
    "prompts": (
        "SELECT id, messages, task, answer, puzzle, extra, operator, model, seed, round, "
        "policy_version, fingerprint FROM prompts ORDER BY id"
    ),
    "archive": "SELECT prompt_id FROM archive ORDER BY position",
    "lineage": "SELECT * FROM lineage ORDER BY child, position",
    "compositions": "SELECT * FROM compositions ORDER BY round",
    "composed_prompts": "SELECT * FROM composed_prompts ORDER BY round, position",
    "estimates": "SELECT * FROM estimates ORDER BY composed, position",
    "rejections": "SELECT * FROM rejections ORDER BY round, position",
    "groups": (
        "SELECT g.round, g.label, g.position, prompt_id, purpose, policy_version, judged, "
        "fingerprint FROM groups g ORDER BY g.round, g.label, g.position"
    ),
    "responses": (
        "SELECT g.round, g.label, g.position, r.position, text, token_ids, logprobs, finish_reason "
        "FROM groups g JOIN responses r ON r.group_id = g.id "
        "ORDER BY g.round, g.label, g.position, r.position"
    ),
    "verdicts": (
        "SELECT g.round, g.label, g.position, v.position, reward, reason, scores, violations "
        "FROM groups g JOIN verdicts v ON v.group_id = g.id "
        "ORDER BY g.round, g.label, g.position, v.position"
    ),
    "comparisons": (
        "SELECT g.round, g.label, g.position, c.position, winner, loser, probability, judge "
        "FROM groups g JOIN comparisons c ON c.group_id = g.id "
        "ORDER BY g.round, g.label, g.position, c.position"
    ),
    "rubrics": "SELECT * FROM rubrics ORDER BY position",
    "anchors": "SELECT * FROM anchors ORDER BY position",
    "alarms": "SELECT * FROM alarms ORDER BY round, position",
    "reviews": "SELECT * FROM reviews ORDER BY round",
    "endings": "SELECT round, cause, lifted FROM endings ORDER BY round",
    "policies": "SELECT version, round, sha256 FROM policies ORDER BY version",
    "stages": "SELECT round, stage FROM stages ORDER BY round, stage",
    "metrics": "SELECT * FROM metrics ORDER BY round, stage, name",
}


def digest(database: Database) -> str:
    """64 hex digits."""
    state = hashlib.sha256()
    for table, query in QUERIES.items():
        state.update(f"{table}\n".encode())
        for row in database.stream(query):
            # ascii() is exact for every type that SQLite returns, and the same in every Python.
            state.update(ascii(row).encode())
    return state.hexdigest()
