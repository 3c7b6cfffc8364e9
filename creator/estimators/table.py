"""The estimators of informativeness: their options and rows. Free of NumPy and torch.

A factory takes its options and gives an `Estimator` (`creator.estimators.evidence`). Those that
modify another one (`mixed_outcomes`, `per_token`, `split_halves`) name it in `of`, and nest in
that order. Defaults are the papers', where they name one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from selfplay.core.components import NoOptions, Row, Table, component
from selfplay.core.errors import nearest, require

READINGS = ("learnability", "success", "thompson")
"""What a posterior of the success rate p is read as."""


@dataclass(frozen=True)
class SizeOptions:
    """A spread that is comparable between groups of different sizes."""

    size: int | None = None
    """Responses: the value expected of so many, drawn from those there are without replacement.
    Null: of all there are, as eva does, although spreads grow with their number."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range.
        """
        fits = self.size is None or self.size >= 2
        require(fits, f"{where}.size", "2 or more, or null for all", self.size)


@dataclass(frozen=True)
class MeanOptions:
    """The mean reward as a value."""

    origin: float = 0.0
    """The reward that is worth nothing, as a share of the judge's scale."""


@dataclass(frozen=True)
class InverseOptions:
    """An inverse that stays finite."""

    floor: float = 0.01
    """As a share of the judge's scale: what is smaller counts as this."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range.
        """
        require(self.floor > 0, f"{where}.floor", "above 0", self.floor)


@dataclass(frozen=True)
class InverseMeanOptions(InverseOptions):
    """As `InverseOptions`."""

    origin: float = 0.0
    """The reward that is worth nothing, as a share of the judge's scale."""


@dataclass(frozen=True)
class SuccessOptions:
    """When a response succeeds."""

    threshold: float = 0.5
    """The lowest reward of a success, as a share of the judge's scale: 0.5 is halfway up."""


@dataclass(frozen=True)
class PosteriorOptions(SuccessOptions):
    """A Beta posterior of each prompt's success rate, which forgets."""

    forgetting: float = 0.2
    """λ: share of the evidence that is forgotten each round."""
    prior_successes: float = 1.0
    """α₀: successes believed in before any."""
    prior_failures: float = 1.0
    """β₀: failures believed in before any."""
    reading: str = "learnability"
    """`learnability`: E[p(1 − p)]; `success`: E[p]; `thompson`: q(1 − q) with q drawn from it."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range, or an unknown word.
        """
        require(0 <= self.forgetting <= 1, f"{where}.forgetting", "from 0 to 1", self.forgetting)
        for name in ("prior_successes", "prior_failures"):
            require(getattr(self, name) > 0, f"{where}.{name}", "above 0", getattr(self, name))
        hint = f"'{self.reading}'; {nearest(self.reading, READINGS)}"
        require(self.reading in READINGS, f"{where}.reading", " or ".join(READINGS), hint)


@dataclass(frozen=True)
class BanditOptions:
    """A bandit whose arms are the tasks."""

    rate: float = 0.5
    """α: weight of the newest reward of an arm."""
    scaled: bool = True
    """Advantages are divided by their group's standard deviation, as in GRPO."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range.
        """
        require(0 < self.rate <= 1, f"{where}.rate", "above 0 and up to 1", self.rate)


