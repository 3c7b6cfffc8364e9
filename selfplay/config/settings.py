"""The root of the configuration: what a run is made of. Each role owns its own part.

Also told: which models that it names cost money that nobody could count.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from creator.config import CreatorConfig
from meta.config import Constraint, MetaConfig, check_labels
from meta.judges.table import JUDGES
from selfplay.config.win_rates import JudgedConfig
from selfplay.core.components import Choice, Row, Table, component, components
from selfplay.core.errors import ConfigError, require
from selfplay.core.models.endpoint_options import EndpointOptions
from selfplay.core.tasks import Match
from selfplay.core.types import MOST_SAMPLES
from selfplay.data.prompts import PromptFileOptions
from selfplay.data.puzzles import PuzzleOptions
from selfplay.data.split import SplitOptions
from selfplay.stopping.table import STOPS
from selfplay.tracking.table import TRACKERS
from solver.config import LoraConfig, PolicyConfig, SolverConfig, check_together
from solver.objectives.needs import needs_of
from solver.objectives.table import OBJECTIVES

MOST_TOKENS = 2**33
"""Of a round's training responses: with their log-probabilities 64 GiB, a slip beyond."""

PROMPTS: Table = {
    "puzzles": Row(
        "selfplay.data.sources:from_puzzles", PuzzleOptions, "items of reasoning-gym generators"
    ),
    "file": Row(
        "selfplay.data.sources:from_file",
        PromptFileOptions,
        "a JSONL, Parquet or CSV file, or a datasets directory",
    ),
}


HELDOUT: Table = {
    **PROMPTS,
    "split": Row(
        "selfplay.data.sources:from_split", SplitOptions, "a share of the prompts, not trained on"
    ),
}


@dataclass(frozen=True)
class EvaluationConfig:
    """Held-out accuracy by the verifier, on prompts that are never trained on."""

    every: int = 10
    """Rounds between evaluations; the first and the last policy are always evaluated."""
    source: Any = component("split", HELDOUT, shorthand=("file", "path"))
    """Where the held-out prompts come from; a path means `{name: file, path: …}`."""
    samples: int = 4
    """Responses per prompt for the sampled accuracy (temperature 1)."""
    temperatures: tuple[float, ...] = (0.3, 0.6)
    """Further temperatures, tried on the first and the last policy only."""
    judged: JudgedConfig = field(default_factory=JudgedConfig)
    """A win rate against a reference's answers, besides."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: no samples, no interval, or a negative temperature.
        """
        if self.every < 1 or self.samples < 1:
            raise ConfigError(f"{where}: `every` and `samples` are at least 1")
        most = f"at most {MOST_SAMPLES:,}"
        require(self.samples <= MOST_SAMPLES, f"{where}.samples", most, self.samples)
        if any(temperature <= 0 for temperature in self.temperatures):
            raise ConfigError(f"{where}.temperatures: each is above 0 (greedy is always tried)")


@dataclass(frozen=True)
class SaveConfig:
    """Which policy versions are written to disk, and which stay there."""

    every: int = 1
    """Rounds between saved versions; those between are learned again after a crash."""
    keep_last: int = 2
    """The newest saved versions, so many, stay on disk."""
    keep_every: int | None = None
    """Versions that are a multiple of this are kept for good, besides the first."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: an interval or a count below 1.
        """
        if self.every < 1 or self.keep_last < 1 or (self.keep_every or 1) < 1:
            raise ConfigError(f"{where}: `every`, `keep_last` and `keep_every` are at least 1")


@dataclass(frozen=True)
class TaskConfig:
    """Prompts that are asked, judged or learned from otherwise than the rest of the run."""

    name: str
    """For metrics and for classifiers that return names."""
    match: Match
    """Which prompts; the first task of the list that takes a prompt has it."""
    samples: int | None = None
    """Training responses to each prompt; `solver.sampling.n` when null."""
    judge: Choice | None = field(default=None, metadata={"table": JUDGES})
    """What gives the reward; `meta.judge` when null."""
    constraints: tuple[Constraint, ...] | None = field(
        default=None, metadata={"shorthand": "judge"}
    )
    """Judges that a response has to pass; `meta.constraints` when null, `[]` for none."""
    objective: Choice | None = field(default=None, metadata={"table": OBJECTIVES})
    """Its bound on the KL is one of its options; `solver.objective` when null."""
    weight: float = 1.0
    """Of the task's gradient beside the others'."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: no name, no samples, a weight that is not positive, or constraints that
                could not be told apart.
        """
        require(bool(self.name), f"{where}.name", "a name", "none")
        few = self.samples is not None and self.samples < 1
        require(not few, f"{where}.samples", "null, or 1 or more", self.samples)
        require(0 < self.weight < math.inf, f"{where}.weight", "above 0", self.weight)
        check_labels(self.constraints or (), f"{where}.constraints")


