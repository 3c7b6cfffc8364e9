"""Adapters in place of whole weights: their options, and what a quantised base needs."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from selfplay.config import load_config
from selfplay.core.components import chosen
from selfplay.core.errors import ConfigError, ModelError, ResourceError
from selfplay.core.models import pretrained
from selfplay.core.models.pretrained import load_pretrained
from selfplay.core.seeding import Seed
from selfplay.core.types import Sampling
from solver.config import LoraConfig, PolicyConfig, SolverConfig
from solver.objectives.table import OBJECTIVES
from solver.policy import Policy
from solver.solver import Solver
from tests.solver.small_solver import judged

ADAPTED = LoraConfig(enabled=True, r=4, alpha=8)


def make(directory: Path, lora: LoraConfig = ADAPTED, **rest: Any) -> Solver:
    policy = PolicyConfig(str(directory), device="cpu", threads=1, lora=lora, **rest)
    config = SolverConfig(
        Sampling(n=4, max_new_tokens=6), chosen("dpo", OBJECTIVES), learning_rate=1e-2
    )
    return Solver(config, Policy.load(policy, config))


def logits(solver: Solver) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = solver.policy.module(torch.arange(5, 15)[None]).logits
    return found


VARIANTS = {
    "plain": {},
    "rslora": {"rslora": True},
    "dora": {"dora": True},
    "gaussian": {"init": "gaussian"},
    "norm": {"modules_to_save": ["norm"]},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_begins_as_its_base_learns_and_comes_back(
    tiny_model_dir: Path, tmp_path: Path, variant: str
) -> None:
    lora = replace(ADAPTED, **VARIANTS[variant])
    solver, other = make(tiny_model_dir, lora), make(tiny_model_dir, lora)
    start = logits(make(tiny_model_dir, LoraConfig()))
    torch.testing.assert_close(logits(solver), start, atol=1e-5, rtol=0)
    assert solver.learn(judged(solver), Seed(1))["kl"] > 1e-4
    with torch.no_grad():
        base = solver.policy.reference("initial")(torch.arange(5, 15)[None]).logits
    torch.testing.assert_close(base, start, atol=1e-6, rtol=0)
    digest = solver.save(tmp_path / "a")
    other.restore(tmp_path / "a")
    torch.testing.assert_close(logits(other), logits(solver), atol=0, rtol=0)
    groups = judged(solver, seed=3)
    assert solver.learn(groups, Seed(2)) == other.learn(groups, Seed(2))
    assert solver.save(tmp_path / "b") == other.save(tmp_path / "c") != digest


def test_rslora_scales_by_the_root_of_the_rank(tiny_model_dir: Path) -> None:
    for rslora, expected in ((False, 8 / 4), (True, 8 / 2)):
        module = make(tiny_model_dir, replace(ADAPTED, rslora=rslora)).policy.module
        layer = module.model.layers[0].mlp.up_proj
        assert layer.scaling["default"] == pytest.approx(expected)


def test_dora_learns_one_magnitude_for_each_output(tiny_model_dir: Path) -> None:
    policy = make(tiny_model_dir, replace(ADAPTED, dora=True)).policy
    names = {n: p.shape for n, p in policy.named_parameters() if p.requires_grad}
    magnitudes = [shape for name, shape in names.items() if "magnitude" in name]
    assert len(magnitudes) == 14
    assert all(len(shape) == 1 for shape in magnitudes)


def test_modules_to_save_learn_whole(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, replace(ADAPTED, modules_to_save=["norm"]))
    learned = dict(solver.policy.named_parameters())
    names = [n for n, p in learned.items() if p.requires_grad and "lora" not in n]
    before = {name: learned[name].detach().clone() for name in names}
    solver.learn(judged(solver), Seed(1))
    assert len(names) == 5
    assert all("norm" in name for name in names)
    assert not any(torch.equal(learned[name], before[name]) for name in names)


def test_gaussian_factors_are_drawn_from_another_distribution(tiny_model_dir: Path) -> None:
    factors = [
        make(tiny_model_dir, replace(ADAPTED, init=init))
        .policy.module.model.layers[0]
        .mlp.up_proj.lora_A["default"]
        .weight.detach()
        for init in ("kaiming", "gaussian")
    ]
    bound = 1 / math.sqrt(factors[0].shape[1])
    assert float(factors[0].abs().max()) <= bound
    assert float(factors[1].abs().max()) > bound


def test_adapters_learn_over_a_frozen_bfloat16_base(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, dtype="bfloat16")
    module = solver.policy.module
    kinds = {p.requires_grad: p.dtype for p in module.parameters()}
    assert kinds == {True: torch.float32, False: torch.bfloat16}
    base = {n: p.clone() for n, p in module.named_parameters() if not p.requires_grad}
    metrics = solver.learn(judged(solver), Seed(1))
    assert metrics["loss"] == pytest.approx(math.log(2), abs=2e-2)
    assert metrics["kl"] > 1e-4
    assert all(torch.equal(p, base[n]) for n, p in module.named_parameters() if n in base)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"r": 0}, "model.lora.r: expected 1 or more"),
        ({"dropout": 1.0}, "model.lora.dropout: expected 0 or more and below 1"),
        ({"init": "gausian"}, "did you mean 'gaussian'"),
    ],
)
def test_impossible_adapters_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(ADAPTED, **change).check("model.lora")


@pytest.mark.parametrize("option", ["target_modules", "modules_to_save"])
def test_the_output_head_cannot_be_adapted(tiny_model_dir: Path, option: str) -> None:
    with pytest.raises(ConfigError, match=f"model.lora.{option}: the output head"):
        make(tiny_model_dir, replace(ADAPTED, **{option: ["lm_head"]}))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["quantization=4bit"],
            "lora.enabled: expected true with .*quantised weights cannot learn",
        ),
        (["quantization=4bits", "lora.enabled=true"], "did you mean '4bit'"),
    ],
)
def test_impossible_quantisations_are_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(None, overrides, PolicyConfig)


def test_a_quantised_model_needs_cuda_before_it_is_looked_for() -> None:
    with pytest.raises(ResourceError, match="expected a CUDA device, found 'cpu'"):
        load_pretrained("no/such/model/anywhere", device="cpu", quantization="4bit")


def test_a_quantised_model_needs_bitsandbytes_before_it_is_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pretrained, "device_of", lambda _name: torch.device("cuda"))
    monkeypatch.setattr(pretrained, "find_spec", lambda _name: None)
    with pytest.raises(ResourceError, match="pip install bitsandbytes"):
        load_pretrained("no/such/model/anywhere", device="cuda", quantization="8bit")


def test_an_unknown_quantisation_is_a_model_error() -> None:
    with pytest.raises(ModelError, match="Unknown quantization '2bit'"):
        load_pretrained("no/such/model/anywhere", device="cpu", quantization="2bit")


@pytest.mark.parametrize("quantization", ["4bit", "8bit"])
def test_adapters_learn_over_a_quantised_base(
    tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch, quantization: str
) -> None:
    pytest.importorskip("bitsandbytes", reason="quantised bases need the package bitsandbytes")
    # bitsandbytes has slow kernels for CPUs, which are enough to see that all parts fit.
    monkeypatch.setattr(pretrained, "QUANTIZED_DEVICES", ("cuda", "cpu"))
    solver = make(tiny_model_dir, dtype="bfloat16", quantization=quantization)
    dtypes = {parameter.dtype for parameter in solver.policy.module.parameters()}
    assert dtypes & {torch.uint8, torch.int8}
    metrics = solver.learn(judged(solver), Seed(1))
    assert metrics["loss"] == pytest.approx(math.log(2), abs=2e-2)
    assert metrics["kl"] > 1e-4
