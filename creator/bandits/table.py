"""The choosers of operators: their options and rows. Free of NumPy and torch.

A factory takes its options and gives a `Chooser` (`creator.bandits.chooser`).
"""

from __future__ import annotations

from dataclasses import dataclass

from selfplay.core.components import NoOptions, Row, Table
from selfplay.core.errors import require


@dataclass(frozen=True)
class ThompsonOptions:
    """A Beta posterior of each operator's learnable children per attempt, which forgets."""

    forgetting: float = 0.2
    """λ: share of the evidence that is forgotten each round."""
    prior_successes: float = 1.0
    """α₀: learnable children believed in before any, of an operator of average weight."""
    prior_failures: float = 1.0
    """β₀: attempts without one believed in before any."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range.
        """
        require(0 <= self.forgetting <= 1, f"{where}.forgetting", "from 0 to 1", self.forgetting)
        for name in ("prior_successes", "prior_failures"):
            require(getattr(self, name) > 0, f"{where}.{name}", "above 0", getattr(self, name))


@dataclass(frozen=True)
class BoltzmannOptions:
    """A softmax of the running mean of informativeness per attempt."""

    rate: float = 0.5
    """α: weight of the newest round."""
    temperature: float = 0.05
    """τ, in units of informativeness, p(1 − p), which is 0.25 at best: the lower, the more the best
    operator gets."""
    floor: float = 0.1
    """ε: share of the draws that goes by the configured weights alone."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range.
        """
        require(0 < self.rate <= 1, f"{where}.rate", "above 0 and up to 1", self.rate)
        require(self.temperature > 0, f"{where}.temperature", "above 0", self.temperature)
        require(0 <= self.floor <= 1, f"{where}.floor", "from 0 to 1", self.floor)


CHOOSERS: Table = {
    "fixed": Row(
        "creator.bandits.fixed:fixed", NoOptions, "in proportion to the operators' weights"
    ),
    "thompson": Row(
        "creator.bandits.thompson:thompson",
        ThompsonOptions,
        "by draws from a posterior of learnable children per attempt",
    ),
    "boltzmann": Row(
        "creator.bandits.boltzmann:boltzmann",
        BoltzmannOptions,
        "by a softmax of informativeness per attempt (after SEC)",
    ),
}
