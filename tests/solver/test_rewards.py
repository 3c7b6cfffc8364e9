"""Penalties on length against their formulas, and where they enter learning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from selfplay.core.errors import ConfigError
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Prompt, Response, Verdict, user
from solver.config import LengthConfig, PolicyConfig, SolverConfig
from solver.examples.pairs import max_min
from solver.examples.table import PAIRINGS
from solver.learning.stage import Stage
from solver.policy import Policy
from solver.rewards import length_table, off_target, overlong, reward_table, shaped


def group_of(lengths: list[int], rewards: list[float | None]) -> Group:
    responses = tuple(
        Response("", np.full(length, 5, dtype=np.int32), None, "recorded") for length in lengths
    )
    verdicts = [
        Verdict.missing("lost") if r is None else Verdict(r, violations=("format",))
        for r in rewards
    ]
    return Group(Prompt(user("q")), responses, "train", 0).judged(verdicts, "f")


GROUP = group_of([2, 5, 9], [1.0, None, 0.5])


def test_distance_from_the_target_costs_alike_in_both_directions() -> None:
    assert off_target(np.array([2, 5, 9]), 5, 0.1).tolist() == pytest.approx([0.3, 0.0, 0.4])


def test_the_over_long_penalty_is_dapos() -> None:
    lengths = np.array([0, 16, 17, 18, 20, 25])
    assert overlong(lengths, 20, 4).tolist() == [0.0, 0.0, 0.25, 0.5, 1.0, 1.0]
    assert overlong(np.array([20, 21]), 20, 0).tolist() == [0.0, 1.0]


def test_shaping_lowers_known_rewards_and_leaves_all_else() -> None:
    found = shaped(GROUP, LengthConfig(5, 0.1))
    np.testing.assert_allclose(found.rewards, [0.7, np.nan, 0.1])
    assert [v.violations for v in found.verdicts] == [("format",), (), ("format",)]
    assert found.verdicts[1].reason == "lost"
    assert (found.prompt, found.responses, found.fingerprint) == (
        GROUP.prompt,
        GROUP.responses,
        GROUP.fingerprint,
    )


def test_without_a_target_a_group_stays_itself() -> None:
    assert shaped(GROUP, LengthConfig()) is GROUP


def test_tables_hold_groups_of_different_sizes() -> None:
    groups = [GROUP, group_of([3], [0.25])]
    np.testing.assert_array_equal(
        reward_table(groups), [[1.0, np.nan, 0.5], [0.25, np.nan, np.nan]]
    )
    assert length_table(groups).tolist() == [[2, 5, 9], [3, 0, 0]]
    assert reward_table([]).shape == (0, 1)


def test_a_stage_shapes_rewards_for_pairs_and_advantages_and_keeps_the_outcomes(
    tiny_model_dir: Path,
) -> None:
    tie = group_of([2, 5, 9], [1.0, 1.0, 1.0])
    config = SolverConfig(length=LengthConfig(5, 0.1))
    policy = Policy.load(PolicyConfig(str(tiny_model_dir), device="cpu", threads=1), config)
    stage = Stage(policy, [tie], Seed(0), config)
    np.testing.assert_allclose(stage.rewards_PG, [[0.7, 1.0, 0.6]])
    np.testing.assert_array_equal(stage.outcomes_PG, [[1.0, 1.0, 1.0]])
    options = PAIRINGS["max_min"].options()
    (pair,) = max_min(options)(stage.groups, Seed(0)).pairs
    assert (pair.chosen, pair.rejected) == (1, 2)
    assert max_min(options)([tie], Seed(0)).pairs == ()


@pytest.mark.parametrize(
    ("length", "message"),
    [
        (LengthConfig(0, 0.1), "target: expected null, or 1 or more"),
        (LengthConfig(5), "weight: expected above 0 where a target is set"),
        (LengthConfig(weight=0.1), "weight: expected 0 where no target is set"),
    ],
)
def test_a_target_and_its_weight_come_together(length: LengthConfig, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        length.check("solver.length")