@dataclass(frozen=True)
class CoachingConfig(SolverConfig):
    """How a rewriter's own network learns.

    `sampling` says at which temperature replies are scored; how they are written is said by the
    operators.
    """

    lora: LoraConfig = field(default_factory=LoraConfig)
    """Adapters on the rewriter's network in place of its whole weights."""

    def check(self, where: str) -> None:
        """Refuses what a rewriter cannot have.

        Raises:
            ConfigError: as the solver's; further or baseline responses, or recorded
                log-probabilities, none of which a rewriter's requests have; or an objective that
                adapters do not go with.
        """
        super().check(where)
        whole = self.lora.enabled and "whole weights" in needs_of(self)
        expected = f"false, since '{self.objective.name}' learns whole weights"
        require(not whole, f"{where}.lora.enabled", expected, "true")
        require(self.refill == 0, f"{where}.refill", "0, for requests have none", self.refill)
        none = self.baseline is None
        require(none, f"{where}.baseline", "null, for requests have none", self.baseline)
        check_reference(self, where)


@dataclass(frozen=True)
class RunConfig:
    """A run."""

    seed: int = 0
    """All randomness derives from it."""
    rounds: int = 60
    """How many; a run that has ended goes on when this is raised."""
    token_budget: int | None = None
    """The run ends after the round in which its generated tokens, evaluation aside, reach this."""
    hour_budget: float | None = None
    """The same for the hours that its processes have taken, one after the other."""
    money_budget: float | None = None
    """The same for the money that models behind servers took, in the currency of their prices."""
    stop: Any = components((), STOPS)
    """What else ends the run before its last round."""
    report_to: Any = components((), TRACKERS)
    """Where metrics go besides the ledger, by transformers' names; needs the extra `track`."""
    chunk: int = 64
    """Prompts that are answered, judged and committed at once."""
    model: PolicyConfig = field(default_factory=PolicyConfig, metadata={"shorthand": "path"})
    """The policy that learns: a model directory or name."""
    spaces: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """Difficulty attributes of each `reasoning-gym` generator, their levels from easy to hard."""
    prompts: Any = component("puzzles", PROMPTS, shorthand=("file", "path"))
    """The original prompts; a path means `{name: file, path: …}`."""
    recorded: str | None = None
    """Recorded groups (JSONL) whose rewards warm-start the first round's estimates."""
    max_missing: float = 0.5
    """The run pauses when more than this share of a round's verdicts is missing."""
    max_rejected: float = 1.0
    """The run pauses when more than this share of a round's attempts at children is turned down;
    1: never. A round without any child is an alarm in any case."""
    creator: CreatorConfig = field(default_factory=CreatorConfig)
    """How each round's prompts are composed."""
    coaching: CoachingConfig = field(default_factory=CoachingConfig)
    """How the rewriter learns where `creator.training` is on and its network is not the solver's
    (`creator.rewriter=transformers`)."""
    solver: SolverConfig = field(default_factory=SolverConfig)
    """How the policy answers and how it learns."""
    meta: MetaConfig = field(default_factory=MetaConfig)
    """What scores the responses, what watches them, and how the rubric changes."""
    tasks: tuple[TaskConfig, ...] = ()
    """Kinds of prompts with samples, judges or an objective of their own (multi-task CGPO); prompts
    that none of them takes have those of `solver` and `meta`."""
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    """Held-out accuracy, and win rates."""
    save: SaveConfig = field(default_factory=SaveConfig)
    """Which policy versions are kept."""

    def check(self, where: str) -> None:
        """Refuses impossible combinations.

        Raises:
            ConfigError: negative counts, a group objective with a single response, an objective
                that the policy's adapters do not go with, or a budget that could not be kept.
        """
        check_together(self.model, self.solver)
        if self.creator.trains_policy:
            check_reference(self.solver, "solver")
        if self.creator.trains_own:
            check_together(self.rewriter_policy, self.coaching)
        if self.creator.replay.enabled:
            found = f"solver.refill={self.solver.refill}, creator.training.enabled="
            found += str(self.creator.training.enabled).lower()
            alone = not self.solver.refill and not self.creator.training.enabled
            expected = "no refills and no rewriter that learns, which learn from new prompts"
            require(alone, "creator.replay.enabled", expected, found)
        require(self.rounds >= 0, "rounds", "0 or more", self.rounds)
        require(self.chunk >= 1, "chunk", "1 or more", self.chunk)
        require(0 <= self.max_missing <= 1, "max_missing", "a share", self.max_missing)
        require(0 <= self.max_rejected <= 1, "max_rejected", "a share", self.max_rejected)
        self._check_stops()
        self._check_round()

    def _check_round(self) -> None:
        """Raises ConfigError for prompts with too few or too many responses, or too many tokens."""
        common, objective = self.solver.sampling, self.solver.objective
        counts = {"solver.sampling.n": (common.n, objective)}
        for i, task in enumerate(self.tasks):
            samples = common.n if task.samples is None else task.samples
            counts[f"tasks.{i}.samples"] = samples, task.objective or objective
        for where, (n, learned) in counts.items():
            _check_samples(where, n, learned)
        most = max(n for n, _ in counts.values())
        tokens = self.creator.batch * most * common.max_new_tokens
        require(
            tokens <= MOST_TOKENS,
            "creator.batch",
            f"at most {MOST_TOKENS:,} tokens a round, of which each is kept (creator.batch · "
            "solver.sampling.n · solver.sampling.max_new_tokens; lower one of them, and play more "
            "rounds)",
            f"{self.creator.batch} · {most} · {common.max_new_tokens} = {tokens:,}",
        )

    def _check_stops(self) -> None:
        """Raises ConfigError for a budget or a stop condition that could not be kept."""
        budget = self.token_budget
        require(budget is None or budget >= 1, "token_budget", "null, or 1 or more", budget)
        for name in ("hour_budget", "money_budget"):
            found = getattr(self, name)
            require(found is None or found > 0, name, "null, or above 0", found)
        names = [choice.name for choice in self.stop]
        require(len(set(names)) == len(names), "stop", "each condition once", ", ".join(names))
        watched = self.meta.monitors.enabled or "alarm" not in names
        require(watched, "stop", "meta.monitors.enabled=true beside 'alarm'", "no monitors")
        seen = {choice.name for choice in self.meta.monitors.watch}
        for i, choice in enumerate(self.stop):
            if choice.name == "alarm":
                unseen = [name for name in choice.options.monitors if name not in seen]
                expected = f"monitors that meta.monitors.watch has ({', '.join(sorted(seen))})"
                require(not unseen, f"stop.{i}.monitors", expected, ", ".join(unseen))
        if self.money_budget is not None:
            free = sorted(unpriced(self))
            expected = "price_in and price_out of every model behind a server"
            require(not free, "money_budget", expected, f"none for {', '.join(free)}")

    @property
    def rewriter_policy(self) -> PolicyConfig:
        """The rewriter's own network, as one that learns; another rewriter has none."""
        own = self.creator.rewriter.options if self.creator.trains_own else PolicyConfig()
        return PolicyConfig(own.path, own.dtype, own.device, lora=self.coaching.lora)


