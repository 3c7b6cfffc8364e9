"""What a response's length takes from its reward: pure functions of lengths in tokens.

The target-length penalty, weight · |length - target|, goes on any reward before pairs, advantages
or examples are made of it. DAPO's soft over-long penalty (Yu et al., 2025, arXiv 2503.14476,
eq. 13) rises linearly over the last `cache` tokens before `max_length`. What judges said stays in
the ledger as it was; only the learning stage sees shaped rewards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from selfplay.core.types import Group, Verdict
from solver.config import LengthConfig

FloatArray = NDArray[np.float64]


def off_target(lengths: NDArray[np.int64], target: int, weight: float) -> FloatArray:
    """weight · |length - target|, elementwise."""
    return weight * np.abs(lengths - target).astype(np.float64)


def overlong(lengths: NDArray[np.int64], max_length: int, cache: int) -> FloatArray:
    """0 up to max_length - cache tokens, then rising linearly to 1 at max_length, elementwise.

    Without a cache it is 1 beyond max_length and 0 up to it.
    """
    if cache == 0:
        return (lengths > max_length).astype(np.float64)
    return np.clip((lengths - (max_length - cache)) / cache, 0.0, 1.0)


def shaped(group: Group, length: LengthConfig) -> Group:
    """The group with the target-length penalty taken from its rewards; itself without a target.

    Missing rewards stay missing, and all else of a verdict stays as it is.
    """
    if length.target is None:
        return group
    penalties = off_target(response_lengths(group), length.target, length.weight)
    verdicts = [
        _lowered(verdict, penalty)
        for verdict, penalty in zip(group.verdicts, penalties.tolist(), strict=True)
    ]
    return replace(group, verdicts=tuple(verdicts))


def _lowered(verdict: Verdict, penalty: float) -> Verdict:
    return verdict if verdict.reward is None else replace(verdict, reward=verdict.reward - penalty)


def response_lengths(group: Group) -> NDArray[np.int64]:
    """Shape (n,): tokens of each response."""
    return np.array([response.length for response in group.responses], dtype=np.int64)


def reward_table(groups: Sequence[Group]) -> FloatArray:
    """Shape (P, G): NaN where missing, and where a group has fewer responses than another."""
    return _table([group.rewards for group in groups], np.nan)


def length_table(groups: Sequence[Group]) -> NDArray[np.int64]:
    """Shape (P, G): tokens of each response; 0 where a group has fewer than another."""
    return _table([response_lengths(group) for group in groups], 0).astype(np.int64)


def _table(rows: Sequence[NDArray[np.generic]], filler: float) -> FloatArray:
    table_PG = np.full((len(rows), max(map(len, rows), default=1)), filler)
    for p, row in enumerate(rows):
        table_PG[p, : len(row)] = row
    return table_PG
