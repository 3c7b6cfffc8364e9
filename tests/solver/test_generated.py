"""Figures of generation against those of learning: checked, told, corrected, never a silent NaN."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from selfplay.core.errors import DataError
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Sampling
from solver.learning.generated import CHECKED, MOST, TOLERANCE, Generated
from solver.learning.stage import Stage
from solver.objectives.rows.groups import GrpoOptions, RlooOptions
from solver.objectives.rows.ppo import PpoOptions
from solver.solver import Solver
from tests.solver.small_solver import judged, make, weights

Table = dict[tuple[int, int], np.ndarray[Any, np.dtype[np.float32]]]
GRADIENTS: dict[str, Any] = {
    "rloo": RlooOptions(beta=0.0),
    "grpo": GrpoOptions(beta=0.0),
    "ppo": PpoOptions(beta=0.0, value_reaches_body=False),
    "crpg": None,
}
"""The policy gradients, without a reference."""


def with_one(groups: list[Group], change: Any, place: tuple[int, int] = (2, 1)) -> list[Group]:
    """The groups, one response's recorded log-probabilities changed."""
    p, g = place
    responses = list(groups[p].responses)
    logprobs = responses[g].logprobs
    assert logprobs is not None
    responses[g] = replace(responses[g], logprobs=change(logprobs.copy()))
    return [*groups[:p], replace(groups[p], responses=tuple(responses)), *groups[p + 1 :]]


def shifted(groups: list[Group], nats: float) -> list[Group]:
    for p, group in enumerate(groups):
        for g in range(len(group.responses)):
            groups = with_one(groups, lambda logps: logps + nats / len(logps), (p, g))
    return groups


def impossible(logps: Any) -> Any:
    logps[0] = -np.inf
    return logps


def test_one_response_that_differs_is_found_in_a_small_round(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir)
    groups = with_one(judged(solver), lambda logps: logps - 1.0)
    found = solver.learn(groups, Seed(1))
    assert found["generation_checked"] == 16.0
    assert found["generation_mismatch_max"] > 1.0 > 2 * found["generation_mismatch"]
    stage = Stage(make(tiny_model_dir).policy, groups, Seed(1), solver.policy.config)
    assert not stage.generated.believed
    corrections = dict(zip(stage.scored, stage.corrections(stage.scored), strict=True))
    assert corrections.pop((2, 1)) == pytest.approx(MOST)
    assert list(corrections.values()) == pytest.approx([1.0] * 15, abs=1e-4)


def test_of_a_larger_round_an_even_sample_is_checked() -> None:
    drawn: Table = {(p, g): np.zeros(3, np.float32) for p in range(20) for g in range(8)}
    seen: list[tuple[int, int]] = []

    def score(places: Any) -> list[Any]:
        seen.extend(places)
        return [np.full(3, -0.001, np.float32) for _ in places]

    generated = Generated(drawn, False, score)
    assert generated.believed
    assert len(seen) == CHECKED
    assert {p for p, _ in seen} == set(range(20))
    assert generated.mismatch == pytest.approx(0.003)


def test_the_largest_difference_decides_and_not_the_mean() -> None:
    drawn: Table = {(p, 0): np.zeros(1, np.float32) for p in range(20)}
    near = [np.zeros(1, np.float32)] * 19
    for nats, believed in ((TOLERANCE / 2, True), (2 * TOLERANCE, False)):
        scored = [*near, np.full(1, -nats, np.float32)]
        generated = Generated(drawn, False, lambda _, found=scored: found)  # type: ignore[misc]
        assert generated.mismatch < TOLERANCE
        assert generated.believed is believed


@pytest.mark.parametrize("value", [-np.inf, np.nan])
@pytest.mark.parametrize("name", [*GRADIENTS, "dpo"])
def test_a_token_that_the_generator_calls_impossible_makes_no_number_of_the_loss_none(
    tiny_model_dir: Path, name: str, value: float
) -> None:
    def broken(logps: Any) -> Any:
        logps[-1] = value
        return logps

    solver, whole = (make(tiny_model_dir, name, GRADIENTS.get(name)) for _ in range(2))
    groups = judged(solver)
    found = solver.learn(with_one(groups, broken), Seed(1))
    assert found["generation_not_finite"] == 1.0
    assert math.isfinite(found["grad_norm"])
    # Nothing else changes: the response is scored anew, and weighs what it weighed.
    whole.learn(groups, Seed(1))
    for key, weight in weights(whole).items():
        torch.testing.assert_close(weights(solver)[key], weight, atol=3e-4, rtol=0)


@pytest.mark.parametrize("name", GRADIENTS)
def test_every_policy_gradient_weighs_responses_by_what_learning_finds(
    tiny_model_dir: Path, name: str
) -> None:
    found = {}
    for nats in (0.0, 0.5):
        solver = make(tiny_model_dir, name, GRADIENTS[name], learning_rate=0.0)
        groups = shifted(judged(solver), nats)
        metrics = solver.learn(groups, Seed(1))
        assert metrics["generation_mismatch"] == pytest.approx(nats, abs=1e-3)
        found[nats] = policy_norm(solver, groups)
    assert found[0.5] == pytest.approx(math.exp(-0.5) * found[0.0], rel=1e-2)


def policy_norm(solver: Solver, groups: list[Group]) -> float:
    """The norm of the gradient on the policy's body."""
    config = solver.policy.config
    objective: Any = solver._objective
    solver.policy.version = 0
    for step in objective.plan(Stage(solver.policy, groups, Seed(1), config)).steps:
        for one in step:
            (one.share * one.loss()[0]).backward()
    body = [p.grad for p in solver.policy.module.parameters() if p.grad is not None]
    norm = float(torch.nn.utils.get_total_norm(body))
    solver.policy.optimizer.zero_grad()
    return norm


@pytest.mark.parametrize("cut", [{"top_p": 0.5}, {"top_k": 3}, {"top_p": 0.5, "temperature": 0.7}])
def test_how_far_truncation_moves_responses_is_told_and_not_taken_for_the_policys(
    tiny_model_dir: Path, cut: dict[str, Any]
) -> None:
    sampling = Sampling(n=4, max_new_tokens=6, **cut)
    solver = make(tiny_model_dir, sampling=sampling)
    groups = judged(solver)
    stage = Stage(solver.policy, groups, Seed(1), solver.policy.config)
    drawn = [stage.response(place).logprobs for place in stage.scored]
    gaps = [
        float((gen - old).sum())
        for gen, old in zip(drawn, stage.sampling_logps(stage.scored), strict=True)
        if gen is not None
    ]
    assert (stage.corrections(stage.scored) == 1.0).all()
    found = solver.learn(groups, Seed(1))
    assert found["generation_truncation"] == pytest.approx(np.mean(gaps), abs=1e-4)
    assert found["generation_truncation"] > 0.3
    assert "generation_mismatch" not in found


def test_a_whole_distribution_has_no_truncation_to_tell_of(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, sampling=Sampling(n=4, max_new_tokens=6, temperature=0.7))
    found = solver.learn(judged(solver), Seed(1))
    assert found["generation_mismatch_max"] < TOLERANCE
    assert "generation_truncation" not in found


def test_a_recorded_reference_that_is_no_number_is_refused_by_name(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "dpo", reference="precomputed")
    groups = with_one(judged(solver, rewards=[[0.0, 1.0, 0.0, 0.0]]), impossible)
    with pytest.raises(DataError, match=r"finite .* response 1 to '3' has none, or others"):
        solver.learn(groups, Seed(1))
