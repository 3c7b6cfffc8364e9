"""One turn of the creator: estimate → sample → evolve → admit → mix (eva, algorithm 1).

From what the last round's groups scored, informative parents are drawn and evolved into children;
those that pass every gate make up most of the next round, and originals fill it up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from creator.bandits import yields
from creator.bandits.chooser import Arms, Chooser, arms_of
from creator.bandits.yields import Cohorts, Judged, Yields, operator_metrics
from creator.config import CreatorConfig, weight_of
from creator.context import CreatorContext, RoundServices
from creator.difficulty import mean_difficulty
from creator.gates.admission import Gate, Heldout, admit
from creator.operators.puzzles import Child, Operator
from creator.pool import memory
from creator.pool.archive import LazyPrompts
from creator.pool.measured import Measured
from creator.pool.memory import Eligible, History, Memory
from creator.pool.pool import numbers
from creator.samplers.candidates import Sampler
from creator.samplers.replay import replays
from creator.scales import on_one_scale
from creator.turned_down import why_barren
from selfplay.core.seeding import Seed
from selfplay.core.types import Composition, Group, Now, Prompt, Rejection

REPLAYED = "replayed"
"""The metric that counts the prompts of a round that come from the pool as they are."""


@dataclass(frozen=True)
class NamedOperator:
    """An operator with its name and its share of the draws."""

    name: str
    weight: float
    operator: Operator


@dataclass(frozen=True)
class Drawn:
    """New prompts, and how they came about."""

    children: Mapping[str, Prompt]
    """By id."""
    originals: Sequence[Prompt]
    parents: Sequence[Prompt]
    rejections: Sequence[Rejection]
    replayed: Sequence[Prompt] = ()
    """Prompts of the pool that are asked again; there is nothing else then."""

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """Children first."""
        return (*self.children.values(), *self.originals, *self.replayed)

    @property
    def metrics(self) -> dict[str, float]:
        """How many of each."""
        return {
            "evolved": float(len(self.children)),
            "originals": float(len(self.originals)),
            "rejected": float(len(self.rejections)),
            "parents": float(len(self.parents)),
            REPLAYED: float(len(self.replayed)),
        }


@dataclass(frozen=True)
class Birth:
    """What one operator made of one parent: a child, or the reason why there is none."""

    operator: str
    parent: Prompt
    child: Prompt | None
    reason: str = ""
    """Why there is no child; empty where there is one."""
    again: bool = False
    """Whether the operator gave back the parent itself, which was admitted long ago."""


class Past(memory.PoolHistory, yields.OperatorHistory, Protocol):
    """What is asked of the run's ledger."""


