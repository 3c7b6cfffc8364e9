"""Stepwise DPO on a real tiny model: where each stage starts, and on what."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from selfplay.core.components import chosen
from selfplay.core.errors import ConfigError
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Verdict
from solver.config import SolverConfig
from solver.examples.pairs import Pair
from solver.examples.table import PAIRINGS
from solver.learning.stage import Stage
from solver.objectives.rows.procedures import ORDERS, SdpoOptions
from solver.objectives.rows.trl import DpoOptions
from solver.objectives.sdpo import in_parts
from solver.objectives.table import OBJECTIVES
from solver.solver import Solver, check_solver
from tests.solver.small_solver import judged, make

ALL_PAIRS = chosen("all_pairs", PAIRINGS)


def sdpo(directory: Path, options: Any = None, **rest: Any) -> Solver:
    return make(directory, "sdpo", options, **{"learning_rate": 1e-2} | rest)


def learned(solver: Solver) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in solver.policy.learned]


@pytest.mark.parametrize("lora", [False, True])
def test_every_stage_starts_at_ln_two(tiny_model_dir: Path, lora: bool) -> None:
    solver = sdpo(tiny_model_dir, SdpoOptions(ALL_PAIRS, stages=3), lora=lora)
    metrics = solver.learn(judged(solver), Seed(1))
    for k in range(3):
        assert metrics[f"{k}/loss"] == pytest.approx(math.log(2), abs=2e-6)
        assert metrics[f"{k}/kl"] > 1e-4
    assert metrics["kl"] > max(metrics[f"{k}/kl"] for k in range(3))
    assert metrics["steps"] == 3


def test_steps_too_small_to_notice_move_the_reference_too(tiny_model_dir: Path) -> None:
    solver = sdpo(tiny_model_dir, SdpoOptions(ALL_PAIRS, stages=3), learning_rate=1e-6)
    groups = judged(solver)
    metrics = solver.learn(groups, Seed(1))
    for k in range(3):
        assert metrics[f"{k}/loss"] == pytest.approx(math.log(2), abs=2e-6)
    stage = Stage(solver.policy, groups, Seed(1), solver.policy.config)
    solver.policy.version = 0
    assert stage.mismatch > 1e-4
    assert stage.generated.believed


def test_the_stages_of_plain_dpo_do_not_start_at_ln_two(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "dpo", DpoOptions(ALL_PAIRS), learning_rate=1e-2, minibatches=3)
    assert solver.learn(judged(solver), Seed(1))["loss"] != pytest.approx(math.log(2), abs=1e-3)


def test_one_stage_is_dpo(tiny_model_dir: Path) -> None:
    one = sdpo(tiny_model_dir, SdpoOptions(stages=1))
    other = make(tiny_model_dir, "dpo", learning_rate=1e-2)
    groups = judged(one)
    one.learn(groups, Seed(1))
    other.learn(groups, Seed(1))
    for a, b in zip(learned(one), learned(other), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=0)


def test_margins_fall_from_stage_to_stage(tiny_model_dir: Path) -> None:
    solver = sdpo(tiny_model_dir, SdpoOptions(ALL_PAIRS, stages=3))
    metrics = solver.learn(judged(solver), Seed(1))
    assert metrics["0/margin"] > metrics["1/margin"] > metrics["2/margin"]
    assert metrics["pairs"] == sum(metrics[f"{k}/pairs"] for k in range(3)) == 24


@pytest.mark.parametrize(
    ("order", "margins"),
    [("easy_to_hard", [[3, 2.5, 2], [1, 0.5]]), ("hard_to_easy", [[0.5, 1, 2], [2.5, 3]])],
)
def test_pairs_are_ordered_by_margin(order: str, margins: list[list[float]]) -> None:
    pairs = [Pair(g, 0, 1, margin) for g, margin in enumerate((1.0, 3.0, 2.5, 0.5, 2.0))]
    parts = in_parts(pairs, 2, order, Seed(0))
    assert [[pair.margin for pair in part] for part in parts] == margins


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_each_pair_is_in_one_part_and_no_part_is_empty(order: str, count: int) -> None:
    pairs = [Pair(g, 0, 1, float(g % 3)) for g in range(count)]
    parts = in_parts(pairs, 3, order, Seed(0))
    assert sorted(pair.group for part in parts for pair in part) == list(range(count))
    assert len(parts) == min(3, count)
    assert all(parts)


def test_it_repeats_itself_bit_by_bit(tiny_model_dir: Path, tmp_path: Path) -> None:
    one, other = (sdpo(tiny_model_dir, SdpoOptions(ALL_PAIRS, order="random")) for _ in range(2))
    groups = judged(one)
    assert one.learn(groups, Seed(1)) == other.learn(groups, Seed(1))
    assert one.save(tmp_path / "a") == other.save(tmp_path / "b")


def test_a_round_without_pairs_leaves_the_weights(tiny_model_dir: Path) -> None:
    solver = sdpo(tiny_model_dir)
    before = learned(solver)
    tied = [
        Group(g.prompt, g.responses, "train", 0).judged([Verdict(0.5)] * 4, "f")
        for g in judged(solver)
    ]
    metrics = solver.learn(tied, Seed(1))
    assert (metrics["loss"], metrics["steps"], metrics["groups_tied"]) == (0.0, 0.0, 4.0)
    assert all(torch.equal(a, b) for a, b in zip(before, learned(solver), strict=True))


def test_a_reference_that_stands_still_is_refused() -> None:
    config = SolverConfig(objective=chosen("sdpo", OBJECTIVES), reference="initial")
    with pytest.raises(ConfigError, match="the policy that its stage begins with, found 'initial'"):
        check_solver(config)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (SdpoOptions(stages=0), "o.stages: expected 1 or more"),
        (SdpoOptions(order="easy_to_had"), "did you mean 'easy_to_hard'"),
        (SdpoOptions(beta=0.0), "o.beta: expected above 0"),
    ],
)
def test_impossible_options_are_refused(options: SdpoOptions, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        options.check("o")
