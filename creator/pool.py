"""All the prompts a run may draw from, in columns: 10⁷ of them fit in memory and are drawn at once.

The pool knows prompts by their ids and keeps numbers only: the newest estimate with what it rests
on, and what estimators remember (`State`). Texts and history stay in the ledger. Rows are in order
of arrival, so that a draw depends on the pool's history and its seed alone. Adding copies the index
and removing copies every column, so both are made for batches.

A prompt takes `RECORD.itemsize` bytes and 4 for the index, and up to a quarter more when growing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from creator.estimators.evidence import NEVER, Estimated, State
from creator.estimators.moments import FloatArray, IntArray
from creator.estimators.staleness import discounted, trust
from creator.pool_index import IdArray, OrderArray, extended, find
from creator.samplers.candidates import Candidates, Sampler
from creator.tables.estimators import TrustOptions
from selfplay.core.types import Now

FIELDS: tuple[tuple[str, type[np.generic]], ...] = (
    ("id", np.uint64),
    ("value", np.float32),
    ("count", np.int32),
    ("seen", np.int32),
    ("visits", np.int32),
    ("policy", np.int32),
    ("judging", np.int32),
    ("task", np.int32),
    ("successes", np.float32),
    ("failures", np.float32),
    ("best", np.float32),
)
RECORD = np.dtype(list(FIELDS))
"""One prompt: its newest estimate with the scored responses, round, policy version and judging it
rests on, and its `State`. `task` and `judging` are codes, places in a list of names."""

UNJUDGED = -1
"""Code of no judging: the prompt was never scored."""

UNSEEN = np.array((0, np.nan, 0, NEVER, 0, 0, UNJUDGED, 0, 0.0, 0.0, np.nan), dtype=RECORD)
"""A prompt that was never scored."""

GROWTH = 1.25


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A pool as data, to be stored."""

    records_P: NDArray[np.void]
    """Of dtype `RECORD`, in the order of the rows."""
    tasks: tuple[str, ...]
    """Names by code."""
    judgings: tuple[str, ...]
    """Judging fingerprints by code."""
    tasks_K: FloatArray
    """As in `State`."""


