"""Advantages against their closed forms."""

from __future__ import annotations

import numpy as np

from solver.advantages import grpo_advantages, normalized, rloo_advantages, tied_groups

REWARDS_PG = np.random.default_rng(0).normal(size=(5, 4))


def test_leave_one_out_advantages_sum_to_zero_in_each_group() -> None:
    np.testing.assert_allclose(rloo_advantages(REWARDS_PG).sum(axis=1), 0.0, atol=1e-12)


def test_leave_one_out_is_the_centred_reward_times_k_over_k_minus_one() -> None:
    centred_PG = REWARDS_PG - REWARDS_PG.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(rloo_advantages(REWARDS_PG), 4 / 3 * centred_PG)


def test_a_missing_reward_enters_no_baseline_and_has_no_advantage() -> None:
    rewards_PG = np.array([[1.0, np.nan, 4.0]])
    np.testing.assert_allclose(rloo_advantages(rewards_PG), [[-3.0, 0.0, 3.0]])


def test_a_reward_alone_in_its_group_has_no_advantage() -> None:
    assert not rloo_advantages(np.array([[2.0, np.nan], [np.nan, np.nan]])).any()


def test_equal_rewards_have_exactly_zero_advantage() -> None:
    assert not rloo_advantages(np.full((1, 3), 0.1)).any()
    assert tied_groups(np.array([[0.1, 0.1], [0.1, 0.2]])).tolist() == [True, False]


def test_normalized_advantages_have_unit_deviation_over_the_scorable() -> None:
    rewards_PG = np.where(np.eye(5, 4, dtype=bool), np.nan, REWARDS_PG)
    scorable_PG = np.isfinite(rewards_PG)
    scaled_PG = normalized(rloo_advantages(rewards_PG), scorable_PG)
    assert abs(scaled_PG[scorable_PG].std(ddof=1) - 1.0) < 1e-3
    assert not scaled_PG[~scorable_PG].any()


def test_group_relative_advantages_are_standardised_in_each_group() -> None:
    advantages_PG = grpo_advantages(REWARDS_PG)
    centred_PG = REWARDS_PG - REWARDS_PG.mean(axis=1, keepdims=True)
    deviations_P1 = REWARDS_PG.std(axis=1, ddof=1, keepdims=True)
    np.testing.assert_allclose(advantages_PG, centred_PG / (deviations_P1 + 1e-4), rtol=1e-12)
    np.testing.assert_allclose(grpo_advantages(REWARDS_PG, scaled=False), centred_PG)


def test_group_relative_advantages_leave_out_missing_equal_and_lonely_rewards() -> None:
    rewards_PG = np.array([[1.0, np.nan, 4.0], [0.1, 0.1, 0.1], [np.nan, 2.0, np.nan]])
    found_PG = grpo_advantages(rewards_PG, scaled=False)
    np.testing.assert_array_equal(found_PG, [[-1.5, 0.0, 1.5], [0.0] * 3, [0.0] * 3])
    scaled_PG = grpo_advantages(rewards_PG)
    np.testing.assert_allclose(scaled_PG[0], [-(0.5**0.5), 0.0, 0.5**0.5], rtol=1e-4)
    assert not scaled_PG[1:].any()
