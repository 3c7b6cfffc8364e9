"""Has a mean drifted? A two-sample permutation test between a frozen reference and now.

If nothing has changed, the prompts of the reference and those of now are exchangeable, and every
way of telling them apart is as likely as the one that is seen. The p-value is the share of ways
in which the mean of the second sample is as far off as it is; it assumes no distribution and holds
for rare events and for any number of prompts. A run that looks K times with a level of budget / K
raises `budget` false alarms in expectation (a union bound, whatever the dependence between looks).

Small levels are affordable because few ways have to be drawn:

- clear drifts: an upper bound on the exact p-value without any draw (Hoeffding, 1963, JASA 58,
  13-30, section 6: a Chernoff bound for drawing with replacement holds for drawing without);
- no drift: draws stop at the `_ENOUGH`-th way that is as far off (Besag & Clifford, 1991,
  Biometrika 78, 301-304), which leaves the p-value valid;
- between the two: `_ENOUGH` / level draws, p = (1 + as far off) / (1 + draws), never 0 (Phipson &
  Smyth, 2010, Stat. Appl. Genet. Mol. Biol. 9, 39).

Left out: blocks for prompts of one family or of one task, and CUSUM or EWMA charts, whose limits
need the distribution that a run does not know; slow drifts are found because the reference does not
move with them, and by comparing several rounds at once (`meta.monitors.monitors`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from meta.monitors.seen import FloatArray, Side

_ENOUGH = 4
"""Ways that are as far off, at which it is clear that p is not small; and how many are expected
among all draws if p is just the level."""
_CELLS = 1 << 19
"""Random numbers that are held at once."""
_KINDS = 32
"""Up to so many different values, it is how many of each come that is drawn."""
_TILTS = np.geomspace(1e-2, 1e3, 80)
_TOLERANCE = 1e-9
"""Of sums of values scaled to [0, 1]: below it two ways are equally far off."""


@dataclass(frozen=True)
class Drift:
    """How far a mean is from the reference's, and how likely that is by chance."""

    size: float
    """Mean now less mean of the reference."""
    p: float


def drift(
    reference_N: FloatArray, now_M: FloatArray, side: Side, level: float, rng: np.random.Generator
) -> Drift:
    """Tests whether the mean of `now_M` lies on `side` of that of `reference_N`.

    Args:
        reference_N: one finite value for each prompt, at least one.
        now_M: the same, at least one.
        side: both sides together are tested at `level`.
        level: below which p-values must be told apart.
        rng: of the draws.
    """
    size = float(now_M.mean() - reference_N.mean())
    sign = -1.0 if side == "down" or (side == "both" and size < 0) else 1.0
    pooled = sign * np.concatenate([reference_N, now_M])
    spread = float(np.ptp(pooled))
    if sign * size <= 0 or spread == 0.0:
        return Drift(size, 1.0)
    sides = 2.0 if side == "both" else 1.0
    scaled = (pooled - pooled.min()) / spread
    first = scaled[: len(reference_N)]
    # The smaller sample is drawn: that the other's sum is low says the same.
    few, values = (
        (scaled[len(first) :], scaled)
        if 2 * len(now_M) <= len(scaled)
        else (
            1.0 - first,
            1.0 - scaled,
        )
    )
    p = sides * bound(values, len(few), float(few.sum()))
    if p > level:
        p = sides * drawn(values, len(few), float(few.sum()), level / sides, rng)
    return Drift(size, min(p, 1.0))


def bound(values_N: FloatArray, m: int, least: float) -> float:
    """At most so likely is a sum of `least` or more of m values drawn without replacement.

    The values lie in [0, 1].
    """
    highest = float(values_N.max())
    tilted = np.exp(_TILTS[:, None] * (values_N - highest)).mean(axis=1)
    exponents = m * (np.log(tilted) + _TILTS * highest) - _TILTS * least
    return math.exp(min(0.0, float(exponents.min())))


def drawn(
    values_N: FloatArray, m: int, least: float, level: float, rng: np.random.Generator
) -> float:
    """The same probability, estimated by drawing; valid as a p-value."""
    most = math.ceil(_ENOUGH / level)
    kinds, counts = np.unique(values_N, return_counts=True)
    batch = max(1, min(most, _CELLS // len(values_N)))
    draws = found = 0
    size = min(batch, 16 * _ENOUGH)
    while draws < most:
        size = min(size, most - draws)
        if len(kinds) <= _KINDS:
            sums = rng.multivariate_hypergeometric(counts, m, size, method="marginals") @ kinds
        else:
            keys = rng.random((size, len(values_N)), dtype=np.float32)
            sums = values_N[np.argpartition(keys, m - 1, axis=1)[:, :m]].sum(axis=1)
        far = np.flatnonzero(sums >= least - _TOLERANCE)
        if found + len(far) >= _ENOUGH:
            return _ENOUGH / (draws + int(far[_ENOUGH - found - 1]) + 1)
        draws, found = draws + size, found + len(far)
        size = min(batch, 4 * size)
    return (1 + found) / (1 + draws)