class Pool:
    """Prompts with their newest estimates. A row names its prompt until the next removal."""

    def __init__(self) -> None:
        self._size = 0
        self._columns: dict[str, NDArray[Any]] = {name: np.empty(0, kind) for name, kind in FIELDS}
        self._order: OrderArray = np.empty(0, np.uint32)
        self._tasks: dict[str, int] = {}
        self._judgings: dict[str, int] = {}
        self._tasks_K: FloatArray = np.zeros(0)

    @classmethod
    def restored(cls, snapshot: Snapshot) -> Pool:
        """The pool that the snapshot was taken of.

        Raises:
            ValueError: a prompt stands in it twice.
        """
        pool = cls()
        pool._tasks = {name: code for code, name in enumerate(snapshot.tasks)}
        pool._judgings = {name: code for code, name in enumerate(snapshot.judgings)}
        pool._tasks_K = snapshot.tasks_K
        pool._append(snapshot.records_P)
        return pool

    def snapshot(self) -> Snapshot:
        """Everything the pool knows."""
        records_P = np.empty(self._size, RECORD)
        for name, _ in FIELDS:
            records_P[name] = self._column(name)
        return Snapshot(records_P, self.tasks, tuple(self._judgings), self._tasks_K)

    def __len__(self) -> int:
        return self._size

    @property
    def nbytes(self) -> int:
        """Bytes that the columns and the index take, room for growth included."""
        return sum(column.nbytes for column in self._columns.values()) + self._order.nbytes

    @property
    def ids(self) -> IdArray:
        """Ids by row; not to be written to."""
        return self._column("id")

    @property
    def values(self) -> NDArray[np.float32]:
        """Newest values by row, NaN where unknown, whatever they rest on; not to be written to."""
        return self._column("value")

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks, by code."""
        return tuple(self._tasks)

    def codes(self, tasks: Sequence[str]) -> IntArray:
        """The tasks' codes; a name that is new gets the next one."""
        return np.array([self._tasks.setdefault(t, len(self._tasks)) for t in tasks], np.int64)

    def rows(self, ids_B: IdArray) -> NDArray[np.intp]:
        """Where the prompts are; -1 for those that are not in the pool."""
        return find(self._order, self.ids, ids_B)

    def add(self, ids_B: IdArray, tasks_B: IntArray) -> NDArray[np.intp]:
        """Adds those of the prompts that are new, in their order, and returns the rows of all."""
        unknown = np.flatnonzero(self.rows(ids_B) < 0)
        _, first = np.unique(ids_B[unknown], return_index=True)
        new = unknown[np.sort(first)]
        records = np.full(len(new), UNSEEN)
        records["id"], records["task"] = ids_B[new], tasks_B[new]
        self._append(records)
        return self.rows(ids_B)

    def remove(self, rows: NDArray[np.intp]) -> None:
        """Forgets these prompts. Later rows move up: rows taken before name others now."""
        keep = np.ones(self._size, bool)
        keep[rows] = False
        moved = (np.cumsum(keep) - 1).astype(np.uint32)
        self._order = moved[self._order[keep[self._order]]]
        self._columns = {name: self._column(name)[keep] for name, _ in FIELDS}
        self._size = len(self._order)

    def state(self, rows: NDArray[np.intp], now: Now) -> State:
        """What estimators remember of these prompts under the judging in force.

        Of a prompt scored under another only its visits: its rewards were in another scale.
        """
        foreign = self._foreign(self._column("judging")[rows], now)
        return State(
            successes_P=np.where(foreign, 0.0, self._column("successes")[rows]),
            failures_P=np.where(foreign, 0.0, self._column("failures")[rows]),
            best_P=np.where(foreign, np.nan, self._column("best")[rows]),
            seen_P=self._column("seen")[rows].astype(np.int64),
            visits_P=self._column("visits")[rows].astype(np.int64),
            tasks_K=self._tasks_K,
        )

    def update(self, rows: NDArray[np.intp], made: Estimated, now: Now) -> None:
        """Writes estimates, stamped with `now`; a prompt without scored responses stays as it was.

        Raises:
            ValueError: a prompt stands twice.
        """
        if len(np.unique(rows)) < len(rows):
            raise ValueError("each prompt is updated once: merge what was scored of it first")
        scored = made.counts_P > 0
        columns = {
            "value": made.values_P,
            "count": made.counts_P,
            "seen": made.state.seen_P,
            "visits": made.state.visits_P,
            "successes": made.state.successes_P,
            "failures": made.state.failures_P,
            "best": made.state.best_P,
        }
        written = rows[scored]
        for name, column in columns.items():
            self._columns[name][written] = column[scored]
        self._columns["policy"][written] = now.policy_version
        judging = self._judgings.setdefault(now.fingerprint, len(self._judgings))
        self._columns["judging"][written] = judging
        self._tasks_K = made.state.tasks_K

    def candidates(self, now: Now, options: TrustOptions | None = None) -> Candidates:
        """All prompts as samplers see them, their values discounted; None: not discounted.

        Under another judging than the one in force a value is unknown. The columns may be the
        pool's own: they are not to be written to, nor kept over a change of the pool.
        """
        ages = now.round - self._column("seen")
        foreign = self._foreign(self._column("judging"), now)
        scores: NDArray[Any] = self._unless(foreign, "value", np.nan)
        if options is not None:
            lags = now.policy_version - self._column("policy")
            scores = discounted(scores, trust(ages, lags, options))
        return Candidates(
            scores_P=scores,
            ages_P=ages,
            successes_P=self._unless(foreign, "successes", 0.0),
            failures_P=self._unless(foreign, "failures", 0.0),
            tasks_P=self._column("task"),
            task_names=self.tasks,
            tasks_K=self._tasks_K if len(self._tasks_K) else None,
        )

    def draw(
        self,
        sampler: Sampler,
        k: int,
        now: Now,
        rng: np.random.Generator,
        options: TrustOptions | None = None,
    ) -> NDArray[np.intp]:
        """Rows of `min(k, prompts)` distinct prompts, in the order of drawing."""
        return sampler(self.candidates(now, options), k, rng)

    def _column(self, name: str) -> NDArray[Any]:
        return self._columns[name][: self._size]

    def _foreign(self, judging: NDArray[Any], now: Now) -> NDArray[np.bool_]:
        """Which prompts were scored under another judging than the one in force."""
        here = self._judgings.get(now.fingerprint, UNJUDGED)
        return np.asarray((judging != here) & (judging != UNJUDGED))

    def _unless(self, foreign: NDArray[np.bool_], name: str, other: float) -> NDArray[Any]:
        """A column with `other` in place of what is foreign."""
        column = self._column(name)
        return np.where(foreign, column.dtype.type(other), column) if foreign.any() else column

    def _append(self, records: NDArray[np.void]) -> None:
        """New rows at the end, and in the index."""
        before, self._size = self._size, self._size + len(records)
        capacity = len(self._columns["id"])
        if self._size > capacity:
            # The first fill is exact: a restored pool has no unused room until it grows.
            self._resize(max(self._size, int(GROWTH * capacity)), before)
        for name, _ in FIELDS:
            self._columns[name][before : self._size] = records[name]
        self._order = extended(self._order, self.ids)

    def _resize(self, capacity: int, held: int) -> None:
        for name, kind in FIELDS:
            column = np.empty(capacity, kind)
            column[:held] = self._columns[name][:held]
            self._columns[name] = column