class Creator:
    """Composes the prompts of a round."""

    def __init__(
        self,
        config: CreatorConfig,
        archive: Past,
        surroundings: CreatorContext,
        history: History,
        judged: Judged,
        seed: Seed,
    ) -> None:
        """Takes its collaborators.

        Args:
            config: what was configured.
            archive: the run's ledger.
            surroundings: what operators and gates are told.
            history: the judged groups that an earlier round was composed from.
            judged: the judged groups of an earlier round.
            seed: of the run.

        Raises:
            ConfigError: the estimator reads what groups do not hold, or a gate cannot be built.
            DataError: a gate's file cannot be read.
        """
        self._config = config
        self._surroundings = surroundings
        self._memory = Memory(
            config,
            archive,
            lambda t: self.scaled(history(t)),
            seed,
            config.pool,
            surroundings.directory,
        )
        self._yields = Yields(archive, lambda t: self.scaled(judged(t)))
        self._choose: Chooser = config.chooser.build()
        self._sample: Sampler = config.sampler.build()
        self._operators = [
            NamedOperator(choice.name, weight_of(choice), choice.build(surroundings))
            for choice in config.operators
        ]
        chosen: list[Gate] = [choice.build(surroundings) for choice in config.gates]
        self._gates = [Heldout(surroundings), *chosen]

    def scaled(self, groups: Sequence[Group]) -> list[Group]:
        """The groups with their rewards on the one scale that the creator counts in."""
        return on_one_scale(groups, self._surroundings.scales)

    def compose(
        self,
        now: Now,
        previous: Sequence[Group],
        originals: LazyPrompts,
        turn: RoundServices,
        seed: Seed,
    ) -> Composition:
        """The next round's prompts, from the last round's judged groups and the originals.

        Without candidates (the first round), or without children that pass, originals take their
        place. The result is a function of the arguments, the archive and the history.
        """
        self._surroundings.begin(turn)
        if self._config.fresh_samples and previous:
            asked = [group.prompt for group in previous]
            previous = turn.estimate(asked, self._config.fresh_samples)
        measured = self._memory.measure(now.round, self.scaled(previous))
        eligible = self._memory.eligible(now, measured)
        replay, size = self._config.replay, self._config.batch
        if replay.enabled and replays(len(eligible), replay, seed.at("replay").numpy()):
            drawn = self._replayed(eligible, size, seed.at("parents"))
        else:
            drawn = self._draw(eligible, originals, size, now, seed)
        metrics = drawn.metrics | mean_difficulty(drawn.prompts, self._surroundings.spaces)
        if cohorts := self._cohorts(now):
            tried = (drawn.prompts, drawn.rejections)
            metrics |= operator_metrics(now.round, *tried, cohorts)
        estimates = tuple(self._memory.estimates(measured))
        barren = "" if drawn.replayed else self._barren(now, len(eligible), measured, drawn)
        return Composition(drawn.prompts, estimates, tuple(drawn.rejections), metrics, barren)

    def refill(
        self,
        now: Now,
        groups: Sequence[Group],
        originals: LazyPrompts,
        count: int,
        turn: RoundServices,
        seed: Seed,
    ) -> Drawn:
        """Up to `count` further prompts for a round in which `groups` were asked and judged.

        They come about as those of `compose` do, and the round's own groups are among those that
        parents are drawn from. None of them was asked in this round.
        """
        self._surroundings.begin(turn)
        measured = self._memory.measure_within(now.round, self.scaled(groups), seed.at("estimate"))
        eligible = self._memory.eligible(now, measured)
        asked = frozenset(group.prompt.id for group in groups)
        return self._draw(eligible, originals, count, now, seed, asked)

    def _barren(self, now: Now, eligible: int, measured: Sequence[Measured], drawn: Drawn) -> str:
        """Why there is no child where there was to be one; empty where all is well."""
        known = max(len(self._memory.pool), sum(len(part.rows) for part in measured))
        if drawn.children or not known or not self._share(now.round):
            return ""
        return why_barren(eligible, known, drawn.rejections)

    def _replayed(self, eligible: Eligible, count: int, seed: Seed) -> Drawn:
        """Up to `count` prompts of the pool itself, drawn by their values."""
        places = self._sample(eligible.columns, count, seed.numpy())
        return Drawn({}, [], [], [], replayed=eligible.prompts.read(places))

    def _draw(
        self,
        eligible: Eligible,
        originals: LazyPrompts,
        count: int,
        now: Now,
        seed: Seed,
        asked: frozenset[str] = frozenset(),
    ) -> Drawn:
        """Up to `count` prompts that are not among those asked, children first."""
        wanted = round(self._share(now.round) * count) if eligible else 0
        parents = self._parents(eligible, count, seed.at("parents")) if wanted else []
        children, rejections = self._evolve(parents, wanted, now, seed.at("evolve"), asked)
        taken = asked | children.keys()
        rest = self._fill(originals, count - len(children), taken, seed.at("originals"))
        return Drawn(children, rest, parents, rejections)

    def _share(self, t: int) -> float:
        """Share of round t that is made of children."""
        bootstrap = self._config.bootstrap
        if t <= self._config.warm_up:
            return 0.0
        return self._config.evolved if bootstrap is None or t < bootstrap else 1.0

    def _parents(self, eligible: Eligible, size: int, seed: Seed) -> list[Prompt]:
        """Distinct parents for a round of `size`, drawn by their values."""
        count = max(1, round(self._config.parents * size))
        return eligible.prompts.read(self._sample(eligible.columns, count, seed.numpy()))

    def _evolve(
        self, parents: Sequence[Prompt], wanted: int, now: Now, seed: Seed, asked: frozenset[str]
    ) -> tuple[dict[str, Prompt], list[Rejection]]:
        """Up to `wanted` admitted children by id, the parents taking turns, and the rejections."""
        self._surroundings.parents = parents
        arms = self._arms(now)
        children: dict[str, Prompt] = {}
        rejections: list[Rejection] = []
        for attempt in range(self._config.attempts if parents else 0):
            missing = wanted - len(children)
            turns = [parents[(len(children) + i) % len(parents)] for i in range(missing)]
            for birth in self._gated(self._offspring(turns, arms, now, seed.at(attempt))):
                child, reason = birth.child, birth.reason
                if child is not None and (child.id in children or child.id in asked):
                    child, reason = None, "duplicate"
                if child is None:
                    rejections.append(Rejection(birth.operator, birth.parent.id, reason))
                else:
                    children[child.id] = child
                    if child.id != birth.parent.id:
                        self._surroundings.archive.note(child)
        return children, rejections

    def _arms(self, now: Now) -> Arms:
        """The operators, with what they brought."""
        names = [named.name for named in self._operators]
        weights = [named.weight for named in self._operators]
        return arms_of(names, weights, self._cohorts(now))

    def _offspring(
        self, parents: Sequence[Prompt], arms: Arms, now: Now, seed: Seed
    ) -> list[Birth]:
        """One attempt at a child for each parent, in their order."""
        picks = self._choose(arms, len(parents), seed.at("operators").numpy())
        births: list[Birth | None] = [None] * len(parents)
        for k, named in enumerate(self._operators):
            turns = [i for i, pick in enumerate(picks) if pick == k]
            children = named.operator.evolve([parents[i] for i in turns], seed.at(named.name))
            for i, child in zip(turns, children, strict=True):
                births[i] = born(named.name, parents[i], child, now)
        return [birth for birth in births if birth is not None]

    def _cohorts(self, now: Now) -> Cohorts:
        """What the operators have brought in the rounds before, where the choice rests on it.

        A run that goes on has to read all its groups again for that.
        """
        fixed = self._config.chooser.name == "fixed"
        return Cohorts() if fixed else self._yields.until(now.round - 1)

    def _gated(self, births: Sequence[Birth]) -> list[Birth]:
        """The births, a child that a gate turns down replaced by the reason."""
        children = [b.child for b in births if b.child is not None and not b.again]
        reasons = iter(admit(children, self._gates))
        verdicts = ["" if b.child is None or b.again else next(reasons) for b in births]
        return [
            replace(birth, child=None, reason=reason) if reason else birth
            for birth, reason in zip(births, verdicts, strict=True)
        ]

    def _fill(
        self, originals: LazyPrompts, count: int, taken: frozenset[str], seed: Seed
    ) -> list[Prompt]:
        """Up to `count` originals that are not taken, drawn uniformly without replacement."""
        others = np.flatnonzero(~np.isin(originals.ids[originals.rows], numbers(sorted(taken))))
        count = min(count, len(others))
        if count == 0:
            return []
        return originals.read(others[seed.numpy().choice(len(others), size=count, replace=False)])


def born(operator: str, parent: Prompt, child: Child, now: Now) -> Birth:
    """The child with its full lineage, or the reason; a repeated parent stays itself."""
    if isinstance(child, str):
        return Birth(operator, parent, None, child)
    if child.id == parent.id:
        return Birth(operator, parent, parent, again=child is parent)
    lineage = replace(
        child.lineage,
        operator=operator,
        round=now.round,
        policy_version=now.policy_version,
        fingerprint=now.fingerprint,
    )
    return Birth(operator, parent, replace(child, lineage=lineage))
