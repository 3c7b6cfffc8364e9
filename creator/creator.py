"""One turn of the creator: estimate → sample → evolve → admit → mix (eva, algorithm 1).

From what the last round's groups scored, informative parents are drawn and evolved into children;
those that pass every gate make up most of the next round, and originals fill it up.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from creator.config import CreatorConfig
from creator.difficulty import mean_difficulty
from creator.estimate import Metric, estimate
from creator.gates import Gate, Heldout, Surroundings, admit
from creator.operators import Child, Operator
from creator.sample import Sampler
from selfplay.core.gym import Spaces
from selfplay.core.seeding import Seed
from selfplay.core.types import (
    GENERATED,
    Composition,
    Estimate,
    Group,
    Now,
    Probe,
    Prompt,
    Rejection,
)


class Archive(Protocol):
    """What the creator asks of the run's ledger."""

    def known(self, ids: Collection[str]) -> set[str]:
        """Which of these prompts the run holds."""

    def prompts(self, ids: Sequence[str]) -> list[Prompt]:
        """The prompts with these ids, in their order."""

    def estimates(self, since: int = 0) -> list[Estimate]:
        """Every estimate made in round `since` or later, oldest first."""


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

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """Children first."""
        return (*self.children.values(), *self.originals)

    @property
    def metrics(self) -> dict[str, float]:
        """How many of each."""
        return {
            "evolved": float(len(self.children)),
            "originals": float(len(self.originals)),
            "rejected": float(len(self.rejections)),
            "parents": float(len(self.parents)),
        }


@dataclass(frozen=True)
class Birth:
    """What one operator made of one parent: a child, or the reason why there is none."""

    operator: str
    parent: Prompt
    child: Child


