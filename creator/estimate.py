"""Informativeness of a prompt from the rewards of its group (eva, arXiv 2411.00062, table 1).

Regret r(π*) − r(π_θ) is unknown because π* is; the spread of the rewards inside the group stands in
for it. Missing rewards are left out, never counted as zero; a metric that then lacks data is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from selfplay.core.components import NoOptions
from selfplay.core.types import Estimate, Group

Metric: TypeAlias = Callable[[NDArray[np.float64]], float]
"""From the n rewards of a group, NaN where missing, to a value of at least 0, or NaN."""


def regret_gap(options: NoOptions) -> Metric:
    """Max − min of the finite rewards (A*_min); NaN with fewer than two of them."""

    def measure(rewards: NDArray[np.float64]) -> float:
        known = rewards[np.isfinite(rewards)]
        return float(known.max() - known.min()) if known.size >= 2 else float("nan")

    return measure


def uniform(options: NoOptions) -> Metric:
    """1, whatever the rewards: the control that selects nothing."""
    return lambda rewards: 1.0


def estimate(groups: Sequence[Group], name: str, metric: Metric, t: int) -> list[Estimate]:
    """One estimate for each judged group, stamped with round `t` and what it rests on."""
    return [
        Estimate(
            prompt_id=group.prompt.id,
            metric=name,
            value=metric(group.rewards),
            n=int(np.isfinite(group.rewards).sum()),
            round=t,
            policy_version=group.policy_version,
            fingerprint=group.fingerprint,
        )
        for group in groups
    ]
