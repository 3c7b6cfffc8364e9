"""Gradients that a solver takes, against the documented formulas worked out in float64.

Responses are the solver's own samples, under temperatures other than 1 too, and a second learning
stage follows the first, so that π_old, π_ref and π are three policies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Sampling
from solver.objectives.rows.cgpo import CrpgOptions
from solver.objectives.rows.groups import DapoOptions, DrGrpoOptions, GrpoOptions, RlooOptions
from solver.objectives.rows.ppo import PpoOptions
from solver.solver import Solver
from tests.solver.objectives.exact import Exact, Place, Tensors, Watch, off
from tests.solver.small_solver import judged, make

LONGEST = 6
TOLERANCE = 2e-4
"""Of float32, relative."""

Old = dict[Place, torch.Tensor]


def learned(
    directory: Path, name: str, options: Any, temperature: float, **more: Any
) -> tuple[Solver, Tensors, list[Group], Watch]:
    """A solver after two stages, its first weights, the second stage's groups and steps."""
    solver = make(
        directory,
        name,
        options,
        sampling=Sampling(n=4, max_new_tokens=LONGEST, temperature=temperature),
        epochs=2,
        max_grad_norm=1e9,
        micro_batch_tokens=60,
        **{"learning_rate": 3e-3} | more,
    )
    first = {n: p.detach().double().clone() for n, p in solver.policy.named_parameters()}
    solver.learn(judged(solver, seed=1), Seed(1))
    groups, watch = judged(solver, seed=2, violating=(1,)), Watch(solver)
    solver.learn(groups, Seed(2))
    assert len(watch.steps) == 2
    return solver, first, groups, watch


def places(groups: Sequence[Group]) -> list[Place]:
    return [(p, g) for p, group in enumerate(groups) for g in range(len(group.responses))]


def under(exact: Exact, groups: Sequence[Group], temperature: float) -> Old:
    with torch.no_grad():
        return {(p, g): exact.logps(groups[p], g, temperature) for p, g in places(groups)}


def surrogate(ratio: torch.Tensor, advantage: Any, low: float, high: float) -> torch.Tensor:
    return -torch.minimum(ratio * advantage, ratio.clamp(1 - low, 1 + high) * advantage)


def k3(logps: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """π_ref/π - log(π_ref/π) - 1 (arXiv 2402.03300, eq. 4)."""
    return torch.exp(reference - logps) - (reference - logps) - 1


Term = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, float], torch.Tensor]


def tokens(beta: float, high: float) -> Term:
    def term(now: torch.Tensor, old: torch.Tensor, ref: torch.Tensor, a: float) -> torch.Tensor:
        return surrogate(torch.exp(now - old), a, 0.2, high) + beta * k3(now, ref)

    return term


def gspo(now: torch.Tensor, old: torch.Tensor, ref: torch.Tensor, a: float) -> torch.Tensor:
    return surrogate(torch.exp((now - old).mean()), a, 0.2, 0.2) + 0.1 * k3(now, ref)


SIZES: dict[str, Callable[[list[torch.Tensor]], torch.Tensor]] = {
    "grpo": lambda rows: torch.stack([row.mean() for row in rows]).mean(),
    "dr_grpo": lambda rows: torch.stack([row.sum() / LONGEST for row in rows]).mean(),
    "dapo": lambda rows: torch.cat(rows).mean(),
}


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize(
    ("name", "options", "term"),
    [
        ("grpo", GrpoOptions(beta=0.1), tokens(0.1, 0.2)),
        ("grpo", GrpoOptions(beta=0.1, importance="sequence"), gspo),
        ("dr_grpo", DrGrpoOptions(beta=0.1), tokens(0.1, 0.2)),
        ("dapo", DapoOptions(beta=0.1, overlong=0.0), tokens(0.1, 0.28)),
    ],
    ids=["grpo", "gspo", "dr_grpo", "dapo"],
)
def test_the_kl_of_the_grpo_family_is_plain_k3_beside_the_surrogate(
    tiny_model_dir: Path, name: str, options: GrpoOptions, term: Term, temperature: float
) -> None:
    solver, first, groups, watch = learned(tiny_model_dir, name, options, temperature)
    reference = under(Exact(solver, first), groups, temperature)
    old = under(Exact(solver, watch.steps[0].weights), groups, temperature)
    for step in watch.steps:
        exact, rows = Exact(solver, step.weights), []
        for p, g in places(groups):
            if options.mask_truncated and groups[p].responses[g].finish_reason == "length":
                continue
            rewards = groups[p].rewards
            scale = 1.0 if name == "dr_grpo" else rewards.std(ddof=1) + 1e-4
            advantage = float((rewards[g] - rewards.mean()) / scale)
            now = exact.logps(groups[p], g, temperature)
            row = term(now, old[p, g], reference[p, g], advantage)
            rows.append(row.expand(len(now)))
        expected, _ = exact.gradient(SIZES[name](rows))
        assert off(step.gradient, expected) < TOLERANCE