def check_reference(learner: SolverConfig, where: str) -> None:
    """Raises ConfigError if a rewriter's replies would have to say what they were recorded with."""
    require(
        learner.reference != "precomputed",
        f"{where}.reference",
        "another one where the rewriter learns, since its replies are scored anew",
        "precomputed",
    )


def _check_samples(where: str, n: int, objective: Choice) -> None:
    """Raises ConfigError if there are too many, or one, and the objective compares responses."""
    require(n <= MOST_SAMPLES, where, f"at most {MOST_SAMPLES:,}", n)
    if n < 2 and {"pairs", "groups"} & needs_of(objective):
        raise ConfigError(
            f"{where}: {objective.name} compares the responses of a group, so it needs at least 2 "
            f"of them, found {n}"
        )


GROWING = frozenset(
    {
        *("rounds", "token_budget", "hour_budget", "money_budget", "stop", "report_to"),
        *("max_missing", "max_rejected"),
    }
)
"""Top-level keys that may change when a run goes on; any other change would mix experiments."""


def unpriced(config: Any, where: str = "") -> Iterator[str]:
    """Dotted keys of the models behind servers that the configuration names without prices."""
    if isinstance(config, EndpointOptions) and None in (config.price_in, config.price_out):
        yield where
    elif isinstance(config, Choice):
        yield from unpriced(config.options, where)
    elif isinstance(config, tuple | list):
        for i, item in enumerate(config):
            yield from unpriced(item, f"{where}.{i}")
    elif is_dataclass(config):
        for part in fields(config):
            key = f"{where}.{part.name}" if where else part.name
            yield from unpriced(getattr(config, part.name), key)
