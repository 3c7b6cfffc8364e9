"""Training the rewriter: what it is rewarded with, and who can be trained. No NumPy, no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from creator.estimators.table import METRICS
from selfplay.core.components import Table, component
from selfplay.core.errors import require

TRAINABLE = ("policy", "transformers")
"""The rewriters whose weights are in this process."""

REWARDS: Table = {
    name: METRICS[name]
    for name in (
        "variance",
        "advantage_mean",
        "advantage_dueling",
        "regret_gap",
        "learnability",
        "value_loss",
        "positive_value_loss",
    )
}
"""The metrics that say all of a child by its own group, and 0 of one that teaches nothing: a reply
without a child is worth that."""


@dataclass(frozen=True)
class TrainingOptions:
    """Whether the rewriter learns to write informative prompts."""

    enabled: bool = False
    """Whether it does."""
    metric: Any = component("regret_gap", REWARDS)
    """What a child is worth to the reply that it was read from."""
    weight: float = 1.0
    """Of the rewriter's gradient beside the solver's, where the two share a network."""

    def check(self, where: str) -> None:
        """Refuses a weight that means nothing.

        Raises:
            ConfigError: it is not above 0.
        """
        require(0 < self.weight < math.inf, f"{where}.weight", "above 0", self.weight)
