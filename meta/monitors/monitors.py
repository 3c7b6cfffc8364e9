"""Looks at every round, and raises an alarm when a statistic drifts from a frozen reference.

The reference is the first rounds of the run, or trusted responses that are handed in (anchors that
the judge in force has scored). It does not move, so that a slow drift is not taken for the normal
state. Statistics of rewards are compared under one judging alone: after a change of rubric their
reference is made of the first rounds under the new one. Where clusters of prompts have rubrics of
their own, a round has several judgings, and is compared by the prompts of those that both sides
have. Each look tests a statistic
on the newest round and on the last few together (`meta.monitors.drift`), at a level that keeps the
expected number of false alarms within the budget.

What is known of round t is a function of the rounds up to t: what is held here are copies that
save measuring again, and a run that goes on comes to the same alarms. A round in which something
was found is no special one: the alarm goes on until the drift is over, or until `since` starts a
new reference.

Left out: telling a drift of the policy from one of its prompts. Where a creator makes prompts
harder, lengths and scores follow; such monitors only tell, unless they are configured otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

import numpy as np

from meta.monitors.alarms import Alarm, Looked, Reading, suspects
from meta.monitors.drift import drift
from meta.monitors.seen import FloatArray, Row, Seen, Statistic, comparable, means
from meta.monitors.table import MonitorOptions, MonitorsOptions
from selfplay.core.seeding import Seed

History: TypeAlias = Callable[[int], Seen]
"""From an earlier round to what was seen in it."""
Rows: TypeAlias = Sequence[Row]
"""A row for each prompt."""


@dataclass(frozen=True)
class Monitor:
    """A statistic with its name and options."""

    name: str
    options: MonitorOptions
    statistic: Statistic


@dataclass(frozen=True)
class Measured:
    """What the statistics say of a round's prompts, and how each of these was judged."""

    judgings: Sequence[str]
    rows: Mapping[str, Rows]
    """By monitor, one for each prompt."""


class Monitors:
    """The monitors of a run."""

    def __init__(self, options: MonitorsOptions, history: History, seed: Seed) -> None:
        """Knows nothing yet.

        Args:
            options: which statistics, and the budget of false alarms.
            history: earlier rounds, asked for when they are needed.
            seed: of the run.
        """
        self._options, self._history, self._seed = options, history, seed
        self._monitors = [Monitor(c.name, c.options, c.build()) for c in options.watch]
        self._judgings: dict[int, frozenset[str]] = {}
        self._measured: dict[int, Measured] = {}

    def look(self, t: int, seen: Seen, anchors: Seen | None = None, since: int = 1) -> Looked:
        """What round t shows.

        Args:
            t: the round.
            seen: its groups.
            anchors: trusted responses to compare with, in place of the first rounds.
            since: the round with which the reference begins.
        """
        self._take_in(t, seen)
        handed = None if anchors is None else self._measure(anchors).rows
        needed: set[int] = set()
        readings = []
        for monitor in self._monitors:
            scored = monitor.statistic.scored
            first = self._reference(t, since, scored)
            start = since if handed else first[-1] + 1 if first else t + 1
            recent = self._recent(t, start, scored)
            needed |= {*first, *recent}
            shared = self._shared(t, first) if scored else None
            reference = handed[monitor.name] if handed else self._rows(first, monitor.name, shared)
            rounds = [self._rows([r], monitor.name, shared) for r in recent]
            readings.append(self._read(t, monitor, reference, rounds))
        self._measured = {r: rows for r, rows in self._measured.items() if r in needed | {t}}
        return Looked(tuple(readings))

    def _read(self, t: int, monitor: Monitor, reference: Rows, rounds: Sequence[Rows]) -> Reading:
        """One statistic: `rounds` are those that may be compared, the newest last."""
        values = monitor.statistic.pooled([*reference, *self._measured[t].rows[monitor.name]])
        now_P = known(means(values[len(reference) :]))
        value = float(now_P.mean()) if len(now_P) else None
        found = [
            examine(t, monitor, reference, rounds[-span:], self._options, self._seed)
            for span in self._options.spans
            if reference and span <= len(rounds)
        ]
        limited = beyond_limit(t, monitor, values[len(reference) :], self._options)
        alarms = [alarm for alarm in (limited, *found) if alarm]
        return Reading(monitor.name, value, min(alarms, key=lambda a: a.p, default=None))

    def _reference(self, t: int, since: int, scored: bool) -> list[int]:
        """The first rounds from `since` on that round t can be compared with; empty if too few."""
        found: list[int] = []
        for r in range(since, t):
            if not scored or self._shared(t, [r]):
                found.append(r)
            if len(found) == self._options.reference:
                return found
        return []

    def _recent(self, t: int, start: int, scored: bool) -> list[int]:
        """The rounds up to t, from `start` on, that may be compared together."""
        found: list[int] = []
        for r in range(t, max(start, t - max(self._options.spans) + 1) - 1, -1):
            if scored and r < t and not self._shared(t, [r]):
                break
            found.insert(0, r)
        return found

    def _shared(self, t: int, rounds: Sequence[int]) -> frozenset[str]:
        """The judgings of round t that some rounds have as well; all of its own without rounds."""
        own = self._judgings_of(t)
        others = chain.from_iterable(map(self._judgings_of, rounds))
        return own.intersection(others) if rounds else own

    def _judgings_of(self, r: int) -> frozenset[str]:
        if r not in self._judgings:
            self._judgings[r] = self._history(r).judgings
        return self._judgings[r]

    def _rows(self, rounds: Sequence[int], name: str, among: Set[str] | None) -> list[Row]:
        """The rows of some rounds, missing where a prompt was judged as none of `among` says."""
        rows: list[Row] = []
        for r in rounds:
            if r not in self._measured:
                self._take_in(r, self._history(r))
            measured = self._measured[r]
            found = measured.rows[name]
            rows += found if among is None else comparable(found, measured.judgings, among)
        return rows

    def _take_in(self, r: int, seen: Seen) -> None:
        self._judgings[r], self._measured[r] = seen.judgings, self._measure(seen)

    def _measure(self, seen: Seen) -> Measured:
        rows = {monitor.name: monitor.statistic.measure(seen) for monitor in self._monitors}
        return Measured([group.fingerprint for group in seen.groups], rows)


