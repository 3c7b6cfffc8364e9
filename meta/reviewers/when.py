"""When a rubric is reviewed (MPO, arXiv 2504.20157, reviews every k batches).

Here an alarm, saturated scores or a plateau may ask for a review too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from meta.monitors.alarms import Alarm
from meta.reviewers.options import ReviewOptions
from selfplay.core.types import Group

_TOP = 0.99
"""Of the scale: rewards from here on are at its top."""
_GAIN = 0.01
"""Of the scale: a mean reward that has risen by less is on a plateau."""


@dataclass(frozen=True)
class Situation:
    """Where a run is when it has to be decided whether the rubric is reviewed."""

    round: int
    reviewed: int
    """Round of the last review; 0 before the first."""
    alarms: Sequence[Alarm]
    top: float
    """Share of the round's rewards at the top of the scale; NaN where it has none."""
    rewards: Sequence[float]
    """Mean reward as a share of the scale, of each round under the rubric in force, newest last."""


def cause(options: ReviewOptions, situation: Situation) -> str:
    """Why the rubric is to be reviewed now; empty: it is not."""
    t, since = situation.round, situation.reviewed
    if since and t - since <= options.rest:
        return ""
    asking = [alarm for alarm in situation.alarms if alarm.action in ("review", "pause")]
    if options.on_alarm and asking:
        return "alarm: " + "; ".join(alarm.text for alarm in asking)
    if options.saturation is not None and situation.top >= options.saturation:
        return f"saturation: {situation.top:.0%} of the rewards are at the top of the scale"
    if options.plateau and _is_flat(situation.rewards, options.plateau):
        return f"plateau: the mean reward has not risen in {options.plateau} rounds"
    if options.every and t % options.every == 0:
        return f"calendar: every {options.every} rounds"
    return ""


def _is_flat(rewards: Sequence[float], rounds: int) -> bool:
    if len(rewards) < 2 * rounds:
        return False
    before, now = rewards[-2 * rounds : -rounds], rewards[-rounds:]
    return float(np.mean(now) - np.mean(before)) < _GAIN


def share_at_top(groups: Sequence[Group], scale: tuple[float, float]) -> float:
    """Share of the rewards that are at the top of the scale; NaN without any, or without a top."""
    low, high = scale
    rewards = np.concatenate([np.empty(0), *(group.rewards for group in groups)])
    known = rewards[np.isfinite(rewards)]
    if not known.size or not np.isfinite([low, high]).all():
        return float("nan")
    return float(np.mean((known - low) / (high - low) >= _TOP))
