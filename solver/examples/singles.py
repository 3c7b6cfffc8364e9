"""Single responses from judged groups: what to imitate, and what is good or bad.

`best_of_n`: the k best of each group (best-of-n fine-tuning; RAFT, Dong et al., 2023, arXiv
2304.06767). `all_scored`: every one. Unpaired feedback, as KTO takes it (Ethayarajh et al., 2024,
arXiv 2402.01306): `by_threshold` tells good from bad by a fixed reward, `by_mean` by the mean of
the group, so that each prompt has both. What is usable is said in `solver.examples.pairs`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np

from selfplay.core.components import NoOptions
from selfplay.core.seeding import Seed
from selfplay.core.types import Group
from solver.examples.pairs import Usable, usable_responses
from solver.examples.table import BestOfNOptions, ThresholdOptions


@dataclass(frozen=True)
class Single:
    """A response to learn from by itself."""

    group: int
    """Position of the group in the round."""
    response: int
    """Position of the response in the group."""
    desirable: bool
    """To be made more likely, rather than less."""
    weight: float = 1.0


@dataclass(frozen=True)
class Selection:
    """The chosen responses of a round, and what was left out.

    Each response is a single or is counted in one of `missing`, `duplicates` and `dropped`.
    """

    singles: tuple[Single, ...]
    unscored: int = 0
    """Groups without a usable response."""
    missing: int = 0
    """Responses without a reward."""
    duplicates: int = 0
    """Scored responses that equal an earlier scored one of their group."""
    dropped: int = 0
    """Usable responses that were not chosen."""


Mark: TypeAlias = tuple[int, bool]
"""An index among the usable responses, and whether that response is desirable."""
Choose: TypeAlias = Callable[[Usable], Iterable[Mark]]
Selector: TypeAlias = Callable[[Sequence[Group], Seed], Selection]


def select_from_groups(choose: Choose, groups: Sequence[Group], seed: Seed) -> Selection:
    """The responses that `choose` takes from each group, in its order. Nothing is drawn."""
    singles: list[Single] = []
    unscored = missing = duplicates = usable_total = 0
    for index, group in enumerate(groups):
        usable = usable_responses(group)
        unscored += len(usable) == 0
        missing += usable.missing
        duplicates += usable.duplicates
        usable_total += len(usable)
        if len(usable):
            singles += [
                Single(index, int(usable.positions_C[candidate]), desirable)
                for candidate, desirable in choose(usable)
            ]
    dropped = usable_total - len(singles)
    return Selection(tuple(singles), unscored, missing, duplicates, dropped)


def best_of_n(options: BestOfNOptions) -> Selector:
    """The k highest rewards of each group, best first, of those that reach `min_reward`."""
    return partial(select_from_groups, partial(_best, options))


def _best(options: BestOfNOptions, usable: Usable) -> list[Mark]:
    least = -np.inf if options.min_reward is None else options.min_reward
    best = np.argsort(-usable.rewards_C, kind="stable")[: options.k]
    return [(candidate, True) for candidate in best[usable.rewards_C[best] >= least].tolist()]


def all_scored(options: NoOptions) -> Selector:
    """Every usable response."""
    return partial(select_from_groups, _every)


def _every(usable: Usable) -> list[Mark]:
    return [(candidate, True) for candidate in range(len(usable))]


def by_threshold(options: ThresholdOptions) -> Selector:
    """Desirable from the threshold on, undesirable below; those nearer than `margin` dropped."""
    return partial(select_from_groups, partial(_around_threshold, options))


def _around_threshold(options: ThresholdOptions, usable: Usable) -> list[Mark]:
    excesses_C = usable.rewards_C - options.threshold
    clear = np.flatnonzero(np.abs(excesses_C) >= options.margin)
    return [(candidate, bool(excesses_C[candidate] >= 0)) for candidate in clear.tolist()]


def by_mean(options: NoOptions) -> Selector:
    """Desirable above the mean of the group's usable rewards, undesirable below; equal dropped."""
    return partial(select_from_groups, _around_mean)


def _around_mean(usable: Usable) -> list[Mark]:
    rewards_C = usable.rewards_C
    excesses_C = rewards_C - rewards_C.mean()
    # The mean of equal or evenly spaced rewards can miss their middle by rounding alone.
    rounding = 4 * np.finfo(np.float64).eps * np.abs(rewards_C).max()
    clear = np.flatnonzero(np.abs(excesses_C) > rounding)
    return [(candidate, bool(excesses_C[candidate] > 0)) for candidate in clear.tolist()]