class Creator:
    """Composes the prompts of a round."""

    def __init__(
        self, config: CreatorConfig, archive: Archive, surroundings: Surroundings, spaces: Spaces
    ) -> None:
        self._config = config
        self._archive = archive
        self._spaces = spaces
        self._metric: Metric = config.estimator.build()
        self._sample: Sampler = config.sampler.build()
        self._operators = [
            NamedOperator(choice.name, choice.options.weight, choice.build(spaces))
            for choice in config.operators
        ]
        chosen: list[Gate] = [choice.build(surroundings) for choice in config.gates]
        self._gates = [Heldout(surroundings), *chosen]

    def compose(
        self,
        now: Now,
        previous: Sequence[Group],
        originals: Sequence[Prompt],
        probe: Probe,
        seed: Seed,
    ) -> Composition:
        """The next round's prompts, from the last round's judged groups and the originals.

        Without candidates (the first round), or without children that pass, originals take their
        place. The result is a function of the arguments and the archive.
        """
        if self._config.fresh_samples and previous:
            asked = [group.prompt for group in previous]
            previous = probe(asked, self._config.fresh_samples)
        candidates, estimates = self._candidates(now, previous)
        drawn = self._draw(candidates, originals, self._config.batch, now, seed)
        metrics = drawn.metrics | mean_difficulty(drawn.prompts, self._spaces)
        if self._config.fresh_samples:
            lengths = [r.length for group in previous for r in group.responses]
            metrics[GENERATED] = float(sum(lengths))
        return Composition(drawn.prompts, tuple(estimates), tuple(drawn.rejections), metrics)

    def refill(
        self,
        now: Now,
        groups: Sequence[Group],
        originals: Sequence[Prompt],
        count: int,
        seed: Seed,
    ) -> Drawn:
        """Up to `count` further prompts for a round in which `groups` were asked and judged.

        They come about as those of `compose` do, and the round's own groups are among those that
        parents are drawn from. None of them was asked in this round.
        """
        candidates, _ = self._candidates(now, groups)
        asked = frozenset(group.prompt.id for group in groups)
        return self._draw(candidates, originals, count, now, seed, asked)

    def _draw(
        self,
        candidates: Sequence[tuple[Prompt, float]],
        originals: Sequence[Prompt],
        count: int,
        now: Now,
        seed: Seed,
        asked: frozenset[str] = frozenset(),
    ) -> Drawn:
        """Up to `count` prompts that are not among those asked, children first."""
        wanted = round(self._config.evolved * count) if candidates else 0
        parents = self._parents(candidates, count, seed.at("parents")) if wanted else []
        children, rejections = self._evolve(parents, wanted, now, seed.at("evolve"), asked)
        taken = asked | children.keys()
        rest = self._fill(originals, count - len(children), taken, seed.at("originals"))
        return Drawn(children, rest, parents, rejections)

    def _candidates(
        self, now: Now, previous: Sequence[Group]
    ) -> tuple[list[tuple[Prompt, float]], list[Estimate]]:
        """Whom parents may be drawn from, each with its value, and the estimates made now.

        A stored estimate made under another judging fingerprint is stale and left out.
        """
        config = self._config
        fresh = estimate(previous, config.estimator.name, self._metric, now.round)
        values: dict[str, float] = {}
        for stored in self._archive.estimates(now.round - config.memory + 1):
            if stored.fingerprint == now.fingerprint and stored.metric == config.estimator.name:
                values[stored.prompt_id] = stored.value
        values |= {made.prompt_id: made.value for made in fresh}
        prompts = self._archive.prompts(list(values))
        return list(zip(prompts, values.values(), strict=True)), fresh

    def _parents(
        self, candidates: Sequence[tuple[Prompt, float]], size: int, seed: Seed
    ) -> list[Prompt]:
        """Distinct parents for a round of `size`, drawn by their values."""
        count = max(1, round(self._config.parents * size))
        values = np.array([value for _, value in candidates])
        return [candidates[i][0] for i in self._sample(values, count, seed.numpy())]

    def _evolve(
        self, parents: Sequence[Prompt], wanted: int, now: Now, seed: Seed, asked: frozenset[str]
    ) -> tuple[dict[str, Prompt], list[Rejection]]:
        """Up to `wanted` admitted children by id, the parents taking turns, and the rejections."""
        children: dict[str, Prompt] = {}
        rejections: list[Rejection] = []
        for attempt in range(self._config.attempts if parents else 0):
            missing = wanted - len(children)
            turns = [parents[(len(children) + i) % len(parents)] for i in range(missing)]
            for born in self._offspring(turns, seed.at(attempt)):
                child = self._stamped(born, now)
                if isinstance(child, Rejection):
                    rejections.append(child)
                elif child.id in children or child.id in asked:
                    rejections.append(Rejection(born.operator, born.parent.id, "duplicate"))
                else:
                    children[child.id] = child
        return children, rejections

    def _offspring(self, parents: Sequence[Prompt], seed: Seed) -> list[Birth]:
        """One attempt at a child for each parent, in their order, past the gates."""
        weights = np.array([named.weight for named in self._operators])
        picks = (
            seed.at("operators")
            .numpy()
            .choice(len(weights), size=len(parents), p=weights / weights.sum())
        )
        births: list[Birth | None] = [None] * len(parents)
        for k, named in enumerate(self._operators):
            turns = np.flatnonzero(picks == k).tolist()
            children = named.operator.evolve([parents[i] for i in turns], seed.at(named.name))
            for i, child in zip(turns, children, strict=True):
                births[i] = Birth(named.name, parents[i], child)
        return self._gated([birth for birth in births if birth is not None])

    def _gated(self, births: Sequence[Birth]) -> list[Birth]:
        """The births, a child that a gate turns down replaced by the reason."""
        prompts = [birth.child for birth in births if isinstance(birth.child, Prompt)]
        reasons = iter(admit(prompts, self._gates))
        return [
            replace(birth, child=next(reasons) or birth.child)
            if isinstance(birth.child, Prompt)
            else birth
            for birth in births
        ]

    def _stamped(self, birth: Birth, now: Now) -> Prompt | Rejection:
        """The child with its full lineage, or the rejection; a repeated parent stays itself."""
        if isinstance(birth.child, str):
            return Rejection(birth.operator, birth.parent.id, birth.child)
        if birth.child.id == birth.parent.id:
            return birth.parent
        lineage = replace(
            birth.child.lineage,
            operator=birth.operator,
            round=now.round,
            policy_version=now.policy_version,
            fingerprint=now.fingerprint,
        )
        return replace(birth.child, lineage=lineage)

    def _fill(
        self, originals: Sequence[Prompt], count: int, taken: frozenset[str], seed: Seed
    ) -> list[Prompt]:
        """Up to `count` originals that are not taken, drawn uniformly without replacement."""
        others = [prompt for prompt in originals if prompt.id not in taken]
        count = min(count, len(others))
        picks = seed.numpy().choice(len(others), size=count, replace=False) if count else ()
        return [others[i] for i in picks]
