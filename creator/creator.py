"""One turn of the creator: estimate → sample → evolve → admit → mix (eva, algorithm 1).

From what the last round's groups scored, informative parents are drawn and evolved into children;
those that pass every gate make up most of the next round, and originals fill it up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from creator.config import CreatorConfig
from creator.difficulty import mean_difficulty
from creator.gates import Gate, Heldout, Surroundings, admit
from creator.memory import Archive, Eligible, History, Memory
from creator.operators import Child, Operator
from creator.samplers.candidates import Sampler
from selfplay.core.gym import Spaces
from selfplay.core.seeding import Seed
from selfplay.core.types import (
    GENERATED,
    Composition,
    Group,
    Now,
    Probe,
    Prompt,
    Rejection,
)


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
        self,
        config: CreatorConfig,
        archive: Archive,
        surroundings: Surroundings,
        spaces: Spaces,
        history: History,
        seed: Seed,
    ) -> None:
        """Takes its collaborators.

        Args:
            config: what was configured.
            archive: the run's ledger.
            surroundings: what the gates are told.
            spaces: the difficulty spaces of puzzles.
            history: the judged groups that an earlier round was composed from.
            seed: of the run.

        Raises:
            ConfigError: the estimator reads what groups do not hold.
        """
        self._config = config
        self._spaces = spaces
        self._memory = Memory(config, archive, history, seed)
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
        place. The result is a function of the arguments, the archive and the history.
        """
        if self._config.fresh_samples and previous:
            asked = [group.prompt for group in previous]
            previous = probe(asked, self._config.fresh_samples)
        measured = self._memory.measure(now.round, previous)
        eligible = self._memory.eligible(now, measured)
        drawn = self._draw(eligible, originals, self._config.batch, now, seed)
        metrics = drawn.metrics | mean_difficulty(drawn.prompts, self._spaces)
        if self._config.fresh_samples:
            lengths = [r.length for group in previous for r in group.responses]
            metrics[GENERATED] = float(sum(lengths))
        estimates = tuple(self._memory.estimates(measured))
        return Composition(drawn.prompts, estimates, tuple(drawn.rejections), metrics)

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
        measured = self._memory.measure_within(now.round, groups, seed.at("estimate"))
        eligible = self._memory.eligible(now, measured)
        asked = frozenset(group.prompt.id for group in groups)
        return self._draw(eligible, originals, count, now, seed, asked)

    def _draw(
        self,
        eligible: Eligible,
        originals: Sequence[Prompt],
        count: int,
        now: Now,
        seed: Seed,
        asked: frozenset[str] = frozenset(),
    ) -> Drawn:
        """Up to `count` prompts that are not among those asked, children first."""
        wanted = round(self._config.evolved * count) if eligible else 0
        parents = self._parents(eligible, count, seed.at("parents")) if wanted else []
        children, rejections = self._evolve(parents, wanted, now, seed.at("evolve"), asked)
        taken = asked | children.keys()
        rest = self._fill(originals, count - len(children), taken, seed.at("originals"))
        return Drawn(children, rest, parents, rejections)

    def _parents(self, eligible: Eligible, size: int, seed: Seed) -> list[Prompt]:
        """Distinct parents for a round of `size`, drawn by their values."""
        count = max(1, round(self._config.parents * size))
        return [eligible.prompts[i] for i in self._sample(eligible.columns, count, seed.numpy())]

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