def examine(
    t: int,
    monitor: Monitor,
    reference: Rows,
    rounds: Sequence[Rows],
    options: MonitorsOptions,
    seed: Seed,
) -> Alarm | None:
    """The alarm, if there is one, of some rounds' drift from the reference.

    Args:
        t: the newest of the rounds.
        monitor: what is measured.
        reference: rows of the reference.
        rounds: rows of each of the rounds, those of t last.
        options: level of the test, least number of prompts, most suspects.
        seed: of the run.
    """
    statistic, span = monitor.statistic, len(rounds)
    values = statistic.pooled([*reference, *chain.from_iterable(rounds)])
    before, now = values[: len(reference)], values[len(reference) :]
    before_N, now_M = known(means(before)), known(means(now))
    if min(len(before_N), len(now_M)) < options.prompts:
        return None
    rng = seed.at(t, "monitor", monitor.name, span).numpy()
    found = drift(before_N, now_M, statistic.side, options.level, rng)
    value, upwards = float(now_M.mean()), found.size > 0
    if found.p > options.level or abs(found.size) < monitor.options.least:
        return None
    if statistic.beyond is not None and (value < statistic.beyond) == upwards:
        return None
    newest = now[len(now) - len(rounds[-1]) :]
    return Alarm(
        monitor=monitor.name,
        round=t,
        value=value,
        reference=float(before_N.mean()),
        span=span,
        p=found.p,
        level=options.level,
        suspects=suspects(before, newest, upwards, options.suspects),
        action=monitor.options.action,
    )


def beyond_limit(
    t: int, monitor: Monitor, now: Sequence[FloatArray], options: MonitorsOptions
) -> Alarm | None:
    """The alarm, if there is one, of a round whose mean is at the statistic's limit.

    Args:
        t: the round.
        monitor: what is measured.
        now: its values in that round.
        options: least number of prompts, most suspects.
    """
    limit, now_P = monitor.statistic.limit, known(means(now))
    if limit is None or len(now_P) < options.prompts or now_P.mean() < limit:
        return None
    return Alarm(
        monitor=monitor.name,
        round=t,
        value=float(now_P.mean()),
        reference=limit,
        span=1,
        p=0.0,
        level=options.level,
        suspects=suspects([np.array([limit])], now, upwards=True, most=options.suspects),
        action=monitor.options.action,
        at_limit=True,
    )


def known(values: FloatArray) -> FloatArray:
    """Those that are not missing."""
    return values[np.isfinite(values)]


def strongest(alarms: Sequence[Alarm]) -> str:
    """The most that any of the alarms asks for: `pause`, `review`, `tell`, or nothing."""
    order: Mapping[str, int] = {"tell": 1, "review": 2, "pause": 3}
    return max((alarm.action for alarm in alarms), key=lambda action: order[action], default="")
