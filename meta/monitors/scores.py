"""What the judge's scores still say: the share at the top of the scale, and their entropy.

A judge that gives nearly everything the highest score teaches nothing; meta-rewarding
(arXiv 2407.19594) ran into that by its second round. Scores also rise because a policy gets better,
which is why saturation only alarms from a share on, however much it has grown. A judge that is
saturated from the first round on never drifts; for that there is a limit.
"""

from __future__ import annotations

import numpy as np

from meta.monitors.seen import FloatArray, Row, Seen, Statistic
from meta.monitors.table import EntropyOptions, SaturationOptions


def saturation(options: SaturationOptions) -> Statistic:
    """1 for a reward at the top of the scale; NaN where the scale has no top."""

    def measure(seen: Seen) -> list[Row]:
        bounded = bool(np.isfinite(seen.scale).all())
        top = 1.0 - options.margin if bounded else np.nan
        return [_at_least(row, top) for row in seen.rewards()]

    return Statistic(measure, "up", scored=True, beyond=options.share, limit=options.limit)


def entropy(options: EntropyOptions) -> Statistic:
    """Entropy of a group's rewards, in nats: each of its responses counts with the group's.

    NaN with fewer than two rewards.
    """

    def measure(seen: Seen) -> list[Row]:
        return [np.where(np.isfinite(row), entropy_of(row), np.nan) for row in seen.rewards()]

    return Statistic(measure, "down", scored=True)


def entropy_of(rewards: FloatArray) -> float:
    """Of the distribution of those that are known; NaN for fewer than two."""
    known = rewards[np.isfinite(rewards)]
    if known.size < 2:
        return float("nan")
    shares = np.unique(known.round(9), return_counts=True)[1] / known.size
    return float(-(shares * np.log(shares)).sum())


def _at_least(rewards: FloatArray, top: float) -> FloatArray:
    known = np.isfinite(rewards) & np.isfinite(top)
    return np.where(known, rewards >= top - 1e-9, np.nan)
