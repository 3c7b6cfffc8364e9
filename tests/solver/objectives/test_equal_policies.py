"""Where policy and reference are equal, rounding decides nothing: no kink, no filter, no step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from selfplay.core.seeding import Seed
from selfplay.core.types import Group
from solver.objectives.rows.groups import DrGrpoOptions, GrpoOptions
from solver.objectives.rows.pairs import BetaDpoOptions, DpopOptions
from solver.objectives.rows.ppo import PpoOptions
from solver.solver import Solver
from tests.solver.objectives.exact import Watch, flat
from tests.solver.small_solver import judged, make, weights

SMALL: dict[str, Any] = {"micro_batch_tokens": 40, "max_grad_norm": 1e9}
"""Passes of a few responses: other shapes than those that scored them before."""


def nudged(groups: Sequence[Group], size: float) -> list[Group]:
    """The groups with what generation recorded off by rounding."""
    rng = np.random.default_rng(0)

    def near(logps_T: Any) -> Any:
        return logps_T + rng.normal(scale=size, size=len(logps_T)).astype(np.float32)

    return [
        replace(g, responses=tuple(replace(r, logprobs=near(r.logprobs)) for r in g.responses))
        for g in groups
    ]


def first_step(solver: Solver, groups: Sequence[Group]) -> torch.Tensor:
    watch = Watch(solver)
    solver.learn(groups, Seed(1))
    return flat(watch.steps[0].gradient)


@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize(
    "more",
    [
        {"reference": "round_start"},
        {"reference": "initial"},
        {"reference": "moving_average"},
        {"reference": "precomputed"},
        {"reference": "round_start", "mixed_precision": True},
        {"reference": "initial", "mixed_precision": True},
    ],
    ids=lambda more: "-".join(map(str, more.values())),
)
def test_dpop_at_equal_policies_has_the_gradient_of_dpo(
    tiny_model_dir: Path, more: dict[str, Any], lora: bool
) -> None:
    found = []
    for options in (DpopOptions(), DpopOptions(penalty=0.0)):
        solver = make(tiny_model_dir, "dpop", options, lora, **SMALL, **more)
        found.append(first_step(solver, nudged(judged(solver), 1e-6)))
    dpop, dpo = found
    torch.testing.assert_close(dpop, dpo, rtol=1e-5, atol=1e-6 * float(dpo.abs().max()))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("grpo", GrpoOptions(beta=0.04, importance="sequence", epsilon=3e-4)),
        ("grpo", GrpoOptions(beta=0.04, epsilon=1e-6)),
        ("ppo", PpoOptions(epsilon=1e-6)),
    ],
    ids=["gspo", "grpo", "ppo"],
)
def test_the_first_step_is_on_policy_however_narrow_the_clip(
    tiny_model_dir: Path, name: str, options: Any
) -> None:
    wide = replace(options, epsilon=0.5)
    found = []
    for chosen in (options, wide):
        solver = make(tiny_model_dir, name, chosen, **SMALL)
        found.append(first_step(solver, nudged(judged(solver), 1e-3)))
    assert torch.equal(*found)


def test_beta_dpo_keeps_no_pair_for_how_its_gap_rounds(tiny_model_dir: Path) -> None:
    found = []
    for size in (1e-6, 3e-6):
        solver = make(tiny_model_dir, "beta_dpo", BetaDpoOptions(keep=0.5), **SMALL)
        found.append(first_step(solver, nudged(judged(solver), size)))
    assert torch.equal(*found)


@pytest.mark.parametrize("dtype", [False, True])
@pytest.mark.parametrize(
    ("name", "options"),
    [("grpo", GrpoOptions(beta=0.04)), ("dr_grpo", DrGrpoOptions(beta=0.04)), ("rloo", None)],
)
def test_groups_that_are_all_tied_move_no_weight(
    tiny_model_dir: Path, name: str, options: Any, dtype: bool
) -> None:
    solver = make(tiny_model_dir, name, options, mixed_precision=dtype, **SMALL)
    solver.learn(judged(solver), Seed(0))
    # With momentum, and a reference that is the policy of now.
    solver = _same(solver, tiny_model_dir, name, options, mixed_precision=dtype, **SMALL)
    before = weights(solver)
    metrics = solver.learn(judged(solver, rewards=1.0), Seed(1))
    assert metrics["steps"] == 0.0
    assert all(torch.equal(before[k], v) for k, v in weights(solver).items())


def _same(solver: Solver, directory: Path, name: str, options: Any, **more: Any) -> Solver:
    """A solver whose initial policy is the policy of now, with the moments of another."""
    fresh = make(directory, name, options, **more)
    states = [solver.policy.optimizer.state[p] for p in solver.policy.learned]
    fresh.policy.optimizer.state.update(zip(fresh.policy.learned, states, strict=True))
    return fresh


def test_a_kl_to_a_reference_that_is_another_policy_moves_tied_groups(
    tiny_model_dir: Path,
) -> None:
    solver = make(tiny_model_dir, "grpo", GrpoOptions(beta=0.04), **SMALL)
    solver.learn(judged(solver), Seed(0))
    before = weights(solver)
    assert solver.learn(judged(solver, rewards=1.0), Seed(1))["steps"] == 1.0
    assert not all(torch.equal(before[k], v) for k, v in weights(solver).items())


def test_ppo_without_rewards_and_values_learns_nothing_from_rounding(tiny_model_dir: Path) -> None:
    """Whitened advantages would make whole ones of a KL that is rounding alone."""
    solver = make(tiny_model_dir, "ppo", PpoOptions(), **SMALL)
    with torch.no_grad():
        solver.policy.heads["value"].weight.zero_()
    before = weights(solver)
    solver.learn(nudged(judged(solver, rewards=0.0), 1e-6), Seed(1))
    assert all(torch.equal(before[k], v) for k, v in weights(solver).items())
