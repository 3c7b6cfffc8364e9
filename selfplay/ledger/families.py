"""Questions about single prompts and their relatives, answered by SQL.

Nothing here reads more of the pool than it answers with: prompts are found by index, by position
or by one scan inside of SQLite, and every walk and list is bounded by its caller. Estimates, groups
and compositions have no index by prompt, so that writing them stays cheap; what asks for some
prompts' estimates scans the table once for all of them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from selfplay.core.types import Estimate, Prompt, Purpose, Verdict
from selfplay.ledger import codec, pool
from selfplay.ledger.database import Database

_STAMP = "prompt_id, metric, value, n, round, policy_version, fingerprint"
_NEWEST = (
    # The value that stands beside a maximum is that of the row which the maximum was found in.
    "SELECT prompt_id, value, max(composed * 4294967296 + position) FROM estimates "
    "GROUP BY prompt_id"
)
_GROUPS = (
    "SELECT g.id, g.round, g.label, g.purpose, g.policy_version, g.fingerprint, "
    "(SELECT count(*) FROM responses r WHERE r.group_id = g.id), count(v.reward), "
    "avg(v.reward), min(v.reward), max(v.reward) "
    "FROM groups g LEFT JOIN verdicts v ON v.group_id = g.id "
    "WHERE g.prompt_id = ? GROUP BY g.id ORDER BY g.id"
)


@dataclass(frozen=True)
class GroupRow:
    """One group of a prompt, in numbers."""

    id: int
    """Short name within the ledger's file."""
    round: int
    label: str
    purpose: Purpose
    policy_version: int
    fingerprint: str
    """Judging fingerprint; empty until judged."""
    n: int
    """Responses."""
    rewarded: int
    """Responses whose reward is known."""
    mean: float | None
    """Of the rewards that are known; None where none is."""
    low: float | None
    high: float | None


@dataclass(frozen=True)
class AnswerRow:
    """One response of a group with its verdict, as it is stored."""

    text: str | None
    """None: to be derived from the token ids."""
    token_ids: bytes
    finish_reason: str
    verdict: Verdict | None
    """None until judged."""


@dataclass(frozen=True)
class Filter:
    """Which prompts a search is for: those that fit everything that is given."""

    words: tuple[str, ...] = ()
    """Each occurs in one of the messages; the case of ASCII letters does not count."""
    task: str | None = None
    operator: str | None = None
    rounds: tuple[int, int] | None = None
    """First and last round of birth."""
    values: tuple[float | None, float | None] = (None, None)
    """Least and greatest newest estimate; an end may be open."""
    probed: bool = False
    """Also those that were never admitted: only probed, or written for the rewriter."""

    @property
    def on_values(self) -> bool:
        """Does it ask for the newest estimate?"""
        return self.values != (None, None)


def with_prefix(database: Database, prefix: str, limit: int) -> list[str]:
    """Up to `limit` ids that begin with `prefix`, in their order."""
    # Ids are hexadecimal, so "g" comes after every one that has the prefix.
    found = database.rows(
        "SELECT id FROM prompts WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id LIMIT ?2",
        *(prefix, limit),
    )
    return [id_ for (id_,) in found]


def among(database: Database, ids: Collection[str]) -> dict[str, Prompt]:
    """Those of the prompts that the run holds, by id."""
    there = sorted(pool.known(database, ids))
    return dict(zip(there, pool.prompts(database, there), strict=True))


def parents(database: Database, ids: Sequence[str]) -> dict[str, list[str]]:
    """The parents of each prompt that has any, in the order in which its operator took them."""
    return _edges(database, "child", "parent", "child, position", ids)


def children(database: Database, ids: Sequence[str]) -> dict[str, list[str]]:
    """The children of each prompt that has any, in order of arrival."""
    order = "(SELECT position FROM prompts WHERE id = child)"
    return _edges(database, "parent", "child", order, ids)


def _edges(
    database: Database, end: str, other: str, order: str, ids: Sequence[str]
) -> dict[str, list[str]]:
    found: dict[str, dict[str, None]] = defaultdict(dict)
    # The names are this module's own; values go in as parameters.
    query = (
        f"SELECT {end}, {other} FROM lineage "  # noqa: S608
        f"WHERE {end} IN (SELECT value FROM json_each(?)) ORDER BY {order}"
    )
    for id_, relative in database.rows(query, json.dumps(ids)):
        found[id_][relative] = None
    return {id_: list(relatives) for id_, relatives in found.items()}


