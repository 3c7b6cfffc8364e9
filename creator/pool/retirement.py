"""Prompts that teach nothing rest: solved or hopeless for several visits in a row.

What is remembered of a prompt is the success rate of its last visit, how many visits in a row it
was solved (counted up from 0) or hopeless (counted down), and the round from which it may be a
parent again. A visit that is neither ends the row. A rest ends with its round or with a visit that
is neither; since the row goes on over a rest, the visit after it decides at once whether another
one of the same length follows. Intervals do not grow: a policy that improves makes hopeless prompts
learnable, and a late look would miss it.

A visit is one with scored responses. Under another judging rates are in another scale: what was
remembered is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from creator.estimators.learnability import outcomes
from creator.estimators.moments import FloatArray, Floats, Integers, means
from creator.pool.table import RetireOptions

UNRESTED = 0
"""The round from which a prompt may be a parent that does not rest."""

LONGEST = 2**31 - 1
"""What a round is cut down to, to fit in its column."""


@dataclass(frozen=True, eq=False)
class Standing:
    """What is remembered of P prompts."""

    rates_P: Floats
    """Success rate at the last visit; NaN without any."""
    streaks_P: Integers
    """Visits in a row that were solved; below 0: that were hopeless."""
    rests_P: Integers
    """The first round in which each may be a parent, or `UNRESTED`."""


def success_rates(rewards_PG: FloatArray, success: float | None) -> FloatArray:
    """The share of the scored responses that succeed; NaN without any. Shape (prompts,).

    Args:
        rewards_PG: NaN where missing.
        success: the lowest reward of a success; None: the mean reward in place of the share.
    """
    return means(rewards_PG if success is None else outcomes(rewards_PG, success))


def visited(before: Standing, rates_P: FloatArray, t: int, options: RetireOptions) -> Standing:
    """The standing after visits in round `t`; a rate of NaN is no visit and changes nothing."""
    streaks_P = np.select(
        [rates_P >= options.solved, rates_P <= options.hopeless],
        [np.maximum(before.streaks_P, 0) + 1, np.minimum(before.streaks_P, 0) - 1],
        0,
    )
    resting_P = np.abs(streaks_P) >= (np.inf if options.after is None else options.after)
    rests_P = np.where(resting_P, min(t + options.recheck, LONGEST), UNRESTED)
    missed_P = np.isnan(rates_P)
    return Standing(
        rates_P=np.where(missed_P, before.rates_P, rates_P),
        streaks_P=np.where(missed_P, before.streaks_P, streaks_P),
        rests_P=np.where(missed_P, before.rests_P, rests_P),
    )
