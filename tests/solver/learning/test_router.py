"""The load-balancing loss of a mixture of experts: once in each step, under any objective."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, Qwen3MoeConfig, Qwen3MoeForCausalLM

from selfplay.core.errors import ConfigError
from selfplay.core.seeding import Seed
from solver.learning.batches import padded_labels, padded_rows
from solver.learning.stage import Stage
from solver.objectives.rows.groups import DapoOptions, GrpoOptions
from tests.solver.objectives.exact import Watch
from tests.solver.small_solver import judged, make

WEIGHT = 0.5


@pytest.fixture(scope="module")
def experts_dir(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random two-layer mixture of four experts, of which two are asked."""
    directory = tmp_path_factory.mktemp("experts")
    config = Qwen3MoeConfig(
        vocab_size=99,
        hidden_size=32,
        moe_intermediate_size=16,
        num_experts=4,
        num_experts_per_tok=2,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=256,
        initializer_range=0.3,
        router_aux_loss_coef=WEIGHT,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=1,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        Qwen3MoeForCausalLM(config).save_pretrained(directory)
    AutoTokenizer.from_pretrained(tiny_model_dir).save_pretrained(directory)
    return directory


def gradient(directory: Path, name: str, options: Any = None, **more: Any) -> dict[str, Any]:
    """Of the first step, and the learning stage's metrics under `metrics`."""
    solver = make(directory, name, options, max_grad_norm=1e9, **more)
    watch = Watch(solver)
    metrics = solver.learn(judged(solver), Seed(1))
    return watch.steps[0].gradient | {"metrics": metrics}


def of_router(with_it: dict[str, Any], without: dict[str, Any]) -> torch.Tensor:
    """What the router's loss adds to the gradient of the routers, in one row."""
    names = [name for name in with_it if name.endswith("gate.weight")]
    return torch.cat([(with_it[n] - without[n]).flatten() for n in names])


CASES = [
    ("dpo", None),
    ("simpo", None),
    ("grpo", GrpoOptions(beta=0.0)),
    ("dapo", DapoOptions(overlong=0.0)),
    ("rloo", None),
    ("kto", None),
    ("sft", None),
    ("sppo", None),
    ("tdpo2", None),
    ("ppo", None),
    ("crpg", None),
]


@pytest.mark.parametrize(("name", "options"), CASES, ids=[name for name, _ in CASES])
def test_it_counts_once_whatever_the_objective_and_the_passes(
    experts_dir: Path, name: str, options: Any
) -> None:
    cut = {"micro_batch_tokens": 40}
    without = gradient(experts_dir, name, options, router_loss=0.0, **cut)
    whole = gradient(experts_dir, name, options)
    assert "aux_loss" not in without["metrics"]
    assert whole["metrics"]["aux_loss"] > 1.0
    found = of_router(gradient(experts_dir, name, options, **cut), without)
    in_one = of_router(whole, gradient(experts_dir, name, options, router_loss=0.0))
    # The loss is not linear in the tokens, so that passes of a step agree in size, not in digits.
    assert 0.5 < float(found.norm() / in_one.norm()) < 2.0


def test_its_gradient_is_that_of_the_models_own_loss_without_padding(experts_dir: Path) -> None:
    whole = gradient(experts_dir, "sft")
    without = gradient(experts_dir, "sft", router_loss=0.0)
    solver = make(experts_dir, "sft")
    groups = judged(solver)
    stage = Stage(solver.policy, groups, Seed(1), solver.policy.config)
    best = [(p, int(group.rewards.argmax())) for p, group in enumerate(groups)]
    rows = stage.rows(best)
    labels = padded_labels(rows)
    mask = torch.tensor([[t < row.length for t in range(labels.size(1))] for row in rows]).long()
    module = Qwen3MoeForCausalLM.from_pretrained(experts_dir, dtype=torch.float32)
    loss = module(
        padded_rows(rows, 0)[:, :-1], attention_mask=mask[:, :-1], output_router_logits=True
    ).aux_loss
    assert loss is not None
    (WEIGHT * loss).backward()
    expected = torch.cat(
        [p.grad.flatten() for n, p in module.named_parameters() if n.endswith("gate.weight")]
    )
    torch.testing.assert_close(of_router(whole, without).float(), expected, rtol=1e-3, atol=1e-5)
    assert whole["metrics"]["aux_loss"] == pytest.approx(loss.item(), rel=1e-5)


@pytest.mark.parametrize("name", ["dpo", "sft"])
def test_a_configuration_that_always_asks_for_the_routers_logits_changes_nothing(
    experts_dir: Path, tmp_path: Path, name: str
) -> None:
    asking = tmp_path / "asking"
    shutil.copytree(experts_dir, asking)
    config = json.loads((asking / "config.json").read_text())
    (asking / "config.json").write_text(json.dumps(config | {"output_router_logits": True}))
    found, expected = gradient(asking, name), gradient(experts_dir, name)
    assert found.pop("metrics")["aux_loss"] == expected.pop("metrics")["aux_loss"]
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_a_weight_without_a_router_is_refused_before_anything_is_learned(
    tiny_model_dir: Path,
) -> None:
    with pytest.raises(ConfigError, match=r"solver\.router_loss: expected null or 0"):
        make(tiny_model_dir, "dpo", router_loss=0.01)
    make(tiny_model_dir, "dpo", router_loss=0.0)
