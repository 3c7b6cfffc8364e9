from __future__ import annotations

import math

import numpy as np
import pytest

from creator.estimate import estimate, regret_gap, uniform
from selfplay.core.components import NoOptions
from selfplay.core.types import Group, Prompt, Response, Verdict, user

GAP = regret_gap(NoOptions())


def scored(rewards: list[float | None]) -> Group:
    answer = Response("x", np.array([1], dtype=np.int32), None, "stop")
    verdicts = [Verdict(r) if r is not None else Verdict.missing("time-out") for r in rewards]
    group = Group(Prompt(user("q")), (answer,) * len(rewards), "train", policy_version=3)
    return group.judged(verdicts, "judge-1")


@pytest.mark.parametrize(
    ("rewards", "gap"),
    [([0.0, 1.0, 0.5], 1.0), ([0.25, 0.25], 0.0), ([-3.0, -1.0], 2.0)],
)
def test_regret_gap_is_the_best_less_the_worst(rewards: list[float], gap: float) -> None:
    assert GAP(np.array(rewards)) == gap


def test_a_missing_reward_is_left_out_and_not_counted_as_zero() -> None:
    assert GAP(np.array([0.5, np.nan, 0.75])) == 0.25


def test_a_gap_of_fewer_than_two_rewards_is_unknown() -> None:
    assert math.isnan(GAP(np.array([1.0, np.nan])))
    assert math.isnan(GAP(np.array([np.nan])))


def test_uniform_ignores_the_rewards() -> None:
    assert uniform(NoOptions())(np.array([np.nan])) == 1.0


def test_an_estimate_is_stamped_with_what_it_rests_on() -> None:
    [made] = estimate([scored([0.0, None, 1.0])], "regret_gap", GAP, 4)
    assert (made.value, made.n, made.round) == (1.0, 2, 4)
    assert (made.policy_version, made.fingerprint) == (3, "judge-1")
