"""What stays in the pool that parents are drawn from: options and rows. Free of NumPy and torch.

A replacement's factory takes its options and gives a `Replacement` (`creator.pool.contents`).
Whatever leaves the pool stays in the ledger; it is only no parent any more, until it is asked
again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from creator.estimators.table import TrustOptions
from selfplay.core.components import NoOptions, Row, component
from selfplay.core.errors import nearest, require

SKILLS = ("task", "task_and_operator")
"""What tells one skill from another: the prompt's task, or also the operator that made it."""


@dataclass(frozen=True)
class LowestValueOptions:
    """Who makes room for newcomers."""

    newcomers_stay: bool = False
    """Prompts that came in this round stay, whatever they are worth, and earlier ones go. False is
    PLR's rule: a newcomer comes in if it is worth at least what the prompt is that goes for it."""


@dataclass(frozen=True)
class CellsOptions:
    """Cells of skill by difficulty, each with the best of its kind."""

    skill: str = "task"
    """One of `SKILLS`."""
    bins: int = 10
    """Equal parts of the success rate from 0 to 1."""
    per_cell: int = 64
    """Prompts that a cell keeps at most."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range, or an unknown word.
        """
        hint = f"'{self.skill}'; {nearest(self.skill, SKILLS)}"
        require(self.skill in SKILLS, f"{where}.skill", " or ".join(SKILLS), hint)
        for name in ("bins", "per_cell"):
            require(getattr(self, name) >= 1, f"{where}.{name}", "1 or more", getattr(self, name))


REPLACEMENTS: dict[str, Row] = {
    "lowest_value": Row(
        "creator.pool.replacements:lowest_value",
        LowestValueOptions,
        "what is worth least goes first (PLR)",
    ),
    "oldest": Row(
        "creator.pool.replacements:oldest",
        NoOptions,
        "what was scored longest ago goes first",
    ),
    "cells": Row(
        "creator.pool.replacements:cells",
        CellsOptions,
        "the best of each skill and difficulty stay (MAP-Elites)",
    ),
}
"""Who leaves a full pool."""


@dataclass(frozen=True)
class RetireOptions:
    """When a prompt that teaches nothing is no parent for a while."""

    after: int | None = None
    """Visits in a row that it must be solved, or hopeless, in; null: none is ever retired."""
    solved: float = 1.0
    """The lowest success rate of a solved prompt."""
    hopeless: float = 0.0
    """The highest success rate of a hopeless one."""
    recheck: int = 20
    """Rounds until it may be a parent again. If its next visit is no better, it is retired again
    for as long. It matters where `memory` reaches as far back."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range.
        """
        after = self.after
        require(after is None or after >= 1, f"{where}.after", "1 or more, or null", after)
        require(self.recheck >= 1, f"{where}.recheck", "1 or more", self.recheck)
        apart = self.hopeless < self.solved
        found = f"{self.solved} and {self.hopeless}"
        require(apart, f"{where}.solved", f"a rate above {where}.hopeless", found)


@dataclass(frozen=True)
class PoolOptions:
    """Which of the prompts that were asked stay available as parents."""

    capacity: int | None = None
    """Prompts that the pool holds from one round to the next; null: all. What was just scored may
    be drawn once before it has to make room."""
    replacement: Any = component("lowest_value", REPLACEMENTS)
    """Who leaves a full pool; `cells` also leaves nothing beyond its cells' size."""
    quotas: dict[str, float] = field(default_factory=dict)
    """By task, the share of the capacity that it keeps, as far as it has so many prompts."""
    success: float | None = 0.5
    """The lowest reward of a success, as a share of the judge's scale; null: the mean of the
    rewards, in such shares, counts as the success rate."""
    retire: RetireOptions = field(default_factory=RetireOptions)
    """Solved and hopeless prompts."""
    trust: TrustOptions = field(default_factory=TrustOptions)
    """How the trust in a value fades that was not estimated anew."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range, or quotas that no pool can hold.
        """
        size, total = self.capacity, sum(self.quotas.values())
        require(size is None or size >= 1, f"{where}.capacity", "1 or more, or null", size)
        for task, share in self.quotas.items():
            require(0 <= share <= 1, f"{where}.quotas.{task}", "a share from 0 to 1", share)
        require(total <= 1 + 1e-9, f"{where}.quotas", "shares of up to 1 in all", total)
        bounded = size is not None or not self.quotas
        require(bounded, f"{where}.quotas", "a capacity to take shares of", "capacity null")
