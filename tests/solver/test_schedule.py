"""The learning rate as a function of the version."""

from __future__ import annotations

import pytest

from selfplay.core.errors import ConfigError
from solver.schedule import check_schedule, rate_factor


def test_warm_up_climbs_to_the_peak() -> None:
    factors = [rate_factor(v, "constant", None, 3) for v in range(5)]
    assert factors == [0.25, 0.5, 0.75, 1.0, 1.0]


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_decay_halves_midway_and_ends_at_zero(schedule: str) -> None:
    assert rate_factor(0, schedule, 10, 0) == 1.0
    assert rate_factor(5, schedule, 10, 0) == pytest.approx(0.5)
    assert rate_factor(12, schedule, 10, 0) == pytest.approx(0.0)


def test_a_decay_without_length_is_refused() -> None:
    with pytest.raises(ConfigError, match="known number of rounds"):
        check_schedule("linear", None, 0)


def test_an_unknown_schedule_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'cosine'"):
        check_schedule("cosin", 3, 0)