def newest(database: Database, ids: Collection[str]) -> dict[str, Estimate]:
    """The newest estimate of each prompt that has one."""
    rows = database.rows(
        f"SELECT {_STAMP} FROM estimates "  # noqa: S608
        "WHERE prompt_id IN (SELECT value FROM json_each(?)) ORDER BY composed, position",
        json.dumps(list(ids)),
    )
    return {row[0]: codec.estimate_from(row) for row in rows}


def estimates_of(database: Database, id_: str) -> list[Estimate]:
    """All estimates of one prompt, oldest first."""
    rows = database.rows(
        f"SELECT {_STAMP} FROM estimates WHERE prompt_id = ? ORDER BY composed, position",  # noqa: S608
        id_,
    )
    return [codec.estimate_from(row) for row in rows]


def rounds_of(database: Database, id_: str) -> list[int]:
    """The rounds that asked a prompt."""
    query = "SELECT DISTINCT round FROM composed_prompts WHERE prompt_id = ? ORDER BY round"
    return [t for (t,) in database.rows(query, id_)]


def groups_of(database: Database, id_: str) -> list[GroupRow]:
    """All groups of one prompt, in the order in which they were answered."""
    return [GroupRow(*row) for row in database.rows(_GROUPS, id_)]


def answers(database: Database, group_id: int, replies: bool = False) -> list[AnswerRow]:
    """The responses of one group with their verdicts; these with the judging models' replies, where
    they are wanted.
    """
    query = "SELECT position, reply FROM replies WHERE group_id = ? ORDER BY position, number"
    written: dict[int, list[str]] = {}
    for position, reply in database.rows(query, group_id) if replies else ():
        written.setdefault(position, []).append(codec.inflated(reply))
    rows = database.rows(
        "SELECT r.text, r.token_ids, r.finish_reason, v.reward, v.reason, v.scores, v.violations "
        "FROM responses r LEFT JOIN verdicts v "
        "ON v.group_id = r.group_id AND v.position = r.position "
        "WHERE r.group_id = ? ORDER BY r.position",
        group_id,
    )
    return [
        # A verdict's reason is text, empty where there is a reward; without a verdict it is NULL.
        AnswerRow(
            text,
            ids,
            finish,
            None
            if row[1] is None
            else replace(codec.verdict_from(row), replies=tuple(written.get(position, ()))),
        )
        for position, (text, ids, finish, *row) in enumerate(rows)
    ]


def search(database: Database, wanted: Filter, by_value: bool, limit: int) -> list[str]:
    """The ids of up to `limit` prompts that fit.

    Args:
        database: the run's.
        wanted: what they must fit.
        by_value: highest newest estimate first, and those without one left out; otherwise the
            newest prompt first.
        limit: how many at most.
    """
    conditions, values = _conditions(wanted)
    source = "prompts p"
    order = "p.position DESC"
    if by_value or wanted.on_values:
        source += f" JOIN ({_NEWEST}) e ON e.prompt_id = p.id"
    if by_value:
        conditions.append("e.value IS NOT NULL")
        order = "e.value DESC, p.position DESC"
    # Conditions are this module's own texts; what a user gives goes in as parameters.
    query = (
        f"SELECT p.id FROM {source} WHERE {' AND '.join(conditions) or 'TRUE'} "  # noqa: S608
        f"ORDER BY {order} LIMIT ?"
    )
    return [id_ for (id_,) in database.rows(query, *values, limit)]


def _conditions(wanted: Filter) -> tuple[list[str], list[Any]]:
    """What SQL says of a filter, cheap conditions first, and the parameters."""
    low, high = wanted.values
    asked: list[tuple[str, tuple[Any, ...] | None]] = [
        ("p.task = ?", None if wanted.task is None else (wanted.task,)),
        ("p.operator = ?", None if wanted.operator is None else (wanted.operator,)),
        (_KEPT, None if wanted.probed else ()),
        ("p.round BETWEEN ? AND ?", wanted.rounds),
        ("e.value >= ?", None if low is None else (low,)),
        ("e.value <= ?", None if high is None else (high,)),
        *((_OCCURS, (_pattern(_in_json(word)), _pattern(word))) for word in wanted.words),
    ]
    given = [(text, values) for text, values in asked if values is not None]
    return [text for text, _ in given], [value for _, values in given for value in values]


_KEPT = "(p.id IN (SELECT prompt_id FROM archive) OR p.operator IN ('heldout', 'imported'))"
# The stored JSON is looked through first: most prompts need not be parsed then.
_OCCURS = (
    "(p.messages LIKE ? ESCAPE '\\' AND EXISTS (SELECT 1 FROM json_each(p.messages) m "
    "WHERE json_extract(m.value, '$[1]') LIKE ? ESCAPE '\\'))"
)


def _in_json(word: str) -> str:
    return json.dumps(word, ensure_ascii=False)[1:-1]


def _pattern(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
