"""What monitors report: a reading of every statistic, and alarms that name their suspects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from meta.monitors.seen import FloatArray

_TAIL = 0.05
"""Share of the reference's responses that lie as far out as a suspect does, at most."""


class Suspect(NamedTuple):
    """One response of the round, by where it is."""

    group: int
    response: int


@dataclass(frozen=True)
class Alarm:
    """A statistic has drifted."""

    monitor: str
    round: int
    value: float
    """Mean over the prompts of the rounds that were compared."""
    reference: float
    """Mean over the reference's prompts; the limit, where that was reached."""
    span: int
    """Rounds that were compared with the reference, up to `round`."""
    p: float
    """How likely such a drift is while nothing changes, at most."""
    level: float
    """What p is held against: the budget's share of one test."""
    suspects: tuple[Suspect, ...]
    """Responses of `round` that drive it, the furthest out first."""
    action: str
    """`tell`, `review` or `pause`."""
    at_limit: bool = False
    """It reached its limit in this round, whatever it was before: no drift was tested, and p says
    nothing."""

    @property
    def size(self) -> float:
        """By how much it has drifted."""
        return self.value - self.reference

    @property
    def text(self) -> str:
        """One line for people, and for a reviewer."""
        rounds = f"round {self.round}"
        if self.at_limit:
            return f"{self.monitor}: {self.value:.3g} in {rounds} (limit {self.reference:.3g})"
        if self.span > 1:
            rounds = f"rounds {self.round - self.span + 1} to {self.round}"
        return (
            f"{self.monitor}: {self.value:.3g} in {rounds}, {self.reference:.3g} in the reference "
            f"(p {self.p:.1g}, alarm from {self.level:.1g} down)"
        )

    def positions(self, groups: int) -> list[list[int]]:
        """For each of the round's `groups` groups, the suspects among its responses, in order."""
        found: list[list[int]] = [[] for _ in range(groups)]
        for suspect in sorted(self.suspects):
            found[suspect.group].append(suspect.response)
        return found


@dataclass(frozen=True)
class Reading:
    """A statistic in one round."""

    monitor: str
    value: float | None
    """Mean over the round's prompts; None where none can be measured."""
    alarm: Alarm | None = None


@dataclass(frozen=True)
class Looked:
    """What was found in one round."""

    readings: tuple[Reading, ...]

    @property
    def alarms(self) -> list[Alarm]:
        """In the order in which the monitors are configured."""
        return [reading.alarm for reading in self.readings if reading.alarm is not None]

    @property
    def metrics(self) -> dict[str, float]:
        """`monitor/<name>` for all that could be measured, and how many alarms there are."""
        found = {f"monitor/{r.monitor}": r.value for r in self.readings if r.value is not None}
        return {**found, "alarms": float(len(self.alarms))}


def suspects(
    reference: Sequence[FloatArray], rows: Sequence[FloatArray], upwards: bool, most: int
) -> tuple[Suspect, ...]:
    """The responses that lie further out than nearly all of the reference's, furthest first.

    Where a drift is small and everywhere, none may; then the furthest one is named.

    Args:
        reference: values, a row for each prompt.
        rows: those of the round.
        upwards: the drift's direction.
        most: how many are named at most.
    """
    sign = 1.0 if upwards else -1.0
    known = sign * np.concatenate([row[np.isfinite(row)] for row in reference])
    usual = float(np.quantile(known, 1.0 - _TAIL))
    found = [
        (sign * float(value), Suspect(p, g))
        for p, row in enumerate(rows)
        for g, value in enumerate(row)
        if np.isfinite(value)
    ]
    found.sort(key=lambda entry: (-entry[0], entry[1]))
    beyond = [suspect for value, suspect in found if value > usual + 1e-12]
    return tuple((beyond or [suspect for _, suspect in found[:1]])[:most])
