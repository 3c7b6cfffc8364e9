"""Preference pairs from judged groups: how a round's groups become data of pairwise objectives.

`max_min`: the best against the worst (eva's offline pairs; online iterative DPO). `max_random`:
the best against one drawn from the worse ones. `all_pairs`: all C(K, 2) comparisons of a ranking
(InstructGPT), or those above a margin. `length_tiered`: Meta-Rewarding's control of length.
`constraints`: CGPO's CODPO. Statistical rejection sampling is in `rejection_sampling`.

All work on the *usable* responses of a group: scored, and each once. A response that equals an
earlier scored one is dropped whatever its reward: a second judgement of the same answer is noise
of the judge, and a pair of equal answers teaches nothing. So the first judgement counts; taking
the best of several would favour the answers that were judged most often. Among equal rewards the
first response wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from selfplay.core.components import NoOptions
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Response
from solver.examples.table import AllPairsOptions, LengthTieredOptions


@dataclass(frozen=True)
class Pair:
    """A response that was preferred over another of the same group."""

    group: int
    """Position of the group in the round."""
    chosen: int
    """Position of the response in the group."""
    rejected: int
    margin: float
    """Reward of the chosen minus reward of the rejected: positive, but for `constraints`."""


@dataclass(frozen=True)
class Pairing:
    """The pairs of a round, and what gave none.

    Each group has pairs or is counted in one of `ties`, `unscored` and `skipped`.
    """

    pairs: tuple[Pair, ...]
    ties: int = 0
    """Groups in which no response is preferred over another (by more than the asked margin)."""
    unscored: int = 0
    """Groups with fewer than two usable responses."""
    missing: int = 0
    """Responses without a reward."""
    duplicates: int = 0
    """Scored responses that equal an earlier scored one of their group."""
    skipped: int = 0
    """Groups that this pairing cannot use: too few to draw from, or all break a constraint."""


@dataclass(frozen=True, eq=False)
class Usable:
    """The C responses of a group that training can use: scored, and each once."""

    group: Group
    positions_C: NDArray[np.int64]
    """Where they are in the group, ascending."""
    rewards_C: NDArray[np.float64]
    """Finite."""
    missing: int
    """Responses without a reward."""
    duplicates: int
    """Scored responses that equal an earlier scored one."""

    def __len__(self) -> int:
        return len(self.positions_C)

    @property
    def responses(self) -> list[Response]:
        """In the order of `positions_C`."""
        return [self.group.responses[position] for position in self.positions_C]


Meeting: TypeAlias = tuple[int, int]
"""Winner and loser, as indices among the usable responses."""
Choose: TypeAlias = Callable[[Usable, Seed], Iterable[Meeting] | None]
"""The pairs of two or more usable responses; None if the group cannot be used."""
Pairer: TypeAlias = Callable[[Sequence[Group], Seed], Pairing]


def usable_responses(group: Group) -> Usable:
    """The scored responses of a group without repetitions, of which the first scored one stays.

    Responses are equal if their tokens are; where there are no tokens, if their texts are.
    """
    rewards_G = group.rewards
    scored = np.flatnonzero(np.isfinite(rewards_G))
    first: dict[bytes | str, int] = {}
    for position in scored.tolist():
        response = group.responses[position]
        first.setdefault(response.token_ids.tobytes() or response.text, position)
    positions_C = np.fromiter(first.values(), np.int64, len(first))
    return Usable(
        group,
        positions_C,
        rewards_G[positions_C],
        missing=len(group.responses) - len(scored),
        duplicates=len(scored) - len(first),
    )


def pair_groups(choose: Choose, groups: Sequence[Group], seed: Seed) -> Pairing:
    """The pairs that `choose` makes of each group; group i draws from `seed.at(i)`."""
    pairs: list[Pair] = []
    ties = unscored = missing = duplicates = skipped = 0
    for index, group in enumerate(groups):
        usable = usable_responses(group)
        missing += usable.missing
        duplicates += usable.duplicates
        if len(usable) < 2:
            unscored += 1
            continue
        meetings = choose(usable, seed.at(index))
        if meetings is None:
            skipped += 1
            continue
        found = _found(index, usable, meetings)
        ties += not found
        pairs += found
    return Pairing(tuple(pairs), ties, unscored, missing, duplicates, skipped)


def _found(index: int, usable: Usable, meetings: Iterable[Meeting]) -> list[Pair]:
    positions, rewards = usable.positions_C.tolist(), usable.rewards_C.tolist()
    return [
        Pair(index, positions[winner], positions[loser], rewards[winner] - rewards[loser])
        for winner, loser in meetings
    ]


def max_min(options: NoOptions) -> Pairer:
    """One pair a group: the highest reward against the lowest."""
    return partial(pair_groups, _best_and_worst)


def _best_and_worst(usable: Usable, seed: Seed) -> list[Meeting]:
    best, worst = int(np.argmax(usable.rewards_C)), int(np.argmin(usable.rewards_C))
    return [(best, worst)] if best != worst else []


def max_random(options: NoOptions) -> Pairer:
    """One pair a group: the highest reward against a uniform draw from the lower ones."""
    return partial(pair_groups, _best_and_random)


def _best_and_random(usable: Usable, seed: Seed) -> list[Meeting]:
    best = int(np.argmax(usable.rewards_C))
    worse = np.flatnonzero(usable.rewards_C < usable.rewards_C[best])
    return [(best, int(seed.numpy().choice(worse)))] if len(worse) else []


def all_pairs(options: AllPairsOptions) -> Pairer:
    """Every two responses whose rewards differ by more than the margin, or a draw from these."""
    return partial(pair_groups, partial(_above_margin, options))


def _above_margin(options: AllPairsOptions, usable: Usable, seed: Seed) -> list[Meeting]:
    gaps_CC = usable.rewards_C[:, None] - usable.rewards_C[None, :]
    winners, losers = np.nonzero(gaps_CC > options.margin)
    if options.max_per_group is not None and len(winners) > options.max_per_group:
        kept = seed.numpy().choice(len(winners), options.max_per_group, replace=False)
        winners, losers = winners[kept], losers[kept]
    return list(zip(winners.tolist(), losers.tolist(), strict=True))


def length_tiered(options: LengthTieredOptions) -> Pairer:
    """One pair a group: the shortest of the upper tier against the longest of the lower tier.

    The tiers reach `width` of the group's range of rewards below its highest and above its lowest.
    Among equal lengths the better is chosen and the worse rejected. Lengths are in tokens; in
    characters where a response has no tokens.

    Source: Wu et al., 2024, "Meta-Rewarding Language Models", arXiv 2407.19594, length control.
    """
    return partial(pair_groups, partial(_shortest_and_longest, options.width))


def _shortest_and_longest(width: float, usable: Usable, seed: Seed) -> list[Meeting]:
    rewards_C = usable.rewards_C
    highest, lowest = rewards_C.max(), rewards_C.min()
    if highest == lowest:
        return []
    depth = width * (highest - lowest)
    upper = np.flatnonzero(rewards_C >= highest - depth).tolist()
    lower = np.flatnonzero(rewards_C <= lowest + depth).tolist()
    lengths = _lengths(usable.responses)

    def length_then_badness(candidate: int) -> tuple[int, float]:
        return lengths[candidate], -rewards_C[candidate]

    return [(min(upper, key=length_then_badness), max(lower, key=length_then_badness))]


def _lengths(responses: Sequence[Response]) -> list[int]:
    if all(response.length for response in responses):
        return [response.length for response in responses]
    return [len(response.text) for response in responses]


def constraints(options: NoOptions) -> Pairer:
    """One pair a group: the best that breaks no constraint against the worst that breaks one.

    Where none breaks one, the worst of all is rejected. Where all do, the group is skipped. The
    margin may be negative: a violation loses whatever its reward.

    Source: Xu et al., 2024, "The Perfect Blend" (CGPO), arXiv 2409.20370, CODPO.
    """
    return partial(pair_groups, _best_lawful_and_worst_unlawful)


def _best_lawful_and_worst_unlawful(usable: Usable, seed: Seed) -> list[Meeting] | None:
    verdicts = [usable.group.verdicts[position] for position in usable.positions_C]
    violates_C = np.array([bool(verdict.violations) for verdict in verdicts])
    if violates_C.all():
        return None
    rejectable_C = violates_C if violates_C.any() else ~violates_C
    # Masks and never products: a negative reward times a zero would beat lawful responses.
    best = int(np.argmax(np.where(violates_C, -np.inf, usable.rewards_C)))
    worst = int(np.argmin(np.where(rejectable_C, usable.rewards_C, np.inf)))
    return [(best, worst)] if best != worst else []