@pytest.mark.parametrize(
    ("name", "options", "high"),
    [
        ("grpo", GrpoOptions(beta=0.1, mask_truncated=True), 0.2),
        ("dr_grpo", DrGrpoOptions(beta=0.1, mask_truncated=True), 0.2),
        ("dapo", DapoOptions(beta=0.1, overlong=0.0, mask_truncated=True), 0.28),
    ],
)
def test_cut_off_responses_are_left_out_of_the_loss_and_of_its_mean(
    tiny_model_dir: Path, name: str, options: GrpoOptions, high: float
) -> None:
    groups = learned(tiny_model_dir, name, options, 1.0)[2]
    cut = [r.finish_reason == "length" for group in groups for r in group.responses]
    assert 0 < sum(cut) < len(cut)
    test_the_kl_of_the_grpo_family_is_plain_k3_beside_the_surrogate(
        tiny_model_dir, name, options, tokens(0.1, high), 1.0
    )


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_rloo_takes_ratio_and_kl_at_the_sampling_temperature(
    tiny_model_dir: Path, temperature: float
) -> None:
    beta = 0.1
    solver, first, groups, watch = learned(tiny_model_dir, "rloo", RlooOptions(beta), temperature)
    reference = under(Exact(solver, first), groups, temperature)
    old = under(Exact(solver, watch.steps[0].weights), groups, temperature)
    shaped = {
        (p, g): float(groups[p].rewards[g]) - beta * float((old[p, g] - reference[p, g]).sum())
        for p, g in places(groups)
    }
    for step in watch.steps:
        exact, losses = Exact(solver, step.weights), []
        for p, g in places(groups):
            others = [shaped[p, j] for j in range(4) if j != g]
            ratio = torch.exp((exact.logps(groups[p], g, temperature) - old[p, g]).sum())
            losses.append(surrogate(ratio, shaped[p, g] - np.mean(others), 0.2, 0.2))
        expected, _ = exact.gradient(torch.stack(losses).mean())
        assert off(step.gradient, expected) < TOLERANCE


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_ppo_takes_ratio_and_kl_at_the_sampling_temperature(
    tiny_model_dir: Path, temperature: float
) -> None:
    """A KL at another temperature than the samples' can be negative, and pay for drifting."""
    o = PpoOptions(beta=0.2)
    assert o.epsilon_value is not None
    solver, first, groups, watch = learned(
        tiny_model_dir, "ppo", o, temperature, head_rate=10.0, learning_rate=1e-3
    )
    start = watch.steps[0].weights
    reference = under(Exact(solver, first), groups, temperature)
    model = Exact(solver, start)
    old = under(model, groups, temperature)
    with torch.no_grad():
        values = {
            (p, g): (model.states(groups[p], g) @ start["heads.value.weight"].T)[:, 0]
            for p, g in places(groups)
        }
    advantages: Old = {}
    for p, g in places(groups):
        rewards = -o.beta * (old[p, g] - reference[p, g])
        rewards[-1] += float(groups[p].rewards[g])
        following = torch.cat([values[p, g][1:], torch.zeros(1)])
        errors = rewards + o.gamma * following - values[p, g]
        found = torch.zeros_like(errors)
        for t in range(len(errors)):
            ahead = torch.arange(len(errors) - t, dtype=torch.float64)
            found[t] = ((o.gamma * o.gae_lambda) ** ahead * errors[t:]).sum()
        advantages[p, g] = found
    everything = torch.cat(list(advantages.values()))
    for step in watch.steps:
        exact, losses, errors_of_value = Exact(solver, step.weights), [], []
        head = step.weights["heads.value.weight"].clone().requires_grad_()
        for p, g in places(groups):
            whitened = (advantages[p, g] - everything.mean()) / (everything.std() + 1e-8)
            ratio = torch.exp(exact.logps(groups[p], g, temperature) - old[p, g])
            losses.append(surrogate(ratio, whitened, o.epsilon, o.epsilon))
            value, before = (exact.states(groups[p], g) @ head.T)[:, 0], values[p, g]
            near = before + (value - before).clamp(-o.epsilon_value, o.epsilon_value)
            goal = advantages[p, g] + before
            errors_of_value.append(torch.maximum((value - goal) ** 2, (near - goal) ** 2) / 2)
        loss = torch.cat(losses).mean() + o.value_weight * torch.cat(errors_of_value).mean()
        expected, (of_head,) = exact.gradient(loss, head)
        assert off(step.gradient, expected | {"heads.value.weight": of_head}) < TOLERANCE


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_crpg_is_the_policy_gradient_of_the_policy_that_sampled(
    tiny_model_dir: Path, temperature: float
) -> None:
    o = CrpgOptions(kl_max=5.0)
    solver, first, groups, watch = learned(tiny_model_dir, "crpg", o, temperature)
    reference = under(Exact(solver, first), groups, temperature)
    step = watch.steps[0]
    exact = Exact(solver, step.weights)
    old, weights = under(exact, groups, temperature), {}
    for p, g in places(groups):
        rewards, verdict = groups[p].rewards, groups[p].verdicts[g]
        calibrated = 1 / (1 + np.exp(np.delete(rewards, g).mean() - rewards[g]))
        kept = 1 - float((old[p, g] - reference[p, g]).sum()) / o.kl_max
        weights[p, g] = 0.0 if verdict.violations else min(1.0, max(0.0, kept)) * calibrated
    centre = np.mean(list(weights.values()))
    loss = torch.stack(
        [
            -(weights[p, g] - centre) * exact.logps(groups[p], g, temperature).sum()
            for p, g in places(groups)
        ]
    ).mean()
    expected, _ = exact.gradient(loss)
    assert off(step.gradient, expected) < TOLERANCE
