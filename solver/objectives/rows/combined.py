"""Objectives made of objectives: sums, schedules over rounds, tasks. Options and rows; torch-free.

A part may be any objective of the table, a combination too, or a user's own class.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import cast

from selfplay.core.components import Choice, Row, Table, component, load_attribute
from selfplay.core.errors import require
from selfplay.core.tasks import Match
from solver.objectives.row import ObjectiveRow


class AllObjectives(Mapping[str, Row]):
    """The table of all objectives, looked up when it is read: it holds the rows below as well."""

    def __getitem__(self, name: str) -> Row:
        return self._table()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table())

    def __len__(self) -> int:
        return len(self._table())

    def _table(self) -> Table:
        return cast(Table, load_attribute("solver.objectives.table:OBJECTIVES"))


ALL = AllObjectives()


@dataclass(frozen=True)
class Part:
    """An objective of a sum."""

    objective: Choice = field(metadata={"table": ALL})
    """Which, with its options."""
    weight: float = 1.0
    """Its gradient is multiplied by this."""

    def check(self, where: str) -> None:
        """Refuses a weight that means nothing.

        Raises:
            ConfigError: it is not above 0.
        """
        _check_weight(where, self.weight)


@dataclass(frozen=True)
class SumOptions:
    """A weighted sum of objectives on the same responses."""

    parts: tuple[Part, ...] = ()
    """A list of `{objective, weight}`."""

    def check(self, where: str) -> None:
        """Refuses a sum of nothing.

        Raises:
            ConfigError: there are no parts.
        """
        require(bool(self.parts), f"{where}.parts", "a list of {objective, weight}", "none")


@dataclass(frozen=True)
class Phase:
    """An objective of some rounds."""

    objective: Choice = field(metadata={"table": ALL})
    """Which, with its options."""
    until: int | None = None
    """Its last round; null in the last phase, which has no end."""


@dataclass(frozen=True)
class ScheduleOptions:
    """Objectives one after the other."""

    phases: tuple[Phase, ...] = ()
    """A list of `{objective, until}`, in order."""

    def check(self, where: str) -> None:
        """Refuses phases that leave a round without objective, or an objective without a round.

        Raises:
            ConfigError: no phases, an end that does not come after the one before, or a last phase
                with an end.
        """
        where = f"{where}.phases"
        require(bool(self.phases), where, "a list of {objective, until}", "none")
        ends = [phase.until for phase in self.phases]
        expected = "`until` in every phase but the last, which goes on for good"
        require(ends[-1] is None and None not in ends[:-1], where, expected, f"{ends}")
        rounds = [0, *(end for end in ends if end is not None)]
        rises = all(one < other for one, other in pairwise(rounds))
        require(rises, where, "rounds from 1 on, each later than the one before", f"{ends}")


@dataclass(frozen=True)
class TaskObjective:
    """The objective of one task's prompts."""

    name: str
    """For metrics."""
    match: Match
    """Which prompts; the first task that takes a prompt has it."""
    objective: Choice = field(metadata={"table": ALL})
    """Which, with its options: its KL bound is one of them."""
    weight: float = 1.0
    """Its gradient is multiplied by this."""

    def check(self, where: str) -> None:
        """Refuses a weight that means nothing.

        Raises:
            ConfigError: it is not above 0.
        """
        _check_weight(where, self.weight)


@dataclass(frozen=True)
class TasksOptions:
    """An objective for each task's prompts, and one for all other prompts."""

    tasks: tuple[TaskObjective, ...] = ()
    """A list of `{name, match, objective, weight}`. A run's own `tasks` fill it, and set samples
    and judges as well."""
    objective: Choice = component("rloo", ALL)
    """Of prompts that no task takes."""
    weight: float = 1.0
    """Of its gradient."""

    def check(self, where: str) -> None:
        """Refuses a weight that means nothing.

        Raises:
            ConfigError: it is not above 0.
        """
        _check_weight(where, self.weight)


def _check_weight(where: str, weight: float) -> None:
    require(0 < weight < math.inf, f"{where}.weight", "above 0", weight)


ROWS: Mapping[str, ObjectiveRow] = MappingProxyType(
    {
        "sum": ObjectiveRow(
            "solver.objectives.combined:Sum",
            SumOptions,
            "a weighted sum of objectives, in one optimiser step",
            formula="Σ_i w_i L_i, each L_i an objective of this table",
            when="To add imitation to a preference loss, or any objective to another.",
            source="Widespread: for NLL beside DPO see Pang et al., 2024, arXiv 2404.19733, eq. 1",
        ),
        "schedule": ObjectiveRow(
            "solver.objectives.combined:Scheduled",
            ScheduleOptions,
            "one objective after the other, by the round",
            formula="L_i in the rounds of phase i",
            when="To begin with feedback that is cheap or robust (kto on right and wrong), go on"
            " with pairs (dpo) and finish on rankings (listwise).",
            source="This project; the order is that of curricula over kinds of feedback",
        ),
        "tasks": ObjectiveRow(
            "solver.objectives.combined:Tasks",
            TasksOptions,
            "an objective for each task's prompts, their gradients added in one step",
            formula="Σ_l ρ_l L_l(D_l), the prompts split into disjoint D_l",
            when="When prompts of several kinds need different judges, bounds or numbers of"
            " samples.",
            source="Xu et al., 2024, CGPO, arXiv 2409.20370, multi-task optimisation",
        ),
    }
)
"""Name → objective."""
