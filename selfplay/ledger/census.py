"""Counts over all prompts of a run, by operator, task and round, made inside of SQLite.

Counted are the prompts of the archive, which alone have a final lineage, and those that never join
it: held-out and imported ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from selfplay.core.types import Group, Prompt, Verdict
from selfplay.ledger import codec, pool
from selfplay.ledger.database import Database

ROOTS = ("original", "heldout", "imported")
"""What a lineage says in place of an operator."""

_ADMITTED = "id IN (SELECT prompt_id FROM archive)"
_CHILDREN = f"operator NOT IN ('original', 'heldout', 'imported') AND {_ADMITTED}"
_BORN = f"""
SELECT operator, task, count(*) FROM prompts
WHERE {_ADMITTED} OR operator IN ('heldout', 'imported')
GROUP BY operator, task ORDER BY operator, task
"""  # noqa: S608 (as everywhere here: the parts are this module's own texts)
_SCORED = (
    "FROM verdicts v JOIN groups g ON g.id = v.group_id "
    "WHERE g.purpose IN ('train', 'estimate') AND v.reward IS NOT NULL"
)
_TASKS = """
SELECT p.task, count(*), avg(t.reward) FROM (
    SELECT g.prompt_id, avg(v.reward) AS reward
    FROM groups g LEFT JOIN verdicts v ON v.group_id = g.id
    WHERE g.purpose = 'train' GROUP BY g.id
) t JOIN prompts p ON p.id = t.prompt_id
GROUP BY p.task
"""
_REWARDS = """
SELECT g.id, g.prompt_id, g.purpose, g.policy_version, g.fingerprint, v.reward, v.reason
FROM groups g JOIN verdicts v ON v.group_id = g.id JOIN prompts p ON p.id = g.prompt_id
WHERE g.round = ? AND g.purpose IN ('train', 'estimate')
    AND p.operator NOT IN ('original', 'heldout', 'imported')
ORDER BY g.id, v.position
"""
_COMPOSED_CHILDREN = """
SELECT p.id, p.messages, p.task, p.answer, p.puzzle, p.extra,
    p.operator, p.model, p.seed, p.round, p.policy_version, p.fingerprint
FROM composed_prompts c JOIN prompts p ON p.id = c.prompt_id
WHERE c.round = ? AND p.operator NOT IN ('original', 'heldout', 'imported')
GROUP BY p.position ORDER BY min(c.position)
"""
_ROUNDS = f"""
WITH born AS MATERIALIZED (
    SELECT round, count(*) AS children FROM prompts WHERE {_CHILDREN} GROUP BY round
)
SELECT c.round,
    (SELECT count(*) FROM composed_prompts a WHERE a.round = c.round),
    coalesce((SELECT children FROM born b WHERE b.round = c.round), 0),
    (SELECT count(*) FROM rejections x WHERE x.round = c.round),
    (SELECT avg(value) FROM estimates e WHERE e.composed = c.round),
    (SELECT value FROM metrics m WHERE m.round = c.round AND stage = 'judge' AND name = 'reward'),
    (SELECT value FROM metrics m WHERE m.round = c.round AND stage = 'judge' AND name = 'mixed')
FROM compositions c ORDER BY c.round
"""  # noqa: S608


class Born(NamedTuple):
    """Prompts of one operator and task."""

    operator: str
    task: str
    prompts: int


class Trained(NamedTuple):
    """The training groups of one task's prompts."""

    task: str
    groups: int
    reward: float | None
    """Mean over the groups of their mean reward; None where none is known."""


class RoundCount(NamedTuple):
    """One round's prompts."""

    round: int
    asked: int
    born: int
    """Children that were made in this round and admitted."""
    rejected: int
    value: float | None
    """Mean of the estimates that the round was composed from; None without any."""
    reward: float | None
    """Mean reward of its training groups; None until judged."""
    mixed: float | None
    """Share of its training groups with outcomes that differ; None until judged."""


class Turned(NamedTuple):
    """Children that were turned down."""

    operator: str
    reason: str
    children: int


