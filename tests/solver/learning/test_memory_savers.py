"""What saves memory must not change what is learned: micro-batches, checkpointing, bfloat16."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from selfplay.core.components import chosen
from selfplay.core.seeding import Seed
from solver.examples.table import PAIRINGS
from solver.learning.stage import Stage
from solver.objectives.build import build_objective
from solver.objectives.rows.trl import DpoOptions
from tests.solver.small_solver import judged, make, weights


def gradients(directory: Path, name: str, options: Any, tokens: int) -> tuple[list[Any], int]:
    """The summed gradients of a stage's one step, and of how many passes it is."""
    solver = make(directory, name, options, micro_batch_tokens=tokens)
    config = solver.policy.config
    stage = Stage(solver.policy, judged(solver), Seed(1), config)
    (step,) = build_objective(config.objective, config).plan(stage).steps
    for one in step:
        (one.share * one.loss()[0]).backward()
    return [parameter.grad.clone() for parameter in solver.policy.learned], len(step)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("rloo", None),
        ("dpo", None),
        ("dpo", DpoOptions(chosen("all_pairs", PAIRINGS))),
        ("simpo", None),
        ("tdpo2", None),
    ],
)
def test_micro_batches_give_the_gradient_of_one_batch(
    tiny_model_dir: Path, name: str, options: Any
) -> None:
    whole, one = gradients(tiny_model_dir, name, options, 1_000_000)
    parts, many = gradients(tiny_model_dir, name, options, 50)
    assert one == 1
    assert many > 2
    scale = max(float(gradient.abs().max()) for gradient in whole)
    for expected, found in zip(whole, parts, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-4 * scale, rtol=1e-3)


@pytest.mark.parametrize("lora", [False, True])
def test_checkpointing_learns_the_same_weights(tiny_model_dir: Path, lora: bool) -> None:
    plain, once = learned_with(tiny_model_dir, lora, gradient_checkpointing=False)
    checkpointed, twice = learned_with(tiny_model_dir, lora, gradient_checkpointing=True)
    assert twice == 2 * once
    for name, expected in plain.items():
        torch.testing.assert_close(checkpointed[name], expected, atol=1e-6, rtol=1e-4)


def learned_with(directory: Path, lora: bool, **rest: Any) -> tuple[dict[str, torch.Tensor], int]:
    """The weights after a stage, and how often the first layer ran with gradients."""
    solver = make(directory, "simpo", lora=lora, minibatches=2, **rest)
    groups = judged(solver)
    calls: list[bool] = []
    layer = solver.policy.module.model.layers[0].input_layernorm
    layer.register_forward_pre_hook(lambda *_: calls.append(torch.is_grad_enabled()))
    solver.learn(groups, Seed(1))
    return weights(solver), sum(calls)


def test_checkpointing_is_off_again_when_the_stage_is_over(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "dpo", gradient_checkpointing=True)
    solver.learn(judged(solver), Seed(1))
    module = solver.policy.module
    assert not module.is_activation_checkpointing
    assert not module.get_input_embeddings()._forward_hooks


@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("name", ["dpo", "gpo"])
def test_mixed_precision_learns_weights_that_stay_float32(
    tiny_model_dir: Path, name: str, lora: bool
) -> None:
    options = {"mixed_precision": True, "epochs": 4, "learning_rate": 1e-2}
    solver = make(tiny_model_dir, name, lora=lora, **options)
    groups = judged(solver)
    metrics = solver.learn(groups, Seed(1))
    assert {parameter.dtype for parameter in solver.policy.learned} == {torch.float32}
    assert metrics["loss"] < math.log(2) - 0.05
    assert metrics["kl"] > 1e-3
