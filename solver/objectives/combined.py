"""Objectives made of objectives: a weighted sum, a schedule over rounds, one for each task.

Their parts' plans are laid side by side: step k of the whole holds the passes of step k of every
part, so that gradients add up, with their weights, before the optimiser moves. A part that takes
steps of its own (a procedure) cannot be added to another; a schedule may hold one, since it is
alone in its rounds. Left out: one forward pass for parts that score the same responses, since
parts shuffle their items apart.

A schedule follows the policy version, not a counter of its own: round t learns from version t - 1,
also after a crash. Tasks are CGPO's (Xu et al., 2024, arXiv 2409.20370): disjoint sets of prompts,
gradients summed with the weights ρ_l.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from selfplay.core.components import Choice
from selfplay.core.errors import ConfigError
from selfplay.core.seeding import Seed
from selfplay.core.tasks import Partition
from selfplay.core.types import Group, Prompt
from solver.config import SolverConfig
from solver.learning.plan import Plan, combined
from solver.learning.stage import Stage
from solver.objectives.build import made_objective
from solver.objectives.objective import Objective, PlannedObjective
from solver.objectives.rows.combined import ScheduleOptions, SumOptions, TasksOptions
from solver.policy import Policy

REST = "other"
"""How metrics call the prompts that no task takes."""


class Sum(PlannedObjective):
    """The objective `sum`."""

    def __init__(self, options: SumOptions, config: SolverConfig) -> None:
        """Raises ConfigError for a part that cannot be added, or that refuses its options."""
        super().__init__(options, config)
        self._parts = [(p.weight, addable(p.objective, config, "sum")) for p in options.parts]
        self._names = numbered([part.objective.name for part in options.parts])

    def plan(self, stage: Stage) -> Plan:
        """As `PlannedObjective.plan`."""
        plans = []
        for i, (weight, part) in enumerate(self._parts):
            with stage.within(f"parts.{i}"):
                plans.append((weight, part.plan(stage)))
        return combined(plans, self._names)


class Scheduled(PlannedObjective):
    """The objective `schedule`."""

    def __init__(self, options: ScheduleOptions, config: SolverConfig) -> None:
        """Raises ConfigError for a phase's objective that refuses its options."""
        super().__init__(options, config)
        self.phases = [
            (phase.until, made_objective(phase.objective, config)) for phase in options.phases
        ]

    def at(self, version: int) -> Objective:
        """The objective of the round that learns from this policy version."""
        return self.phases[self._phase(version)][1]

    def _phase(self, version: int) -> int:
        ends = (until for until, _ in self.phases)
        return next(i for i, until in enumerate(ends) if until is None or version < until)

    def plan(self, stage: Stage) -> Plan:
        """As `PlannedObjective.plan`."""
        part = self.at(stage.policy.version)
        assert isinstance(part, PlannedObjective), "`addable` lets no other in"
        with stage.within(f"phases.{self._phase(stage.policy.version)}"):
            return part.plan(stage)

    def learn(self, policy: Policy, groups: Sequence[Group], seed: Seed) -> dict[str, float]:
        """As `Objective.learn`."""
        part = self.at(policy.version)
        if isinstance(part, PlannedObjective) and adds_up(part):
            return super().learn(policy, groups, seed)
        return part.learn(policy, groups, seed)


class Tasks(PlannedObjective):
    """The objective `tasks`."""

    def __init__(self, options: TasksOptions, config: SolverConfig) -> None:
        """Raises ConfigError for an objective that cannot be added, or that refuses its options."""
        super().__init__(options, config)
        self._partition = Partition((task.name, task.match) for task in options.tasks)
        self._parts: dict[str | None, tuple[float, PlannedObjective]] = {
            task.name: (task.weight, addable(task.objective, config, "tasks"))
            for task in options.tasks
        }
        self._parts[None] = (options.weight, addable(options.objective, config, "tasks"))

    def plan(self, stage: Stage) -> Plan:
        """As `PlannedObjective.plan`; every task has a stage of its own groups."""
        plans: list[tuple[float, Plan]] = []
        for task, (weight, objective) in self._parts.items():
            seed = stage.seed.at("task", task or "")
            with stage.within(f"tasks.{task}" if task else "rest"):
                own = stage.part(partial(self._belongs, task), seed)
                plans.append((weight, objective.plan(own)))
        return combined(plans, [task or REST for task in self._parts])

    def _belongs(self, task: str | None, prompt: Prompt) -> bool:
        return self._partition.of(prompt) == task


def addable(choice: Choice, config: SolverConfig, where: str) -> PlannedObjective:
    """The objective, if its gradients can be added to another's.

    Raises:
        ConfigError: it takes optimiser steps of its own.
    """
    objective = made_objective(choice, config)
    if not isinstance(objective, PlannedObjective) or not adds_up(objective):
        raise ConfigError(
            f"solver.objective: expected parts of '{where}' whose gradients can be added, found "
            f"'{choice.name}', which takes optimiser steps of its own. Use it alone, or in a "
            "schedule that stands at the top."
        )
    return objective


def adds_up(objective: Objective) -> bool:
    """Can its gradients be added to another's, in every round?"""
    if isinstance(objective, Scheduled):
        return all(adds_up(part) for _, part in objective.phases)
    return isinstance(objective, PlannedObjective)


def numbered(names: Sequence[str]) -> list[str]:
    """The names, with a position behind those that occur more than once."""
    return [f"{name}.{i}" if names.count(name) > 1 else name for i, name in enumerate(names)]
