"""Questions of a report about many prompts at once, answered by SQL.

Tables without an index by prompt are scanned once for all the prompts that are asked about. What
comes back is bounded by what is asked for, except `trained_groups`, which yields a small row for
each training group.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from selfplay.core.types import Purpose
from selfplay.ledger.database import Database

_ASKED = "prompt_id IN (SELECT value FROM json_each(?))"
_TRAINED = """
SELECT g.round, p.task, p.puzzle, count(v.reward), sum(v.reward >= least_reward(p.id))
FROM groups g JOIN prompts p ON p.id = g.prompt_id JOIN verdicts v ON v.group_id = g.id
WHERE g.purpose = 'train'
GROUP BY g.id HAVING count(v.reward) > 0 ORDER BY g.id
"""
_HELDOUT = """
SELECT g.prompt_id, avg(v.reward) FROM groups g JOIN verdicts v ON v.group_id = g.id
WHERE g.round = ? AND g.label = ?
GROUP BY g.prompt_id HAVING count(v.reward) > 0
"""


class TrainedGroup(NamedTuple):
    """One group that was trained on, in numbers."""

    round: int
    task: str
    puzzle: str | None
    """JSON: [generator, [[attribute, level], ...], index]."""
    n: int
    """Responses with a reward."""
    successes: int


class ValueRow(NamedTuple):
    """One estimate of a prompt."""

    composed: int
    """The round that was composed from it."""
    metric: str
    value: float | None
    n: int
    policy_version: int
    fingerprint: str


class AskedRow(NamedTuple):
    """One group of a prompt."""

    id: int
    """Short name within the ledger's file."""
    round: int
    purpose: Purpose
    policy_version: int


def trained_groups(
    database: Database, least_reward: Callable[[str], float]
) -> Iterator[TrainedGroup]:
    """All judged training groups, in the order in which they were answered.

    Args:
        database: a run's.
        least_reward: from a prompt's id to the lowest reward of a success.
    """
    database.define("least_reward", least_reward)
    for row in database.stream(_TRAINED):
        yield TrainedGroup(*row)


def heldout_rewards(database: Database, t: int, label: str) -> dict[str, float]:
    """Mean reward of each held-out prompt that round `t` asked as `label` says, by id."""
    return dict(database.rows(_HELDOUT, t, label))


def spaced_ids(database: Database, size: int) -> list[str]:
    """Ids of about `size` admitted prompts at equal distances in order of admission."""
    count = database.rows("SELECT count(*) FROM archive")[0][0]
    stride = max(1, count // max(1, size))
    found = database.rows(
        "SELECT prompt_id FROM archive WHERE position % ? = 0 ORDER BY position LIMIT ?",
        *(stride, size),
    )
    return [id_ for (id_,) in found]


def children_counts(database: Database, ids: Collection[str]) -> dict[str, int]:
    """How many children each prompt has that has any, those included that were only probed."""
    rows = database.rows(
        "SELECT parent, count(DISTINCT child) FROM lineage "
        "WHERE parent IN (SELECT value FROM json_each(?)) GROUP BY parent",
        json.dumps(list(ids)),
    )
    return dict(rows)


def values_of(database: Database, ids: Sequence[str]) -> dict[str, list[ValueRow]]:
    """All estimates of the prompts, by id, oldest first."""
    found: dict[str, list[ValueRow]] = defaultdict(list)
    query = (
        "SELECT prompt_id, composed, metric, value, n, policy_version, fingerprint "  # noqa: S608
        f"FROM estimates WHERE {_ASKED} ORDER BY composed, position"
    )
    for id_, *row in database.stream(query, json.dumps(ids)):
        found[id_].append(ValueRow(*row))
    return dict(found)


def groups_of_many(database: Database, ids: Sequence[str]) -> dict[str, list[AskedRow]]:
    """All groups of the prompts, by id, in the order in which they were answered."""
    found: dict[str, list[AskedRow]] = defaultdict(list)
    query = (
        "SELECT prompt_id, id, round, purpose, policy_version FROM groups "  # noqa: S608
        f"WHERE {_ASKED} ORDER BY id"
    )
    for id_, *row in database.stream(query, json.dumps(ids)):
        found[id_].append(AskedRow(*row))
    return dict(found)
