from __future__ import annotations

import numpy as np
import pytest

from selfplay.core.types import Group, Lineage, Prompt, Response, Verdict, user


def test_a_prompts_id_is_what_is_asked_and_not_where_it_comes_from() -> None:
    prompt = Prompt(user("q"), "sums", "2")
    assert prompt.id == Prompt(user("q"), "sums", "2", lineage=Lineage(operator="harder")).id
    assert len({prompt.id, Prompt(user("q"), "sums", "3").id, Prompt(user("q"), "x", "2").id}) == 3


@pytest.mark.parametrize("reward", [float("nan"), float("inf")])
def test_a_reward_is_finite_or_missing(reward: float) -> None:
    with pytest.raises(ValueError, match="finite or missing"):
        Verdict(reward)


def test_a_missing_verdict_needs_its_reason() -> None:
    with pytest.raises(ValueError, match="needs its reason"):
        Verdict(None)
    assert Verdict.missing("time-out").reason == "time-out"


def test_missing_rewards_read_as_nan_and_not_as_zero() -> None:
    answer = Response("x", np.array([1], dtype=np.int32), None, "stop")
    group = Group(Prompt(user("q")), (answer, answer), "train", 0)
    rewards = group.judged([Verdict(0.5), Verdict.missing("dead endpoint")], "j").rewards
    assert rewards[0] == 0.5
    assert np.isnan(rewards[1])


def test_a_group_takes_one_verdict_for_each_response() -> None:
    answer = Response("x", np.array([1], dtype=np.int32), None, "stop")
    with pytest.raises(ValueError, match="1 verdicts for 2 responses"):
        Group(Prompt(user("q")), (answer, answer), "train", 0).judged([Verdict(1.0)], "j")
