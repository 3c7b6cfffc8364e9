"""Losses of a group's order against their formulas written out in plain floats."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from selfplay.core.errors import ConfigError
from selfplay.core.seeding import Seed
from solver.config import PolicyConfig
from solver.learning.stage import Stage
from solver.objectives.groups import GroupObjective
from solver.objectives.margins import gpo
from solver.objectives.ranked import listwise, sppo, win_rates
from solver.objectives.rows.groups import ROWS, ListwiseOptions, SppoOptions
from solver.objectives.rows.pairs import GpoOptions
from solver.objectives.rows.trl import DpoOptions
from solver.objectives.terms import GroupBatch, PairBatch, Scores
from solver.policy import Policy
from tests.solver.objectives.plain_trl import config_of, farthest, gradients, groups_of
from tests.solver.small_solver import judged, make

BETA = 0.7


def batch_of(rewards: Sequence[Sequence[float]], seed: int = 0, width: int = 3) -> GroupBatch:
    """Groups with random tokens, of the given rewards."""
    rng = np.random.default_rng(seed)
    sizes = [len(group) for group in rewards]
    mask_RT = np.arange(width) < rng.integers(1, width + 1, size=sum(sizes))[:, None]
    logps_RT, reference_RT = (
        np.where(mask_RT, -rng.exponential(size=mask_RT.shape), 0.0) for _ in range(2)
    )
    scores = Scores(
        torch.tensor(logps_RT, requires_grad=True),
        torch.tensor(mask_RT),
        torch.tensor(reference_RT),
    )
    flat = torch.tensor([r for group in rewards for r in group], dtype=torch.float64)
    groups_R = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    return GroupBatch(scores, flat, groups_R, torch.zeros(len(flat), dtype=torch.bool))


def ratios_of(batch: GroupBatch) -> list[list[float]]:
    """By group."""
    flat = batch.scores.ratios_R.tolist()
    return [
        [r for r, g in zip(flat, batch.group_R.tolist(), strict=True) if g == p]
        for p in range(batch.groups)
    ]


def sppo_formula(ratios: Sequence[float], rewards: Sequence[float]) -> float:
    total = 0.0
    for r, own in zip(ratios, rewards, strict=True):
        rate = sum(1.0 if own > other else 0.5 if own == other else 0.0 for other in rewards)
        total += 0.5 * (r - (rate / len(rewards) - 0.5) / BETA) ** 2
    return total / len(rewards)


def listwise_formula(ratios: Sequence[float], rewards: Sequence[float]) -> float:
    total = 0.0
    for r, own in zip(ratios, rewards, strict=True):
        left = [
            math.exp(BETA * x) for x, other in zip(ratios, rewards, strict=True) if other <= own
        ]
        total -= math.log(math.exp(BETA * r) / sum(left))
    return total


CASES: list[tuple[Callable[..., torch.Tensor], Any, Callable[..., float]]] = [
    (sppo, SppoOptions(BETA), sppo_formula),
    (listwise, ListwiseOptions(BETA), listwise_formula),
]


@pytest.mark.parametrize(("loss", "options", "formula"), CASES, ids=["sppo", "listwise"])
@pytest.mark.parametrize("seed", range(4))
def test_values_and_gradients_are_those_of_the_formula(
    loss: Any, options: Any, formula: Any, seed: int
) -> None:
    rewards = [[3.0, 1.0, 2.0, -1.0], [0.0, 1.0], [1.0, 0.0, 1.0, 0.0, 1.0], [0.5]]
    batch = batch_of(rewards, seed)
    losses_P = loss(batch, options)
    losses_P.sum().backward()
    gradient_RT = batch.scores.logps_RT.grad
    assert gradient_RT is not None
    by_response = iter(gradient_RT[:, 0].tolist())
    for value, ratios, group in zip(losses_P.tolist(), ratios_of(batch), rewards, strict=True):
        assert value == pytest.approx(formula(ratios, group), abs=1e-9)
        for i in range(len(group)):
            up, down = (
                formula([r + step * (i == k) for k, r in enumerate(ratios)], group)
                for step in (1e-6, -1e-6)
            )
            assert next(by_response) == pytest.approx((up - down) / 2e-6, abs=1e-6)


def test_win_rates_average_to_a_half_and_count_ties_as_halves() -> None:
    rates_R = win_rates(batch_of([[1.0, 0.0, 0.0, 0.0], [3.0, 2.0]]))
    assert rates_R.tolist() == pytest.approx([7 / 8, 3 / 8, 3 / 8, 3 / 8, 0.75, 0.25])


def test_sppo_vanishes_at_its_targets() -> None:
    batch = batch_of([[1.0, 0.0]])
    target = 0.25 / BETA
    ratios_R = batch.scores.ratios_R.detach()
    with torch.no_grad():
        batch.scores.logps_RT[:, 0] += ratios_R.new_tensor([target, -target]) - ratios_R
    moved = GroupBatch(
        Scores(batch.scores.logps_RT, batch.scores.mask_RT, batch.scores.reference_RT),
        batch.rewards_R,
        batch.group_R,
        batch.violates_R,
    )
    assert sppo(moved, SppoOptions(BETA)).item() == pytest.approx(0.0, abs=1e-20)


def test_sppo_of_two_responses_is_a_quarter_of_trls_hard_form_at_twice_its_beta(
    tiny_model_dir: Path,
) -> None:
    ours = make(tiny_model_dir, "sppo", SppoOptions(beta=0.1), reference="initial")
    hard = DpoOptions(beta=0.2, loss_type="sppo_hard")
    theirs = make(tiny_model_dir, "dpo", hard, reference="initial")
    for solver in (ours, theirs):
        torch.manual_seed(0)
        with torch.no_grad():
            for parameter in solver.policy.learned:
                parameter.add_(0.02 * torch.randn_like(parameter))
    groups = judged(ours, rewards=[1.0, float("nan"), 0.0, float("nan")])
    found, expected = ours.learn(groups, Seed(1)), theirs.learn(groups, Seed(1))
    assert 4 * found["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert 4 * found["grad_norm"] == pytest.approx(expected["grad_norm"], rel=1e-4)
    at_reference = 0.5 * (0.25 / 0.1) ** 2
    assert found["loss"] != pytest.approx(at_reference, rel=1e-3)


def test_listwise_of_two_responses_is_dpo() -> None:
    batch = batch_of([[1.0, 0.0], [2.0, 3.0]])
    scores, no_margin = batch.scores, torch.zeros(2)
    pairs = PairBatch(
        scores.rows(torch.tensor([0, 3])), scores.rows(torch.tensor([1, 2])), no_margin
    )
    torch.testing.assert_close(
        listwise(batch, ListwiseOptions(BETA)), gpo(pairs, GpoOptions(beta=BETA))
    )


def test_probabilities_of_all_rankings_add_up_to_one() -> None:
    total = 0.0
    for ranks in itertools.permutations([1.0, 2.0, 3.0, 4.0]):
        total += torch.exp(-listwise(batch_of([ranks]), ListwiseOptions(BETA))).item()
    assert total == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(("loss", "options", "_formula"), CASES, ids=["sppo", "listwise"])
def test_only_the_order_of_rewards_matters(loss: Any, options: Any, _formula: Any) -> None:
    one, other = batch_of([[3.0, 1.0, 1.0, -1.0]]), batch_of([[99.0, 0.5, 0.5, 0.4]])
    assert torch.equal(loss(one, options), loss(other, options))


@pytest.mark.parametrize(("loss", "options", "_formula"), CASES, ids=["sppo", "listwise"])
def test_a_tied_group_at_its_reference_has_zero_gradient(
    loss: Any, options: Any, _formula: Any
) -> None:
    batch = batch_of([[1.0, 1.0, 1.0]])
    at_start = Scores(
        batch.scores.logps_RT, batch.scores.mask_RT, batch.scores.logps_RT.detach().clone()
    )
    loss(GroupBatch(at_start, batch.rewards_R, batch.group_R, batch.violates_R), options).backward()
    assert batch.scores.logps_RT.grad is not None
    torch.testing.assert_close(
        batch.scores.logps_RT.grad, torch.zeros_like(batch.scores.logps_RT), atol=1e-12, rtol=0
    )


def test_listwise_is_finite_for_log_ratios_far_apart() -> None:
    batch = batch_of([[1.0, 0.0, 2.0]])
    with torch.no_grad():
        batch.scores.logps_RT[0] -= 5000.0
    losses_P = listwise(batch, ListwiseOptions(1.0))
    losses_P.backward()
    assert batch.scores.logps_RT.grad is not None
    assert torch.isfinite(losses_P).all()
    assert torch.isfinite(batch.scores.logps_RT.grad).all()


@pytest.mark.parametrize("name", ["sppo", "listwise"])
def test_a_step_on_a_model_does_not_depend_on_how_it_is_cut(
    tiny_model_dir: Path, name: str
) -> None:
    row, losses = ROWS[name], {"sppo": sppo, "listwise": listwise}
    loss: Any = losses[name]

    def make(options: Any, config: Any) -> GroupObjective:
        return GroupObjective(loss, row, options, config)

    groups = groups_of([[3.0, 1.0, 2.0], [1.0, 1.0, 0.0], [5.0, 5.0, 5.0], [0.0, np.nan, 2.0]])
    found = [
        gradients(tiny_model_dir, make, row.options(), groups, 1e-5, epochs=2, micro_batch_tokens=n)
        for n in (10**6, 60)
    ]
    assert farthest(found[0][0], found[1][0]) < 1e-5
    assert found[0][1]["groups_tied"] == 1.0


def test_listwise_starts_at_the_logarithm_of_the_number_of_rankings(tiny_model_dir: Path) -> None:
    settings = config_of()
    policy = Policy.load(PolicyConfig(str(tiny_model_dir), device="cpu", threads=1), settings)
    stage = Stage(policy, groups_of([[3.0, 1.0, 2.0], [1.0, 3.0, 2.0]]), Seed(0), settings)
    objective = GroupObjective(listwise, ROWS["listwise"], ListwiseOptions(), settings)
    ((one,),) = objective.plan(stage).steps
    assert one.loss()[0].item() == pytest.approx(math.log(6), abs=1e-5)


@pytest.mark.parametrize("options", [SppoOptions(0.0), ListwiseOptions(-1.0)])
def test_a_beta_that_is_not_positive_is_refused(options: Any) -> None:
    with pytest.raises(ConfigError, match=r"objective\.beta: expected above 0"):
        options.check("objective")
