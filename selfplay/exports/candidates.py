"""The prompts that an export may hold, with what they are chosen by: 44 bytes each, no texts.

Prompts are those that a round asked, in the order of their first round. The filters are conditions
of one SQL query, whose rows stream into an array, so that 10⁶ prompts take 44 MB.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selfplay.analysis.successes import least_rewards
from selfplay.exports.options import Filters, Range
from selfplay.ledger.database import Database

_ROW = np.dtype(
    [
        ("id", "<u8"),
        ("first", "<i8"),
        ("value", "<f8"),
        ("reward", "<f8"),
        ("difficulty", "<f8"),
        ("kind", "<u4"),
    ]
)
_EVERY = 2**31
"""No round is later."""
_PLACES = 2**32
"""More prompts than a round has, so that round and position fit one number."""
_CHECKABLE = "(p.answer IS NOT NULL OR p.puzzle IS NOT NULL)"
_CONDITIONS = {
    "any": [],
    "checkable": [_CHECKABLE],
    "solved": [_CHECKABLE, "r.failing < 1"],
}
# Values that stand beside a maximum are those of the row which the maximum was found in.
_QUERY = f"""
WITH asked AS MATERIALIZED (
    SELECT prompt_id, min(round * {_PLACES} + position) AS place FROM composed_prompts
    WHERE round BETWEEN ? AND ? GROUP BY prompt_id
), newest AS MATERIALIZED (
    SELECT prompt_id, value, max(composed * {_PLACES} + position) FROM estimates GROUP BY prompt_id
), judged AS MATERIALIZED (
    SELECT prompt_id, max(id) AS id FROM groups
    WHERE judged AND purpose IN ('train', 'estimate') GROUP BY prompt_id
), rewards AS MATERIALIZED (
    SELECT j.prompt_id, avg(v.reward) AS mean, avg(v.reward < least_reward(j.prompt_id)) AS failing
    FROM judged j JOIN verdicts v ON v.group_id = j.id WHERE v.reward IS NOT NULL
    GROUP BY j.prompt_id
)
SELECT p.id, a.place / {_PLACES}, n.value, r.mean, r.failing, p.task, p.operator
FROM asked a JOIN prompts p ON p.id = a.prompt_id
LEFT JOIN newest n ON n.prompt_id = p.id LEFT JOIN rewards r ON r.prompt_id = p.id
WHERE {{conditions}} ORDER BY a.place
"""  # noqa: S608 (the parts are this module's own texts; values go in as parameters)


@dataclass(frozen=True, eq=False)
class Candidates:
    """N prompts in columns."""

    rows_N: NDArray[np.void]
    kinds: tuple[tuple[str, str], ...]
    """(task, operator); `kind` of a row is an index of them."""

    def __len__(self) -> int:
        return len(self.rows_N)

    @property
    def ids_N(self) -> NDArray[np.uint64]:
        """Prompt ids as integers, shape (N,)."""
        return np.asarray(self.rows_N["id"])

    @property
    def first_N(self) -> NDArray[np.int64]:
        """The first round that asked each, shape (N,)."""
        return np.asarray(self.rows_N["first"])

    @property
    def value_N(self) -> NDArray[np.float64]:
        """Newest estimates, shape (N,); NaN where there is none."""
        return np.asarray(self.rows_N["value"])

    @property
    def reward_N(self) -> NDArray[np.float64]:
        """Mean rewards of the newest judged responses, shape (N,); NaN where none is known."""
        return np.asarray(self.rows_N["reward"])

    @property
    def difficulty_N(self) -> NDArray[np.float64]:
        """Shares of the newest judged responses that fail, shape (N,); NaN where unknown."""
        return np.asarray(self.rows_N["difficulty"])

    @property
    def kind_N(self) -> NDArray[np.uint32]:
        """Indices of `kinds`, shape (N,)."""
        return np.asarray(self.rows_N["kind"])

    def take(self, which: NDArray[Any]) -> Candidates:
        """Those at these indices, or where a mask is true."""
        return replace(self, rows_N=self.rows_N[which])

    def hex_ids(self, start: int, stop: int) -> list[str]:
        """Prompt ids from place `start` to before `stop`."""
        return [f"{number:016x}" for number in self.ids_N[start:stop].tolist()]


def candidates(database: Database, filters: Filters) -> Candidates:
    """The prompts that fit the filters, in the order in which rounds asked them."""
    conditions, values = _conditions(filters)
    query = _QUERY.format(conditions=" AND ".join(["TRUE", *conditions]))
    first, last = filters.rounds or (0, _EVERY)
    kinds: dict[tuple[str, str], int] = {}
    database.define("least_reward", least_rewards(database, filters.success))
    rows = database.stream(query, first, min(last, _EVERY), *values)
    found_N = np.fromiter(_packed(rows, kinds), _ROW)
    return Candidates(found_N, tuple(kinds))


def _packed(
    rows: Iterator[tuple[Any, ...]], kinds: dict[tuple[str, str], int]
) -> Iterator[tuple[Any, ...]]:
    for id_, first, *numbers, task, operator in rows:
        known = [np.nan if number is None else number for number in numbers]
        yield (int(id_, 16), first, *known, kinds.setdefault((task, operator), len(kinds)))


def _conditions(filters: Filters) -> tuple[list[str], list[Any]]:
    """What SQL says of the filters, and the parameters."""
    conditions: list[str] = list(_CONDITIONS[filters.verified])
    values: list[Any] = []
    for column, words in (("p.task", filters.tasks), ("p.operator", filters.operators)):
        if words:
            conditions.append(f"{column} IN ({', '.join('?' * len(words))})")
            values += words
    ranges: tuple[tuple[str, Range], ...] = (
        ("n.value", filters.value),
        ("r.mean", filters.score),
        ("r.failing", filters.difficulty),
    )
    for column, (low, high) in ranges:
        for sign, end in ((">=", low), ("<=", high)):
            if end is not None:
                conditions.append(f"{column} {sign} ?")
                values.append(end)
    return conditions, values
