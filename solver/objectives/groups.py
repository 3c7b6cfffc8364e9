"""Objectives on whole groups: a pure loss of groups, or weights of single responses.

A group without two scored responses teaches nothing, nor does one whose rewards are all equal; both
are left out and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from solver.advantages import tied_groups
from solver.config import SolverConfig
from solver.learning.batches import micro_batches, steps_of
from solver.learning.plan import Loss, Pass, Plan
from solver.learning.stage import Place, Stage
from solver.objectives.batch import responses
from solver.objectives.objective import PlannedObjective
from solver.objectives.row import ObjectiveRow
from solver.objectives.terms import GroupBatch

GroupLoss = Callable[[GroupBatch, Any], torch.Tensor]
"""From P groups and options to their losses, shape (P,)."""

Weigh = Callable[[Stage, Any], tuple[NDArray[np.float64], dict[str, float]]]
"""From a stage and options to a weight for each response, shape (P, G), and metrics."""


class GroupObjective(PlannedObjective):
    """Any loss of whole groups."""

    def __init__(
        self, loss: GroupLoss, row: ObjectiveRow, options: Any, config: SolverConfig
    ) -> None:
        super().__init__(options, config)
        self._loss, self._row = loss, row

    def plan(self, stage: Stage) -> Plan:
        """As `PlannedObjective.plan`."""
        informative, metrics = sorted_out(stage)

        def passed(groups: Sequence[int], share: float) -> Pass:
            places = [(p, g) for p in groups for g in scored_in(stage, p)]
            found = responses(stage, places, self._row)
            order = {p: i for i, p in enumerate(groups)}
            rewards_R = torch.tensor([stage.rewards_PG[place] for place in places])
            group_R = torch.tensor([order[p] for p, _ in places])
            violates_R = torch.tensor([violates(stage, place) for place in places])

            def loss() -> Loss:
                scores = found.scores()
                device, dtype = scores.logps_RT.device, scores.logps_RT.dtype
                batch = GroupBatch(
                    scores,
                    rewards_R.to(device=device, dtype=dtype),
                    group_R.to(device),
                    violates_R.to(device),
                )
                return self._loss(batch, self.options).mean(), {}

            return Pass(loss, share, found.tokens, found.tensors)

        members = [scored_in(stage, p) for p in informative]
        steps = group_steps(stage, informative, members, passed, self._row.whole_step)
        return Plan(steps, metrics)


class WeightedObjective(PlannedObjective):
    """Minimises the mean over groups of -Σ_i w_i log π(y_i|x): the weights are constants.

    π is the policy at the temperature that the responses were sampled at, so that the first step's
    gradient is on-policy.
    """

    def __init__(self, weigh: Weigh, row: ObjectiveRow, options: Any, config: SolverConfig) -> None:
        super().__init__(options, config)
        self._weigh, self._row = weigh, row

    def plan(self, stage: Stage) -> Plan:
        """As `PlannedObjective.plan`."""
        weights_PG, metrics = self._weigh(stage, self.options)
        useful = np.flatnonzero((weights_PG != 0.0).any(axis=1)).tolist()
        members = {p: np.flatnonzero(weights_PG[p]).tolist() for p in useful}

        def passed(groups: Sequence[int], share: float) -> Pass:
            places = [(p, g) for p in groups for g in members[p]]
            # What the weights needed is in them: the pass scores the policy alone.
            found = responses(stage, places, replace(self._row, needs=()), stage.temperature)
            weights_R = torch.tensor([weights_PG[place] for place in places])

            def loss() -> Loss:
                logps_R = found.scores().logps_R
                return -(weights_R.to(logps_R) * logps_R).sum() / len(groups), {}

            return Pass(loss, share, found.tokens, found.tensors)

        counted = {"groups_used": float(len(useful))}
        chosen = list(members.values())
        steps = group_steps(stage, useful, chosen, passed, self._row.whole_step)
        return Plan(steps, counted | metrics)


def group_steps(
    stage: Stage,
    groups: Sequence[int],
    members: Sequence[Sequence[int]],
    passed: Callable[[Sequence[int], float], Pass],
    whole_step: bool = False,
) -> list[list[Pass]]:
    """Groups shuffled into optimiser steps and cut into passes; a group is never split.

    Args:
        groups: their positions in the stage.
        members: of each of them, the responses that are passed: one or more.
        passed: from the groups of a pass and its share of the step.
        whole_step: steps are not cut.
    """
    config = stage.config
    widths = [
        len(chosen) * max(stage.row((p, g)).length for g in chosen)
        for p, chosen in zip(groups, members, strict=True)
    ]
    generator = stage.seed.at("shuffle").numpy()
    limit = sum(widths) * len(widths) if whole_step else config.micro_batch_tokens
    parts = 1 if whole_step else stage.policy.team.size
    return [
        [
            passed([groups[i] for i in chunk], len(chunk) / len(step))
            for chunk in micro_batches(step.tolist(), widths, limit, parts)
        ]
        for step in steps_of(len(groups), config.minibatches, config.epochs, generator)
    ]


def scored_in(stage: Stage, group: int) -> list[int]:
    """The responses of a group that have a reward."""
    found: list[int] = np.flatnonzero(np.isfinite(stage.rewards_PG[group])).tolist()
    return found


def violates(stage: Stage, place: Place) -> bool:
    """Does the response break a constraint? One broken constraint is enough (an AND of judges)."""
    return bool(stage.groups[place[0]].verdicts[place[1]].violations)


def sorted_out(stage: Stage) -> tuple[list[int], dict[str, float]]:
    """The groups that can teach, and how many cannot."""
    scorable_P = np.isfinite(stage.rewards_PG).sum(axis=1)
    tied_P = tied_groups(stage.rewards_PG) & (scorable_P >= 2)
    used = np.flatnonzero((scorable_P >= 2) & ~tied_P).tolist()
    metrics = {
        "groups_used": float(len(used)),
        "groups_tied": float(tied_P.sum()),
        "groups_unscored": float((scorable_P < 2).sum()),
    }
    return used, metrics
