"""Preference pairs from scored groups.

`max_min`: the best against the worst response (eva's offline pairs; online iterative DPO). Among
equal rewards the first response wins, so that the pairs are a function of the group. Left out:
rejection sampling (RSO) and length-tiered pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from selfplay.core.types import Group, Prompt, Response


@dataclass(frozen=True, eq=False)
class Pair:
    """A response that was preferred over another of the same prompt."""

    prompt: Prompt
    chosen: Response
    rejected: Response
    margin: float
    """Reward of the chosen minus reward of the rejected: positive."""


@dataclass(frozen=True)
class Pairing:
    """The pairs of a round, and what gave none."""

    pairs: tuple[Pair, ...]
    ties: int = 0
    """Groups whose rewards are all equal."""
    unscored: int = 0
    """Groups with fewer than two rewards."""
    missing: int = field(default=0)
    """Responses without a reward, over all groups."""


def max_min_pairs(groups: Sequence[Group]) -> Pairing:
    """One pair for each group: its highest against its lowest reward; missing ones are ignored."""
    pairs: list[Pair] = []
    ties = unscored = missing = 0
    for group in groups:
        rewards_G = group.rewards
        scored = np.flatnonzero(np.isfinite(rewards_G))
        missing += len(group.responses) - len(scored)
        if len(scored) < 2:
            unscored += 1
            continue
        best = scored[np.argmax(rewards_G[scored])]
        worst = scored[np.argmin(rewards_G[scored])]
        margin = float(rewards_G[best] - rewards_G[worst])
        if margin == 0.0:
            ties += 1
            continue
        pairs.append(Pair(group.prompt, group.responses[best], group.responses[worst], margin))
    return Pairing(tuple(pairs), ties, unscored, missing)


PAIRINGS: MappingProxyType[str, Callable[[Sequence[Group]], Pairing]] = MappingProxyType(
    {"max_min": max_min_pairs}
)
