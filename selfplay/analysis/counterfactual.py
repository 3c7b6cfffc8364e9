"""An alternative in the creator's place, how far two choices agree, and what came of prompts.

A stand-in estimates and draws as the creator does, no more. Of prompts that might have been chosen
the ledger knows what was known before the choice, and what came after it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from creator.config import CreatorConfig
from creator.creator import REPLAYED
from creator.pool.memory import Eligible, History, Memory
from creator.pool.pool import texts
from creator.samplers.candidates import Sampler
from creator.samplers.shares import first_shares
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Now, Prompt
from selfplay.ledger import Ledger
from selfplay.stages.statistics import is_mixed


@dataclass(frozen=True)
class Pick:
    """What one alternative makes of one round."""

    name: str
    values: Mapping[str, float]
    """By the id of each eligible prompt; NaN where unknown."""
    shares: Mapping[str, float] | None
    """Their probabilities of being drawn first; None where the sampler's are not known."""
    drawn: Sequence[Sequence[str]]
    """Ids, draw by draw."""


class StandIn:
    """One alternative, with a memory of its own."""

    def __init__(
        self, name: str, config: CreatorConfig, ledger: Ledger, history: History, seed: Seed
    ) -> None:
        """Knows nothing yet.

        Args:
            name: of the alternative.
            config: its estimator and sampler.
            ledger: the run's, of which nothing but prompts is read.
            history: from a round to the groups that its estimates rest on.
            seed: of the run.

        Raises:
            ConfigError: the estimator reads what groups do not hold.
        """
        self.name = name
        self._config = config
        self._memory = Memory(config, ledger, history, seed, config.pool)
        self._sample: Sampler = config.sampler.build()

    def choose(
        self, now: Now, groups: Sequence[Group], lots: Sequence[Seed], replayed: int = 0
    ) -> Pick:
        """Estimates from the groups, and draws once with each of the lots.

        As many prompts as the run `replayed` in this round; parents, where it replayed none.
        """
        measured = self._memory.measure(now.round, groups)
        parents = max(1, round(self._config.parents * self._config.batch))
        return self._pick(self._memory.eligible(now, measured), replayed or parents, lots)

    def _pick(self, eligible: Eligible, count: int, lots: Sequence[Seed]) -> Pick:
        ids = texts(eligible.prompts.ids[eligible.prompts.rows])
        columns = eligible.columns
        shares_P = first_shares(self._config.sampler, columns)
        return Pick(
            self.name,
            values=dict(zip(ids, np.asarray(columns.scores_P, np.float64).tolist(), strict=True)),
            shares=None if shares_P is None else dict(zip(ids, shares_P.tolist(), strict=True)),
            drawn=[[ids[i] for i in self._sample(columns, count, lot.numpy())] for lot in lots],
        )


def shared(drawn: Collection[str], others: Collection[str]) -> float:
    """Share of `others` that is among the drawn; NaN where there are none."""
    return len(set(drawn) & set(others)) / len(set(others)) if others else float("nan")


def jaccard(drawn: Collection[str], others: Collection[str]) -> float:
    """|A ∩ B| / |A ∪ B|; NaN where both are empty."""
    union = set(drawn) | set(others)
    return len(set(drawn) & set(others)) / len(union) if union else float("nan")


def total_variation(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    """½ Σ |p − q|: the share of probability that lies elsewhere, from 0 to 1."""
    keys = sorted(first.keys() | second.keys())
    return sum(abs(first.get(key, 0.0) - second.get(key, 0.0)) for key in keys) / 2.0


def effective_number(shares: Iterable[float]) -> float:
    """1 / Σ p²: so many equally likely prompts would come twice in two draws as often (Kish)."""
    return 1.0 / sum(share * share for share in shares)


def rank_correlation(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    """Spearman's ρ over the keys that both know, equal values sharing their mean rank.

    NaN with fewer than two of them, or where one side's are all equal.
    """
    from scipy.stats import rankdata

    pairs = np.array([(first[key], second[key]) for key in sorted(first.keys() & second.keys())])
    known = pairs[np.isfinite(pairs).all(axis=1)] if len(pairs) else np.empty((0, 2))
    if len(known) < 2 or (np.ptp(known, axis=0) == 0).any():
        return float("nan")
    ranks = rankdata(known, axis=0)
    return float(np.corrcoef(ranks, rowvar=False)[0, 1])


class Outcome(NamedTuple):
    """Means over the prompts of a draw; NaN where nothing is known of any."""

    success: float
    """Success rate when a prompt was scored last."""
    reward: float
    """Mean reward then."""
    later: float
    """Share of mixed groups among those of the prompt and its children, from a round on."""
    followed: float
    """Share of the prompts of which there is such a group."""


class Outcomes:
    """Filled round by round with what was scored; what came later is read from the start."""

    def __init__(self, threshold: float) -> None:
        """Knows nothing; a response succeeds whose reward reaches the threshold."""
        self._threshold = threshold
        self._scored: dict[str, tuple[float, float]] = {}
        self._later: dict[str, list[tuple[int, bool]]] = defaultdict(list)

    def asked(self, t: int, groups: Iterable[Group]) -> None:
        """Notes what round t asked: whether each prompt's and each parent's group was mixed."""
        for group in groups:
            if np.isfinite(group.rewards).any():
                mixed = is_mixed(group)
                for id_ in {group.prompt.id, *group.prompt.lineage.parents}:
                    self._later[id_].append((t, mixed))

    def scored(self, groups: Iterable[Group]) -> None:
        """Notes what a creator is told of; a later score takes the place of an earlier one."""
        for group in groups:
            known = group.rewards[np.isfinite(group.rewards)]
            if len(known):
                rate = float((known >= self._threshold).mean())
                self._scored[group.prompt.id] = rate, float(known.mean())

    def of(self, t: int, draws: Sequence[Sequence[str]]) -> Outcome:
        """What is known of the prompts drawn in round t, over all the draws."""
        drawn = [id_ for draw in draws for id_ in draw]
        scored = [self._scored[id_] for id_ in drawn if id_ in self._scored]
        shares = [self._mixed(id_, t) for id_ in drawn]
        followed = [not np.isnan(share) for share in shares]
        return Outcome(
            success=mean(rate for rate, _ in scored),
            reward=mean(reward for _, reward in scored),
            later=mean(shares),
            followed=mean(followed),
        )

    def _mixed(self, id_: str, t: int) -> float:
        """Share of the groups from round t on that were mixed; NaN without any."""
        return mean(mixed for round_, mixed in self._later.get(id_, ()) if round_ >= t)


def mean(values: Iterable[float]) -> float:
    """Mean of those that are not NaN; NaN where there are none."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def recorded_parents(ledger: Ledger, t: int) -> set[str] | None:
    """The parents that round t was composed from, where the ledger names all of them; else None.

    In a round that replayed, the prompts that were asked again take the place of parents.
    A parent is named by its children, or by those of them that were turned down; it is not where
    there were fewer children to make than parents. What a refill drew afterwards is left out.
    """
    counted = ledger.stage_metrics(t, "compose")
    if counted.get(REPLAYED):
        return {prompt.id for prompt in ledger.composition(t)}
    children = ledger.composition(t)[: int(counted["evolved"])]
    rejections = ledger.rejections(t)[: int(counted["rejected"])]
    found = {origin(child, t) for child in children} | {one.parent for one in rejections}
    return found if found and len(found) == counted["parents"] else None


def origin(child: Prompt, t: int) -> str:
    """The id of the parent that was drawn; a prompt that was asked again is its own."""
    born = child.lineage.round == t and child.lineage.parents
    return child.lineage.parents[0] if born else child.id
