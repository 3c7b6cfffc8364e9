from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meta.acceptance.intervals import interval
from selfplay.stages.win_rates.win_rates import Contest, length_controlled, rates, win_rate


def drawn(
    prompts: int, each: int, theta: float, phi: float, seed: int
) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Wins of a judge with a known liking for length; prompts have an effect of their own."""
    generator = np.random.default_rng(seed)
    longer = generator.normal(0.0, 200.0, prompts * each)
    own = np.repeat(generator.normal(0.0, 0.3, prompts), each)
    chances = 1 / (1 + np.exp(-(theta + own + phi * np.tanh(longer / 200.0))))
    wins = (generator.random(prompts * each) < chances).astype(float)
    return wins, [str(i) for i in np.repeat(np.arange(prompts), each)], longer


def test_the_plain_rate_is_the_mean_over_prompts_with_students_t() -> None:
    wins = np.array([1.0, 0.0, 1.0, 0.5])
    found = win_rate(wins, ["a", "a", "b", "c"])
    expected = interval(np.array([0.5, 1.0, 0.5]))
    assert (found.mean, found.low, found.high) == (expected.mean, expected.low, expected.high)


def test_at_equal_lengths_nothing_is_controlled_for() -> None:
    wins = np.array([1.0, 0.0, 0.9, 0.7] * 10)
    found = length_controlled(wins, [str(i) for i in range(40)], np.zeros(40))
    assert found.mean == pytest.approx(wins.mean(), abs=1e-4)


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_exchanging_the_sides_turns_the_rate_around(seed: int) -> None:
    wins, prompts, longer = drawn(20, 2, 0.3, 1.0, seed)
    there, back = (
        length_controlled(wins, prompts, longer),
        length_controlled(1 - wins, prompts, -longer),
    )
    assert there.mean == pytest.approx(1 - back.mean, abs=1e-8)
    assert there.low == pytest.approx(1 - back.high, abs=1e-8)


def test_a_judge_who_likes_length_alone_gives_one_half_once_length_is_controlled() -> None:
    generator = np.random.default_rng(0)
    longer = generator.normal(150.0, 200.0, 4000)
    chances = 1 / (1 + np.exp(-2.0 * np.tanh(longer / longer.std())))
    wins = (generator.random(4000) < chances).astype(float)
    prompts = [str(i) for i in range(4000)]
    assert win_rate(wins, prompts).mean > 0.6
    assert length_controlled(wins, prompts, longer).mean == pytest.approx(0.5, abs=0.02)


def test_the_clustered_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    held, times = 0, 200
    # The rate at equal lengths, averaged over what the prompts do of their own.
    own = np.random.default_rng(1).normal(0.0, 0.3, 200_000)
    truth = float(np.mean(1 / (1 + np.exp(-(0.4 + own)))))
    for seed in range(times):
        found = length_controlled(*drawn(60, 4, 0.4, 0.8, seed))
        held += found.low <= truth <= found.high
    assert 0.90 <= held / times <= 0.99


def test_wins_alone_leave_a_finite_rate_below_one() -> None:
    found = length_controlled(np.ones(30), [str(i) for i in range(30)], np.arange(30.0))
    assert 0.99 < found.mean < 1.0


def test_what_the_judge_did_not_say_is_counted_and_left_out() -> None:
    contests = [
        Contest("a", 1.0, False, 10, 5),
        Contest("b", None, False, 3, 3),
        Contest("c", 0.5, True, 5, 10),
    ]
    found = rates(contests, "x")
    assert (found["x/win_rate"], found["x/missing"], found["x/ties"]) == (0.75, 1.0, 0.5)
    assert found["x/length_ratio"] == 1.0
    assert rates(contests[1:2], "x") == {"x/missing": 1.0}
    assert rates([], "x") == {}
