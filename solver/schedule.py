"""The learning rate as a pure function of the policy version. Constant within a round."""

from __future__ import annotations

import math

from selfplay.core.errors import ConfigError, nearest

SCHEDULES = ("constant", "linear", "cosine")


def check_schedule(schedule: str, rounds: int | None, warmup_rounds: int) -> None:
    """Refuses a schedule that cannot be followed.

    Raises:
        ConfigError: an unknown name, or decay without a length, or a warm-up beyond that length.
    """
    if schedule not in SCHEDULES:
        raise ConfigError(
            f"solver.schedule: no schedule is called '{schedule}'; {nearest(schedule, SCHEDULES)}"
        )
    if schedule != "constant" and rounds is None:
        raise ConfigError(
            f"solver.rounds: '{schedule}' decays over a known number of rounds, found none. "
            "Set solver.rounds, or choose the constant schedule."
        )
    if rounds is not None and warmup_rounds >= rounds:
        raise ConfigError(
            f"solver.warmup_rounds: expected fewer than the {rounds} rounds, found {warmup_rounds}."
        )


def rate_factor(version: int, schedule: str, rounds: int | None, warmup_rounds: int) -> float:
    """The factor in [0, 1] on the peak rate for the learning stage that starts at `version`.

    Warm-up climbs linearly to 1 in `warmup_rounds` stages; then `linear` and `cosine` fall to
    zero, reached at version `rounds` and kept beyond it.
    """
    if version < warmup_rounds:
        return (version + 1) / (warmup_rounds + 1)
    if schedule == "constant" or rounds is None:
        return 1.0
    progress = min(1.0, (version - warmup_rounds) / (rounds - warmup_rounds))
    if schedule == "linear":
        return 1.0 - progress
    return 0.5 * (1.0 + math.cos(math.pi * progress))
