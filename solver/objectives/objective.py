"""What an objective does: it makes a plan of a round's groups, and the loop carries it out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

from selfplay.core.seeding import Seed
from selfplay.core.types import Group
from solver.config import SolverConfig
from solver.learning.loop import run
from solver.learning.plan import Plan
from solver.learning.stage import Stage
from solver.policy import Policy


class Objective(Protocol):
    """What a row of the table builds, from its options and the solver's."""

    def learn(self, policy: Policy, groups: Sequence[Group], seed: Seed) -> dict[str, float]:
        """Optimises the policy in place; returns metrics. Leaves it alone if nothing informs.

        Raises:
            NotFiniteError: the loss or the gradient is not finite.
        """


class PlannedObjective(ABC):
    """An objective whose whole stage is known before its first step; plans can be combined."""

    def __init__(self, options: Any, config: SolverConfig) -> None:
        self.options = options
        self.config = config

    @abstractmethod
    def plan(self, stage: Stage) -> Plan:
        """The stage's optimiser steps, a function of the stage."""

    def learn(self, policy: Policy, groups: Sequence[Group], seed: Seed) -> dict[str, float]:
        """As `Objective.learn`."""
        stage = Stage(policy, groups, seed, self.config)
        return run(stage, self.plan(stage))
