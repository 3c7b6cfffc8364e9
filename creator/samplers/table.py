"""The samplers: their options and rows. Free of NumPy and torch.

A factory takes its options and gives a `Sampler` (`creator.samplers.candidates`). All draw without
replacement. Defaults are the papers', where they name one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from selfplay.core.components import NoOptions, Row, Table, component
from selfplay.core.errors import require


@dataclass(frozen=True)
class FloorOptions:
    """A share of the draws that takes no account of the scores."""

    floor: float = 0.0
    """ε: P = (1 − ε) · P of the scores + ε / N, so that every prompt can come."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range.
        """
        require(0 <= self.floor < 1, f"{where}.floor", "0 or more and below 1", self.floor)


@dataclass(frozen=True)
class RankOptions(FloorOptions):
    """P ∝ rank^(−1/β)."""

    temperature: float = 1.0
    """β: the higher, the less the rank matters; 0.05 or more."""

    def check(self, where: str) -> None:
        """As `FloorOptions.check`."""
        super().check(where)
        fits = self.temperature >= 0.05
        require(fits, f"{where}.temperature", "0.05 or more", self.temperature)


@dataclass(frozen=True)
class SoftmaxOptions(FloorOptions):
    """P ∝ exp(score / T)."""

    temperature: float = 1.0
    """T, in units of the score."""

    def check(self, where: str) -> None:
        """As `FloorOptions.check`."""
        super().check(where)
        require(self.temperature > 0, f"{where}.temperature", "above 0", self.temperature)


@dataclass(frozen=True)
class PlrOptions(RankOptions):
    """Prioritised level replay: by rank, mixed with staleness."""

    staleness: float = 0.3
    """ρ: share of P that goes by the rounds since the last visit."""

    def check(self, where: str) -> None:
        """As `FloorOptions.check`."""
        super().check(where)
        require(0 <= self.staleness <= 1, f"{where}.staleness", "from 0 to 1", self.staleness)


@dataclass(frozen=True)
class ThompsonOptions:
    """A draw from each prompt's Beta posterior, which forgets."""

    target: float = 0.5
    """The success rate to aim for; at 0.5 p(1 − p) is largest."""
    forgetting: float = 0.2
    """λ: share of the evidence that is forgotten each round since; the estimator's."""
    prior_successes: float = 1.0
    """α₀: successes believed in before any; the estimator's."""
    prior_failures: float = 1.0
    """β₀: failures believed in before any; the estimator's."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range.
        """
        for name in ("target", "forgetting"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"{where}.{name}", "from 0 to 1", value)
        for name in ("prior_successes", "prior_failures"):
            require(getattr(self, name) > 0, f"{where}.{name}", "above 0", getattr(self, name))


@dataclass(frozen=True)
class StratifiedOptions:
    """As many from each quantile of the scores."""

    strata: int = 4
    """Quantiles."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range.
        """
        require(self.strata >= 1, f"{where}.strata", "1 or more", self.strata)


@dataclass(frozen=True)
class CategoriesOptions:
    """Tasks by Boltzmann's rule, prompts of a task uniformly."""

    temperature: float = 1.0
    """τ, in units of the tasks' values."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range.
        """
        require(self.temperature > 0, f"{where}.temperature", "above 0", self.temperature)


UNSTRATIFIED: dict[str, Row] = {
    "proportional": Row(
        "creator.samplers.weighted:proportional", FloorOptions, "P ∝ score (eva's default)"
    ),
    "rank": Row("creator.samplers.weighted:rank", RankOptions, "P ∝ rank^(−1/β)"),
    "softmax": Row("creator.samplers.weighted:softmax", SoftmaxOptions, "P ∝ exp(score / T)"),
    "greedy": Row("creator.samplers.weighted:greedy", NoOptions, "the highest scores"),
    "thompson": Row(
        "creator.samplers.thompson:thompson",
        ThompsonOptions,
        "those whose drawn success rate is nearest to the target (BOTS)",
    ),
    "plr": Row(
        "creator.samplers.replay:plr",
        PlrOptions,
        "by rank, mixed with the rounds since the last visit (PLR)",
    ),
}
"""Samplers that look at all prompts alike."""


@dataclass(frozen=True)
class QuotasOptions:
    """A fixed share of the draws for each task."""

    of: Any = component("proportional", UNSTRATIFIED)
    """The sampler within a task."""
    shares: dict[str, float] = field(default_factory=dict)
    """Weights of tasks by name; a task that is not named weighs 1."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range.
        """
        for task, share in self.shares.items():
            require(share >= 0, f"{where}.shares.{task}", "0 or more", share)


SAMPLERS: Table = {
    **UNSTRATIFIED,
    "stratified": Row(
        "creator.samplers.strata:stratified",
        StratifiedOptions,
        "as many from each quantile of the scores, uniformly within",
    ),
    "quotas": Row(
        "creator.samplers.strata:quotas", QuotasOptions, "a share for each task, another within"
    ),
    "categories": Row(
        "creator.samplers.strata:categories",
        CategoriesOptions,
        "tasks by Boltzmann's rule on their values, prompts uniformly within (SEC)",
    ),
}
"""Every sampler."""