def born(database: Database) -> list[Born]:
    """How many prompts there are, by operator and task."""
    return [Born(*row) for row in database.rows(_BORN)]


def trained(database: Database) -> list[Trained]:
    """What was trained on, by task."""
    return [Trained(*row) for row in database.rows(_TASKS)]


def children_of(database: Database, t: int) -> dict[str, Prompt]:
    """The children among the prompts that round `t` asked, by id, in their order.

    Without their parents, which counting does not need.
    """
    return {row[0]: codec.prompt_from(row, ()) for row in database.rows(_COMPOSED_CHILDREN, t)}


def rewarded(database: Database, t: int, known: Mapping[str, Prompt]) -> list[Group]:
    """Round `t`'s judged groups of children, for training and estimates, in order of answering.

    With their rewards and without responses, scores and violations, which counting does not need.
    The prompts are taken from those `known` where they are there.
    """
    rows = database.rows(_REWARDS, t)
    others = list({row[1]: None for row in rows if row[1] not in known})
    prompts = {**known, **dict(zip(others, pool.prompts(database, others), strict=True))}
    return [
        Group(
            prompt=prompts[prompt_id],
            responses=(),
            purpose=purpose,
            policy_version=version,
            verdicts=tuple(Verdict(*row[5:]) for row in members),
            fingerprint=fingerprint,
        )
        for (_, prompt_id, purpose, version, fingerprint), members in groupby(
            rows, itemgetter(0, 1, 2, 3, 4)
        )
    ]


def scales(database: Database) -> dict[str, tuple[float, float]]:
    """Lowest and highest reward by a task's name, infinite where there is no bound.

    Empty of a run whose release did not keep them.
    """
    rows = database.rows("SELECT value FROM run WHERE key = 'scales'")
    found = json.loads(rows[0][0]) if rows else {}
    return {name: (float(low), float(high)) for name, (low, high) in found.items()}


def reward_range(database: Database) -> list[float]:
    """The lowest and the highest reward of the run's training groups; empty without any."""
    (found,) = database.rows(f"SELECT min(reward), max(reward) {_SCORED}")
    return [reward for reward in found if reward is not None]


def rewards_by_prompt(database: Database) -> Iterator[tuple[str, float]]:
    """All rewards of training groups, each with its prompt's id."""
    yield from database.stream(f"SELECT prompt_id, reward {_SCORED}")


def scored_ids(database: Database) -> list[str]:
    """The ids of prompts that have such rewards."""
    rows = database.rows(f"SELECT DISTINCT prompt_id {_SCORED} ORDER BY prompt_id")
    return [id_ for (id_,) in rows]


def turned_down(database: Database) -> list[Turned]:
    """All rejections, counted, commonest first."""
    rows = database.rows(
        "SELECT operator, reason, count(*) AS n FROM rejections "
        "GROUP BY operator, reason ORDER BY n DESC, operator, reason"
    )
    return [Turned(*row) for row in rows]


def last_round(database: Database) -> int:
    """The last one that was composed; 0 if there is none."""
    return int(database.rows("SELECT coalesce(max(round), 0) FROM compositions")[0][0])


def rounds(database: Database) -> list[RoundCount]:
    """Every composed round, in order."""
    return [RoundCount(*row) for row in database.rows(_ROUNDS)]


def spaced(database: Database, children: bool, count: int, size: int) -> list[Prompt]:
    """`size` of `count` originals or admitted children, at equal distances in order of arrival.

    Args:
        database: the run's.
        children: those; otherwise the originals.
        count: how many of them there are.
        size: how many are wanted.
    """
    which = _CHILDREN if children else f"operator = 'original' AND {_ADMITTED}"
    found = database.rows(
        "SELECT id FROM (SELECT id, row_number() OVER (ORDER BY position) - 1 AS place "  # noqa: S608
        f"FROM prompts WHERE {which}) "
        "WHERE place = 0 OR place * ?1 / ?2 > (place - 1) * ?1 / ?2",
        *(size, count),
    )
    return pool.prompts(database, [id_ for (id_,) in found])
