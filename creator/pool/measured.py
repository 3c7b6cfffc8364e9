"""Estimates of one round, before the pool takes them in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from creator.estimators.evidence import Estimated, stamped
from creator.pool.retirement import Standing
from creator.samplers.candidates import Candidates
from selfplay.core.types import Estimate, Group, Now


@dataclass(frozen=True, eq=False)
class Measured:
    """Estimates from groups of one policy version and one judging, each prompt once."""

    groups: Sequence[Group]
    rows: NDArray[np.intp]
    """Of the prompts, in the pool."""
    now: Now
    """The round of the estimates; the policy version and the judging of the groups."""
    made: Estimated
    standing: Standing
    """How the prompts stand after this visit."""

    def among(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Where in `rows`, which ascend, those of the prompts are that are there, and which."""
        there = np.isin(self.rows, rows)
        return np.searchsorted(rows, self.rows[there]), there

    def overwritten(self, columns: Candidates, rows: NDArray[np.intp], now: Now) -> Candidates:
        """The columns of `rows`, written to: what was measured in the place of what was known."""
        places, there = self.among(rows)
        state = self.made.state
        for column, newest in (
            (columns.scores_P, self.made.values_P),
            (columns.ages_P, now.round - state.seen_P),
            (columns.successes_P, state.successes_P),
            (columns.failures_P, state.failures_P),
        ):
            if column is not None:
                column[places] = newest[there]
        return replace(columns, tasks_K=state.tasks_K if len(state.tasks_K) else None)

    def stamped(self, metric: str) -> list[Estimate]:
        """The estimates as they are stored."""
        made = self.made
        if made.held_P is not None:
            whole_P = np.array([np.isfinite(group.rewards).sum() for group in self.groups])
            made = replace(made, values_P=made.held_P, counts_P=whole_P - made.counts_P)
        return stamped(self.groups, made, metric, self.now.round)


def by_judging(groups: Sequence[Group]) -> list[list[Group]]:
    """The groups by policy version and judging fingerprint, all groups of a prompt made one."""
    found: dict[tuple[int, str], dict[str, Group]] = {}
    for group in groups:
        alike = found.setdefault((group.policy_version, group.fingerprint), {})
        other = alike.get(group.prompt.id)
        alike[group.prompt.id] = group if other is None else joined(other, group)
    return [list(alike.values()) for alike in found.values()]


def joined(group: Group, other: Group) -> Group:
    """Two judged groups of one prompt as one."""
    return replace(
        group,
        responses=(*group.responses, *other.responses),
        verdicts=(*group.verdicts, *other.verdicts),
    )
