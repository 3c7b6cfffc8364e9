"""Weights in bfloat16 learn as float32 ones do: by float32 masters, which survive a kill."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import Parameter

from selfplay.config import load_config
from selfplay.config.settings import RunConfig
from selfplay.core.errors import ConfigError
from selfplay.core.seeding import Seed
from solver.checkpoint import MOMENTS, _digest, policy_digest
from solver.config import LoraConfig
from solver.learning.stage import Stage
from solver.masters import Masters
from solver.objectives.objective import PlannedObjective
from solver.objectives.rows.procedures import PaftOptions
from solver.solver import Solver
from tests.solver.small_solver import PROMPTS, judged, make, weights

RATE = 1e-6
"""The usual rate of whole weights, at which bfloat16 by itself stands still."""

LOW = {"dtype": "bfloat16"}


def masters_of(solver: Solver) -> dict[str, torch.Tensor]:
    policy = solver.policy
    return {n: policy.masters.of(p).detach().clone() for n, p in policy.named_parameters()}


def learn(solver: Solver, rounds: int = 2, first: int = 0) -> list[dict[str, float]]:
    return [solver.learn(judged(solver, seed=t), Seed(t)) for t in range(first, first + rounds)]


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> float:
    """The share of the numbers that differ."""
    moved = sum(int((before[name] != after[name]).sum()) for name in before)
    return moved / sum(tensor.numel() for tensor in before.values())


@pytest.mark.parametrize("name", ["dpo", "grpo"])
def test_at_a_usual_rate_as_many_masters_change_as_weights_in_float32(
    tiny_model_dir: Path, name: str
) -> None:
    shares = {}
    for dtype in ("float32", "bfloat16"):
        solver = make(tiny_model_dir, name, dtype=dtype, learning_rate=RATE, epochs=5)
        before = masters_of(solver)
        assert solver.learn(judged(solver), Seed(1))["steps"] == 5
        shares[dtype] = changed(before, masters_of(solver))
    assert shares["bfloat16"] == pytest.approx(shares["float32"], abs=1e-3)
    assert shares["bfloat16"] > 0.98


def test_the_weights_are_their_masters_rounded(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "dpo", **LOW, learning_rate=1e-4)
    start = weights(solver)
    learn(solver)
    masters = masters_of(solver)
    for name, weight in weights(solver).items():
        assert weight.dtype == torch.bfloat16
        assert masters[name].dtype == torch.float32
        assert torch.equal(weight, masters[name].bfloat16())
    assert changed(start, weights(solver)) > 0.05


def test_a_float32_weight_is_its_own_master(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "ppo")
    assert {id(p) for p in solver.policy.learned} == {
        id(p) for _, p in solver.policy.named_parameters()
    }


def test_gradients_of_the_passes_are_added_up_in_float32(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "simpo", **LOW, micro_batch_tokens=1)
    objective, policy = solver._objective, solver.policy
    assert isinstance(objective, PlannedObjective)
    ((*passes,),) = objective.plan(Stage(policy, judged(solver), Seed(0), policy.config)).steps
    assert len(passes) >= 4
    by_pass = []
    policy.optimizer.zero_grad()
    for one in passes:
        (one.share * one.loss()[0]).backward()
        by_pass.append([None if p.grad is None else p.grad.clone() for p in policy.learned])
        policy.optimizer.zero_grad(set_to_none=True)
    for one in passes:
        (one.share * one.loss()[0]).backward()
    for i, master in enumerate(policy.learned):
        assert master.grad is not None
        assert master.grad.dtype == torch.float32
        expected = sum(found[i] for found in by_pass if found[i] is not None)
        torch.testing.assert_close(master.grad, expected, rtol=1e-6, atol=1e-9)
    assert all(p.grad is None for p in policy.module.parameters())


@pytest.mark.parametrize("lora", [False, LoraConfig(enabled=True, modules_to_save=["norm"])])
def test_learning_after_restore_is_bit_identical(
    tiny_model_dir: Path, tmp_path: Path, lora: Any
) -> None:
    options: Any = {"lora": lora, "reference": "moving_average", "learning_rate": 1e-4}
    one, other = (make(tiny_model_dir, "dpo", **LOW, **options) for _ in range(2))
    learn(one)
    digest = one.save(tmp_path / "a")
    other.restore(tmp_path / "a")
    assert policy_digest(other.policy) == digest
    groups = judged(one, seed=7)
    assert one.learn(groups, Seed(9)) == other.learn(groups, Seed(9))
    assert one.save(tmp_path / "b") == other.save(tmp_path / "c") != digest


def test_weights_are_saved_in_the_models_dtype_and_masters_with_the_optimiser(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    solver = make(tiny_model_dir, "dpo", **LOW)
    before = solver.save(tmp_path / "a")
    name = "model.norm.weight"
    solver.policy.masters.of(dict(solver.policy.named_parameters())[name]).data.add_(1e-6)
    assert solver.save(tmp_path / "b") != before
    learn(solver, 1)
    solver.save(tmp_path / "c")
    assert {t.dtype for t in load_file(tmp_path / "c/model.safetensors").values()} == {
        torch.bfloat16
    }
    saved = load_file(tmp_path / "c/optimizer.safetensors")
    assert {t.dtype for t in saved.values()} == {torch.float32}
    assert torch.equal(saved[f"{name}.master"], masters_of(solver)[name])


def test_a_policy_without_masters_of_an_earlier_release_goes_on(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    solver, other = (make(tiny_model_dir, "dpo", **LOW, learning_rate=1e-4) for _ in range(2))
    learn(solver)
    made_earlier(solver, tmp_path / "a")
    other.restore(tmp_path / "a")
    for name, master in masters_of(other).items():
        assert torch.equal(master, weights(solver)[name].float())
    states = other.policy.optimizer.state
    assert {t.dtype for state in states.values() for t in state.values()} == {torch.float32}
    learn(other, 1, first=5)
    assert changed(masters_of(solver), masters_of(other)) > 0.98


def made_earlier(solver: Solver, directory: Path) -> None:
    """A saved policy as it was written while AdamW moved bfloat16 weights themselves."""
    solver.save(directory)
    tensors = load_file(directory / "optimizer.safetensors")
    earlier = {
        name: tensor if name.endswith(".step") else tensor.bfloat16()
        for name, tensor in tensors.items()
        if not name.endswith(".master")
    }
    save_file(earlier, directory / "optimizer.safetensors")
    header = json.loads((directory / "policy.json").read_text())
    header["sha256"] = _digest(weights(solver), earlier, {}, {})
    (directory / "policy.json").write_text(json.dumps(header))
    assert {name.rsplit(".", 1)[1] for name in earlier} == set(MOMENTS)


def test_a_moving_average_keeps_what_bfloat16_would_lose(tiny_model_dir: Path) -> None:
    options: Any = {"reference": "moving_average", "reference_decay": 0.999, "learning_rate": 1e-4}
    solver = make(tiny_model_dir, "dpo", **LOW, **options)
    expected = masters_of(solver)
    for t in range(3):
        learn(solver, 1, first=t)
        now = masters_of(solver)
        expected = {k: 0.999 * v + 0.001 * now[k] for k, v in expected.items()}
    for name, average in solver.policy.averaged.items():
        torch.testing.assert_close(average, expected[name], rtol=1e-6, atol=1e-8)
    scored = dict(solver.policy.reference("moving_average").named_parameters())
    for name, average in solver.policy.averaged.items():
        assert torch.equal(scored[name], average.bfloat16())


def test_what_is_merged_into_weights_is_kept_where_it_would_be_rounded_away() -> None:
    weight = Parameter(torch.ones(4, dtype=torch.bfloat16))
    masters = Masters([weight])
    for _ in range(100):
        masters.add(weight, torch.full((4,), 1e-4))
    torch.testing.assert_close(masters.of(weight).detach(), torch.full((4,), 1.01))
    assert weight.tolist() == [1.0078125] * 4


def test_paft_merges_into_the_masters(tiny_model_dir: Path) -> None:
    options = PaftOptions(r=2, alpha=4)
    found = {}
    for dtype in ("float32", "bfloat16"):
        solver = make(tiny_model_dir, "paft", options, dtype=dtype, learning_rate=1e-5)
        before = masters_of(solver)
        learn(solver, 1)
        found[dtype] = changed(before, masters_of(solver))
        for name, weight in weights(solver).items():
            assert torch.equal(weight, masters_of(solver)[name].to(weight.dtype))
    assert found["bfloat16"] == pytest.approx(found["float32"], abs=0.05)
    assert found["bfloat16"] > 0.3


@pytest.mark.parametrize("kind", ["norm", "embed_tokens", "down_proj", "mlp"])
@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`")
def test_whole_modules_beside_adapters_learn_in_float32(
    tiny_model_dir: Path, tmp_path: Path, kind: str
) -> None:
    lora = LoraConfig(enabled=True, r=2, target_modules=["q_proj"], modules_to_save=[kind])
    solver = make(tiny_model_dir, "dpo", lora=lora, **LOW, learning_rate=RATE, epochs=5)
    assert {p.dtype for p in solver.policy.learned} == {torch.float32}
    before = {n: w for n, w in weights(solver).items() if kind in n}
    assert before
    assert {w.dtype for w in before.values()} == {torch.float32}
    solver.learn(judged(solver), Seed(1))
    after = weights(solver)
    assert changed(before, {n: after[n] for n in before}) > 0.3
    solver.save(tmp_path / "adapter")
    alone = make(tmp_path / "adapter", "dpo", **LOW)
    for name, weight in weights(alone).items():
        assert torch.equal(weight, after[name])
    assert learn(alone, 1)[0]["grad_norm"] > 0


def test_heads_learn_in_float32_on_a_body_with_masters(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "ppo", **LOW)
    assert learn(solver, 1)[0]["value_loss"] > 0
    assert solver.policy.heads["value"].weight.dtype == torch.float32
    assert solver.policy.heads["value"].weight.any()


def test_a_reward_model_keeps_what_small_adapters_have_learned(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    solver = make(tiny_model_dir, "rm", lora=True, **LOW, learning_rate=1e-5)
    learn(solver, 1)
    layer = solver.policy.module.model.layers[0].mlp.up_proj
    change = layer.get_delta_weight("default")
    base = layer.get_base_layer().weight.detach()
    solver.export_reward_model(tmp_path / "rm")
    written = load_file(tmp_path / "rm/model.safetensors")["model.layers.0.mlp.up_proj.weight"]
    assert written.dtype == torch.float32
    torch.testing.assert_close(written - base.float(), change.detach(), rtol=0, atol=1e-7)
    assert (base + change.to(base.dtype) == base).float().mean() > 0.5


def test_nothing_but_learning_makes_masters(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "dpo", **LOW)
    solver.respond(PROMPTS, Seed(0))
    assert "masters" not in vars(solver.policy)


@pytest.mark.parametrize(
    "overrides",
    [
        ["model.dtype=float16"],
        [
            "creator.rewriter={name: transformers, path: DIR, dtype: float16}",
            "creator.training.enabled=true",
            "creator.operators=[{name: deepen}]",
        ],
    ],
)
def test_whole_weights_in_float16_are_refused(overrides: list[str]) -> None:
    with pytest.raises(ConfigError, match="float16 loses gradients below 6e-8"):
        load_config("tiny", overrides, RunConfig)


def test_a_frozen_float16_base_may_have_adapters(tiny_model_dir: Path) -> None:
    config = load_config("tiny", ["model.dtype=float16", "model.lora.enabled=true"], RunConfig)
    assert config.config.model.dtype == "float16"
    solver = make(tiny_model_dir, "dpo", lora=True, dtype="float16")
    assert learn(solver, 1)[0]["grad_norm"] > 0
    adapted = replace(config.config.model, path=str(tiny_model_dir))
    assert adapted.adapted
