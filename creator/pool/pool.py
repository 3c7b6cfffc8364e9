"""All the prompts a run may draw from, in columns: 10⁷ of them fit in memory and are drawn at once.

The pool knows prompts by their ids and keeps numbers only: the newest estimate with what it rests
on, what estimators remember (`State`), and how the prompt stands (`Standing`). Texts and history
stay in the ledger. Rows are in order of arrival, so that a draw depends on the pool's history and
its seed alone. Adding copies the index and removing copies every column, so both are made for
batches.

A prompt takes `RECORD.itemsize` bytes and 4 for the index, and up to a quarter more when growing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from creator.estimators.evidence import Estimated, State
from creator.estimators.moments import FloatArray, IntArray, Integers
from creator.estimators.staleness import discounted, trust
from creator.estimators.table import TrustOptions
from creator.pool.contents import Contents
from creator.pool.records import FIELDS, MOST, RECORD, UNJUDGED, UNSEEN, Snapshot
from creator.pool.retirement import UNRESTED, Standing
from creator.samplers.candidates import Candidates, Sampler
from selfplay.core.types import Now

GROWTH = 1.25


class Pool:
    """Prompts with their newest estimates. A row names its prompt until the next removal."""

    def __init__(self) -> None:
        self._size = 0
        self._columns: dict[str, NDArray[Any]] = {name: np.empty(0, kind) for name, kind in FIELDS}
        self._order: OrderArray = np.empty(0, np.uint32)
        self._tasks: dict[str, int] = {}
        self._operators: dict[str, int] = {}
        self._judgings: dict[str, int] = {}
        self._tasks_K: FloatArray = np.zeros(0)

    @classmethod
    def restored(cls, snapshot: Snapshot) -> Pool:
        """The pool that the snapshot was taken of.

        Raises:
            ValueError: a prompt stands in it twice.
        """
        pool = cls()
        pool._tasks = numbered(snapshot.tasks)
        pool._operators = numbered(snapshot.operators)
        pool._judgings = numbered(snapshot.judgings)
        pool._tasks_K = snapshot.tasks_K
        pool._append(snapshot.records_P)
        return pool

    def snapshot(self) -> Snapshot:
        """Everything the pool knows."""
        records_P = np.empty(self._size, RECORD)
        for name, _ in FIELDS:
            records_P[name] = self._column(name)
        names = (self.tasks, tuple(self._operators), tuple(self._judgings))
        return Snapshot(records_P, *names, self._tasks_K)

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
        return codes_of(tasks, self._tasks)

    def operator_codes(self, operators: Sequence[str]) -> IntArray:
        """As `codes`, of the operators that made prompts."""
        return codes_of(operators, self._operators)

    def rows(self, ids_B: IdArray) -> NDArray[np.intp]:
        """Where the prompts are; -1 for those that are not in the pool."""
        return find(self._order, self.ids, ids_B)

    def add(
        self, ids_B: IdArray, tasks_B: IntArray, operators_B: IntArray | None = None
    ) -> NDArray[np.intp]:
        """Adds those of the prompts that are new, in their order, and returns the rows of all.

        Args:
            ids_B: of the prompts.
            tasks_B: codes of their tasks.
            operators_B: codes of the operators that made them; None: all of code 0.
        """
        unknown = np.flatnonzero(self.rows(ids_B) < 0)
        _, first = np.unique(ids_B[unknown], return_index=True)
        new = unknown[np.sort(first)]
        records = np.full(len(new), UNSEEN)
        records["id"], records["task"] = ids_B[new], tasks_B[new]
        records["operator"] = 0 if operators_B is None else operators_B[new]
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

    def standing(self, rows: NDArray[np.intp], now: Now) -> Standing:
        """How these prompts stand under the judging in force; under another nothing is known."""
        foreign = self._foreign(self._column("judging")[rows], now)
        return Standing(
            rates_P=np.where(foreign, np.nan, self._column("rate")[rows]),
            streaks_P=np.where(foreign, 0, self._column("streak")[rows]),
            rests_P=np.where(foreign, UNRESTED, self._column("rest")[rows]),
        )

    def stand(self, rows: NDArray[np.intp], standing: Standing) -> None:
        """Writes how these prompts stand."""
        self._columns["rate"][rows] = standing.rates_P
        self._columns["streak"][rows] = np.clip(standing.streaks_P, -MOST, MOST)
        self._columns["rest"][rows] = standing.rests_P

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
            "count": np.minimum(made.counts_P, MOST),
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
            scores = discounted(scores, trust(ages, self.lags(now), options))
        return Candidates(
            scores_P=scores,
            ages_P=ages,
            successes_P=self._unless(foreign, "successes", 0.0),
            failures_P=self._unless(foreign, "failures", 0.0),
            tasks_P=self._column("task"),
            task_names=self.tasks,
            tasks_K=self._tasks_K if len(self._tasks_K) else None,
        )

    def lags(self, now: Now) -> Integers:
        """Policy versions since each prompt's newest estimate."""
        return now.policy_version - self._column("policy")

    def available(self, now: Now, rounds: int) -> NDArray[np.bool_]:
        """Which prompts may be parents, by row.

        Those scored in the `rounds` last rounds, under the judging in force, that do not rest.
        """
        earliest = max(0, now.round - rounds + 1)
        found: NDArray[np.bool_] = self._column("seen") >= earliest
        found &= self._in_force(self._column("judging"), now)
        found &= self._column("rest") <= now.round
        return found

    def contents(self, now: Now, held: int, options: TrustOptions | None = None) -> Contents:
        """What replacement looks at; the rows from `held` on are the new ones."""
        foreign = self._foreign(self._column("judging"), now)
        return Contents(
            values_P=self.candidates(now, options).scores_P,
            seen_P=self._column("seen"),
            rates_P=self._unless(foreign, "rate", np.nan),
            tasks_P=self._column("task"),
            operators_P=self._column("operator"),
            new_P=np.arange(self._size) >= held,
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
        return np.asarray(~self._in_force(judging, now) & (judging != UNJUDGED))

    def _in_force(self, judging: NDArray[Any], now: Now) -> NDArray[np.bool_]:
        """Which of these codes of judgings are in force; `UNJUDGED` is none."""
        names = {now.fingerprint, *now.alike} & self._judgings.keys()
        found = np.zeros(len(judging), dtype=np.bool_)
        for name in names:
            found |= judging == self._judgings[name]
        return found

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


def numbered(names: Sequence[str]) -> dict[str, int]:
    """Codes by name."""
    return {name: code for code, name in enumerate(names)}


def codes_of(names: Sequence[str], known: dict[str, int]) -> IntArray:
    """The names' codes; one that is not known comes to be, with the next code."""
    return np.array([known.setdefault(name, len(known)) for name in names], np.int64)


IdArray: TypeAlias = NDArray[np.uint64]
OrderArray: TypeAlias = NDArray[np.uint32]

LIMIT = 2**32
"""Rows that the index can name."""


def numbers(ids: Sequence[str]) -> IdArray:
    """Prompt ids as integers.

    Raises:
        ValueError: an id is not 16 hex digits.
    """
    for text in ids:
        if len(text) != 16:
            raise ValueError(f"a prompt id has 16 hex digits; found '{text}'")
    return np.frombuffer(bytes.fromhex("".join(ids)), dtype=">u8").astype(np.uint64)


def texts(ids_B: IdArray) -> list[str]:
    """Integers as prompt ids."""
    return [f"{number:016x}" for number in ids_B.tolist()]


def find(order: OrderArray, ids_P: IdArray, wanted_B: IdArray) -> NDArray[np.intp]:
    """The rows of the wanted ids; -1 where there is none. Shape (wanted,)."""
    if len(order) == 0:
        return np.full(len(wanted_B), -1, np.intp)
    rows = order[np.minimum(places(order, ids_P, wanted_B), len(order) - 1)].astype(np.intp)
    return np.where(ids_P[rows] == wanted_B, rows, -1)


def extended(order: OrderArray, ids_P: IdArray) -> OrderArray:
    """The index of all `ids_P`, given that of as many first ones as `order` is long.

    Raises:
        ValueError: an id stands twice, or there are too many.
    """
    before = len(order)
    if len(ids_P) > LIMIT:
        raise ValueError(f"a pool holds up to {LIMIT:,} prompts, found {len(ids_P):,}")
    added = before + np.argsort(ids_P[before:])
    spots = places(order, ids_P, ids_P[added])
    repeated = ids_P[added[1:]] == ids_P[added[:-1]]
    if repeated.any() or (find(order, ids_P, ids_P[added]) >= 0).any():
        raise ValueError("a prompt stands in the pool twice")
    return np.insert(order, spots, added.astype(np.uint32))


def places(order: OrderArray, ids_P: IdArray, wanted_B: IdArray) -> NDArray[np.intp]:
    """Where in the index the ids are, or would be. Shape (wanted,).

    `np.searchsorted` with a sorter does the same, but first copies the index to 64 bits.
    """
    low = np.zeros(len(wanted_B), np.intp)
    high = np.full(len(wanted_B), len(order), np.intp)
    for _ in range(len(order).bit_length()):
        middle = np.minimum((low + high) // 2, len(order) - 1)
        after = (ids_P[order[middle]] < wanted_B) & (low < high)
        low, high = np.where(after, middle + 1, low), np.where(after, high, middle)
    return low
