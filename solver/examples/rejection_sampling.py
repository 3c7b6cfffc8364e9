"""RSO: statistical rejection sampling, then matches between the accepted responses.

Of many sampled responses (the paper: 64), n are accepted so that they look drawn from the optimal
policy of the reward, π*(y|x) ∝ π(y|x) exp(r(x, y)/β), the sampling policy being π: pass after pass,
each remaining y is accepted with probability exp((r(y) - max r over the remaining)/β), and leaves.
β → ∞ accepts any n, β → 0 the n best.

A pass ends with the n-th acceptance, so who is asked first matters; responses are asked in a drawn
order and not in that of the group. Pairs are drawn among the accepted: the *first round* pairs
each with one other, a *tournament* goes on with the winners until one is left. An odd one out goes
on without a match; of equal rewards, which make no pair, the first drawn goes on.

Source: Liu et al., 2024, "Statistical Rejection Sampling Improves Preference Optimization", arXiv
2309.06657.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from selfplay.core.errors import DataError
from selfplay.core.seeding import Seed
from selfplay.core.types import Group
from solver.examples.pairs import (
    Meeting,
    Pairer,
    Pairing,
    Usable,
    pair_groups,
    usable_responses,
)
from solver.examples.table import RejectionSamplingOptions


def rso(options: RejectionSamplingOptions) -> Pairer:
    """Pairs of responses that statistical rejection sampling accepted.

    The pairer raises `DataError` if a group has fewer than n different scored responses, unless
    the options say to skip it.
    """
    return partial(_pairs, options)


def _pairs(options: RejectionSamplingOptions, groups: Sequence[Group], seed: Seed) -> Pairing:
    if options.short == "refuse":
        for group in groups:
            _require_enough(usable_responses(group), options.n)
    return pair_groups(partial(_meetings, options), groups, seed)


def _require_enough(usable: Usable, n: int) -> None:
    if len(usable) >= n:
        return
    total = len(usable.group.responses)
    raise DataError(
        f"rso: expected n = {n} or more different scored responses to each prompt, found "
        f"{len(usable)} to prompt {usable.group.prompt.id} ({total} responses: {usable.missing} "
        f"without a reward, {usable.duplicates} repeated). Sample more responses, lower n, or set "
        "'short: skip' to leave such groups out."
    )


def _meetings(
    options: RejectionSamplingOptions, usable: Usable, seed: Seed
) -> list[Meeting] | None:
    if len(usable) < options.n:
        return None
    generator = seed.numpy()
    accepted = accept(usable.rewards_C, options.n, options.beta, generator)
    entrants = generator.permutation(accepted).tolist()
    rounds = 1 if options.pairing == "first_round" else options.n
    return matches(entrants, usable.rewards_C, rounds)


def accept(
    rewards_C: NDArray[np.float64], n: int, beta: float, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Which n of the C responses are accepted, in the order of acceptance; n is at most C."""
    remaining = generator.permutation(len(rewards_C))
    accepted: list[int] = []
    while len(accepted) < n:
        shortfalls = rewards_C[remaining].max() - rewards_C[remaining]
        # P(e >= s/β) = exp(-s/β) for a standard exponential e; so written, β = 0 is no division.
        passes = generator.standard_exponential(len(remaining)) * beta >= shortfalls
        accepted += remaining[passes].tolist()
        remaining = remaining[~passes]
    return np.array(accepted[:n])


def matches(entrants: Sequence[int], rewards_C: NDArray[np.float64], rounds: int) -> list[Meeting]:
    """The decided matches of the first `rounds` of a knock-out; rounds after its end are empty."""
    decided: list[Meeting] = []
    for _ in range(rounds):
        winners = []
        for one, other in zip(entrants[::2], entrants[1::2], strict=False):
            winner, loser = (one, other) if rewards_C[one] >= rewards_C[other] else (other, one)
            if rewards_C[winner] > rewards_C[loser]:
                decided.append((winner, loser))
            winners.append(winner)
        entrants = [*winners, *entrants[2 * len(winners) :]]
    return decided