METRICS: dict[str, Row] = {
    "uniform": Row(
        "creator.estimators.spread:uniform", NoOptions, "1 for every prompt: selects nothing"
    ),
    "variance": Row("creator.estimators.spread:variance", NoOptions, "variance of the rewards"),
    "mean": Row("creator.estimators.spread:mean", MeanOptions, "mean reward"),
    "inverse_mean": Row(
        "creator.estimators.spread:inverse_mean", InverseMeanOptions, "1 / mean reward"
    ),
    "inverse_gap": Row(
        "creator.estimators.spread:inverse_gap", InverseOptions, "1 / (max − min of the rewards)"
    ),
    "advantage_mean": Row(
        "creator.estimators.spread:advantage_mean", SizeOptions, "max − mean of the rewards"
    ),
    "advantage_dueling": Row(
        "creator.estimators.spread:advantage_dueling", SizeOptions, "max − second max"
    ),
    "regret_gap": Row(
        "creator.estimators.spread:regret_gap",
        SizeOptions,
        "max − min of the group's rewards (eva's default)",
    ),
    "learnability": Row(
        "creator.estimators.learnability:learnability",
        SuccessOptions,
        "p(1 − p) of the success rate, unbiased (SFL)",
    ),
    "value_loss": Row(
        "creator.estimators.replay:value_loss", NoOptions, "mean |advantage| (PLR's default)"
    ),
    "positive_value_loss": Row(
        "creator.estimators.replay:positive_value_loss",
        NoOptions,
        "mean of the positive part of the advantage (robust PLR)",
    ),
    "max_mc": Row(
        "creator.estimators.replay:max_mc", NoOptions, "best reward ever − mean reward (MaxMC)"
    ),
    "policy_entropy": Row(
        "creator.estimators.replay:policy_entropy",
        NoOptions,
        "entropy of the policy per token, from the samples' log-probabilities (PLR)",
    ),
    "posterior": Row(
        "creator.estimators.posterior:posterior",
        PosteriorOptions,
        "a Beta posterior of the success rate that forgets (BOTS)",
    ),
    "category_bandit": Row(
        "creator.estimators.bandit:category_bandit",
        BanditOptions,
        "the running mean |advantage| of the prompt's task (SEC)",
    ),
    "corrected_variance": Row(
        "creator.estimators.noise:corrected_variance",
        NoOptions,
        "variance of the rewards less the judge's own, from repeated judgements",
    ),
    "corrected_gap": Row(
        "creator.estimators.noise:corrected_gap",
        NoOptions,
        "max − min, chosen by one half of the judgements and valued by the other",
    ),
    "judge_disagreement": Row(
        "creator.estimators.disagreement:judge_disagreement",
        NoOptions,
        "variance between judges of one response",
    ),
    "policy_disagreement": Row(
        "creator.estimators.disagreement:policy_disagreement",
        NoOptions,
        "variance between policies of the expected reward, sampling noise taken off; for recorded "
        "answers of several policies, which no run has to one prompt",
    ),
}
"""Estimators that stand alone."""


@dataclass(frozen=True)
class MixedOptions(SuccessOptions):
    """As `SuccessOptions`."""

    of: Any = component("uniform", METRICS)
    """What prompts with mixed outcomes are worth; with `uniform` it is DAPO's filter."""


OUTCOMES: dict[str, Row] = {
    **METRICS,
    "mixed_outcomes": Row(
        "creator.estimators.learnability:mixed_outcomes",
        MixedOptions,
        "another metric, 0 where all responses succeed or all fail (DAPO's filter)",
    ),
}


@dataclass(frozen=True)
class CostOptions:
    """Information per generated token."""

    of: Any = component("learnability", OUTCOMES)
    """The information."""
    power: float = 1.0
    """How much cost counts: 0 not at all, 1 in full."""
    overhead: float = 0.0
    """Tokens' worth of fixed cost for each response."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range.
        """
        for name in ("power", "overhead"):
            require(getattr(self, name) >= 0, f"{where}.{name}", "0 or more", getattr(self, name))


COSTED: dict[str, Row] = {
    **OUTCOMES,
    "per_token": Row(
        "creator.estimators.cost:per_token", CostOptions, "another metric per generated token"
    ),
}


@dataclass(frozen=True)
class HalvesOptions:
    """Choosing by one half of the responses, valuing by the other."""

    of: Any = component("learnability", COSTED)
    """The metric taken of either half."""


ESTIMATORS: Table = {
    **COSTED,
    "split_halves": Row(
        "creator.estimators.halves:split_halves",
        HalvesOptions,
        "another metric of half the responses; the other half values it without the winner's curse",
    ),
}
"""Every estimator."""


@dataclass(frozen=True)
class TrustOptions:
    """How the trust in an estimate fades."""

    rounds: float | None = None
    """Half-life in rounds; null: age in rounds does not matter."""
    versions: float | None = None
    """Half-life in policy versions; null: the policy's progress does not matter."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range.
        """
        for name in ("rounds", "versions"):
            life = getattr(self, name)
            require(life is None or life > 0, f"{where}.{name}", "above 0, or null", life)
