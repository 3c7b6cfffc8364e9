"""What of the creator can be configured. Imports neither torch nor reasoning-gym."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from creator.bandits.table import CHOOSERS
from creator.estimators.table import ESTIMATORS
from creator.gates.table import GATES
from creator.operators.table import OPERATORS, REWRITING
from creator.pool.table import PoolOptions
from creator.replay import ReplayOptions
from creator.samplers.table import SAMPLERS
from creator.training import TRAINABLE, TrainingOptions
from selfplay.core.components import (
    Choice,
    component,
    components,
    model_place,
)
from selfplay.core.errors import ConfigError, require
from selfplay.core.models.table import MODELS
from selfplay.core.types import MOST_SAMPLES


@dataclass(frozen=True)
class CreatorConfig:
    """How each round is composed (eva: 25 % of N are parents, 80 % evolved, 20 % originals)."""

    batch: int = 64
    """Prompts in a round."""
    parents: float = 0.25
    """How many distinct parents are drawn, as a share of the batch."""
    evolved: float = 0.8
    """Share of the batch made of children; the rest are originals."""
    memory: int = 1
    """Parents come from the prompts estimated in this many last rounds (1: as eva does)."""
    fresh_samples: int = 0
    """Samples of the current policy to estimate from, in place of those it was trained on last.
    Costs generation, and takes away the optimism of choosing by the noise one has trained on."""
    attempts: int = 5
    """How often a child that was turned down is tried again with another operator."""
    estimator: Any = component("regret_gap", ESTIMATORS)
    """Not every one can be used in a run: some read repeated judgements, or several policies."""
    sampler: Any = component("proportional", SAMPLERS)
    """`thompson` draws by the outcomes that the estimator remembers, as `posterior` does."""
    operators: Any = components(("harder", "easier", "sideways", "fresh"), OPERATORS)
    """How a parent becomes a child; one of them is drawn for each child."""
    chooser: Any = component("fixed", CHOOSERS)
    """How an operator is chosen for a parent: by the weights alone, or by what each has brought."""
    rewriter: Any = component("policy", MODELS)
    """The model that the operators that rewrite ask."""
    training: TrainingOptions = field(default_factory=TrainingOptions)
    """Whether that model learns, from what its children are worth."""
    gates: Any = components(("duplicate", "length"), GATES)
    """What a child must pass, in this order, besides not being held out, which is no choice. Those
    that have children answered come last, since answers cost. What `repeat` asks again is not asked
    of them: it was admitted before."""
    embedder: str = model_place("packaged", ("packaged",))
    """The sentence-transformers model of gates that compare meanings: a directory, a hub name, or
    `packaged` (MiniLM)."""
    pool: PoolOptions = field(default_factory=PoolOptions)
    """Which of the prompts that were asked stay available as parents."""
    replay: ReplayOptions = field(default_factory=ReplayOptions)
    """Robust PLR: learn from replays alone."""
    warm_up: int = 0
    """Rounds of originals alone, before anything is evolved."""
    bootstrap: int | None = None
    """Round from which children alone are asked, as far as enough are admitted; null: never."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a share outside its range, an empty batch, operators that cannot be drawn.
        """
        lowest = {"batch": 1, "memory": 1, "attempts": 1, "fresh_samples": 0, "warm_up": 0}
        for name, low in lowest.items():
            if getattr(self, name) < low:
                raise ConfigError(f"{where}.{name} is at least {low}, found {getattr(self, name)}")
        limit, fresh = f"at most {MOST_SAMPLES:,}", self.fresh_samples
        require(fresh <= MOST_SAMPLES, f"{where}.fresh_samples", limit, fresh)
        if not 0.0 <= self.evolved <= 1.0:
            raise ConfigError(f"{where}.evolved is a share from 0 to 1, found {self.evolved}")
        if not 0.0 < self.parents <= 1.0:
            raise ConfigError(f"{where}.parents is a share above 0 and up to 1: {self.parents}")
        weights = [weight_of(operator) for operator in self.operators]
        if self.evolved > 0 and (min(weights, default=0) < 0 or sum(weights) <= 0):
            raise ConfigError(
                f"{where}.operators: children are asked for (evolved={self.evolved}), so at least "
                "one operator needs a weight above 0 and none may have one below"
            )
        require(
            self.bootstrap is None or self.bootstrap > self.warm_up,
            f"{where}.bootstrap",
            f"a round after the warm-up ({self.warm_up}), or null",
            self.bootstrap,
        )
        self._check_replay(where)
        self._check_outcomes(where)
        self._check_training(where)

    def _check_replay(self, where: str) -> None:
        """Raises ConfigError where robust PLR could never replay, and so would never learn."""
        capacity = self.pool.capacity
        most = self.memory * self.batch
        most = most if capacity is None else min(most, capacity + self.batch)
        if self.replay.enabled and self.replay.warm > most:
            raise ConfigError(
                f"{where}.replay.warm: expected at most {most}, since no more prompts can be drawn "
                f"from with memory={self.memory}, batch={self.batch} and pool.capacity="
                f"{'null' if capacity is None else capacity}, found {self.replay.warm}: nothing "
                "would ever be replayed or learned. Lower it, or remember more"
            )

    def _check_outcomes(self, where: str) -> None:
        """Raises ConfigError where `thompson` would draw from nothing but its prior."""
        samplers, remembered = named(self.sampler), named(self.estimator)
        # What an estimator of the user's own remembers cannot be told from its name.
        own = any(":" in name for name in remembered)
        if "thompson" in samplers and "posterior" not in remembered and not own:
            raise ConfigError(
                f"{where}.sampler: 'thompson' draws by the outcomes that the estimator remembers; "
                f"expected {where}.estimator=posterior, found '{self.estimator.name}', which "
                "remembers none"
            )

    def _check_training(self, where: str) -> None:
        """Raises ConfigError where training is asked for and nobody is there to be trained."""
        if not self.training.enabled:
            return
        if self.rewriter.name not in TRAINABLE:
            raise ConfigError(
                f"{where}.training: expected a rewriter whose weights are here to be trained "
                f"({' or '.join(TRAINABLE)}), found '{self.rewriter.name}', whose weights another "
                f"program holds. Choose one of those, or set {where}.training.enabled=false"
            )
        known = OPERATORS.keys() - REWRITING.keys()
        if all(operator.name in known for operator in self.operators):
            raise ConfigError(
                f"{where}.training: expected an operator that asks the rewriter, such as deepen or "
                f"rarer, found {', '.join(operator.name for operator in self.operators)}. Add one "
                f"to {where}.operators, or set {where}.training.enabled=false"
            )

    @property
    def compares_meanings(self) -> bool:
        """Does a gate need the embedder, whether or not it is installed?"""
        return any((getattr(gate.options, "cosine", 0.0) or 0.0) > 0.0 for gate in self.gates)

    @property
    def trains_policy(self) -> bool:
        """Does the solver's network learn to write prompts as well?"""
        return self.training.enabled and bool(self.rewriter.name == "policy")

    @property
    def trains_own(self) -> bool:
        """Does a network of the rewriter's own learn?"""
        return self.training.enabled and bool(self.rewriter.name == "transformers")


def named(choice: Choice) -> tuple[str, ...]:
    """The component's name, that of the one that it modifies, and so on."""
    inner = getattr(choice.options, "of", None)
    return (choice.name, *(named(inner) if isinstance(inner, Choice) else ()))


def weight_of(operator: Choice) -> float:
    """How often an operator is chosen, relative to the others; 1 where it has no such option."""
    return float(getattr(operator.options, "weight", 1.0))
