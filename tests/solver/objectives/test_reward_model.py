"""The reward model: TRL's loss through our head, whole rankings, and its way to transformers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from trl import RewardConfig, RewardTrainer

from selfplay.core.components import chosen
from selfplay.core.errors import ConfigError, ModelError
from selfplay.core.seeding import Seed
from selfplay.core.types import Group
from solver.config import SolverConfig
from solver.examples.table import PAIRINGS, AllPairsOptions
from solver.export import export_reward_model, export_saved
from solver.heads import last_states, response_rewards
from solver.learning.stage import Stage
from solver.objectives.reward_model import RewardModel
from solver.objectives.rows.ppo import RewardModelOptions
from solver.solver import Solver
from tests.conftest import make_tiny_model
from tests.solver.small_solver import PROMPTS, judged, make, weights


def planned(solver: Solver, groups: list[Group], options: Any = None, **rest: Any) -> Any:
    config = SolverConfig(**rest)
    stage = Stage(solver.policy, groups, Seed(0), config)
    return RewardModel(options or RewardModelOptions(), config).plan(stage)


def in_trl(solver: Solver, groups: list[Group], scratch: Path, **options: Any) -> Any:
    """TRL's trainer used plainly on the exported model: its loss with gradients, and its model."""
    export_reward_model(solver.policy, scratch / "rm")
    model = AutoModelForSequenceClassification.from_pretrained(scratch / "rm", dtype="float32")
    prompts = solver.prompt_ids([group.prompt.messages for group in groups])
    rows = [
        {
            "chosen_ids": prompt + group.responses[w].token_ids.tolist(),
            "rejected_ids": prompt + group.responses[x].token_ids.tolist(),
            "margin": float(group.rewards[w] - group.rewards[x]),
        }
        for group, prompt in zip(groups, prompts, strict=True)
        for w in range(4)
        for x in range(4)
        if group.rewards[w] > group.rewards[x]
    ]
    if not options.pop("margin", False):
        rows = [{k: v for k, v in row.items() if k != "margin"} for row in rows]
    trainer = RewardTrainer(
        model,
        RewardConfig(
            str(scratch),
            report_to="none",
            use_cpu=True,
            bf16=False,
            activation_checkpointing=False,
            **options,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(scratch / "rm"),
    )
    loss = trainer.compute_loss(model.train(), trainer.data_collator(rows))
    loss.backward()
    return loss, model


@pytest.mark.parametrize("extra", [{}, {"center_rewards_coefficient": 0.3}, {"margin": True}])
def test_loss_and_gradients_are_those_of_trl_used_plainly(
    tiny_model_dir: Path, tmp_path: Path, extra: dict[str, Any]
) -> None:
    solver = make(tiny_model_dir, "rm")
    groups = judged(solver)
    expected, model = in_trl(solver, groups, tmp_path, **extra)
    options = RewardModelOptions(margin="margin" in extra)
    plan = planned(solver, groups, options, trl={k: v for k, v in extra.items() if k != "margin"})
    ((one,),) = plan.steps
    found, _ = one.loss()
    found.backward()
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    head = solver.policy.heads["reward"].weight
    torch.testing.assert_close(head.grad, model.score.weight.grad, rtol=1e-5, atol=1e-6)
    ours = dict(solver.policy.module.base_model.named_parameters())
    for name, parameter in model.base_model.named_parameters():
        torch.testing.assert_close(ours[name].grad, parameter.grad, rtol=1e-4, atol=1e-5)


def test_a_head_of_zeros_gives_ln_two(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "rm")
    with torch.no_grad():
        solver.policy.heads["reward"].weight.zero_()
    assert solver.learn(judged(solver), Seed(1))["loss"] == pytest.approx(math.log(2), abs=1e-6)


def test_it_learns_the_comparisons(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "rm", epochs=30, learning_rate=3e-3)
    groups = judged(solver)
    solver.learn(groups, Seed(1))
    scores = solver.reward_scores(groups)
    right = [
        (scores_G[w] > scores_G[x]) == (group.rewards[w] > group.rewards[x])
        for group, scores_G in zip(groups, scores, strict=True)
        for w in range(4)
        for x in range(w)
    ]
    assert np.mean(right) > 0.95


def test_all_comparisons_of_a_prompt_stay_in_one_pass_with_each_response_once(
    tiny_model_dir: Path,
) -> None:
    solver = make(tiny_model_dir, "rm")
    plan = planned(solver, judged(solver), micro_batch_tokens=1, minibatches=2)
    passes = [one for step in plan.steps for one in step]
    assert [len(one.batch["input_ids"]) for one in passes] == [4] * len(PROMPTS)
    assert [len(one.batch["both"]) for one in passes] == [12] * len(PROMPTS)
    assert [sum(one.share for one in step) for step in plan.steps] == [1.0, 1.0]


def test_passes_of_any_size_add_up_to_the_same_step(tiny_model_dir: Path) -> None:
    found = []
    for limit in (1, 10_000):
        solver = make(tiny_model_dir, "rm", micro_batch_tokens=limit)
        found.append(solver.learn(judged(solver), Seed(1)))
    assert found[0]["loss"] == pytest.approx(found[1]["loss"], rel=1e-5)
    assert found[0]["grad_norm"] == pytest.approx(found[1]["grad_norm"], rel=1e-4)


def test_one_pair_a_prompt_can_be_asked_for(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "rm")
    options = RewardModelOptions(chosen("max_min", PAIRINGS))
    assert planned(solver, judged(solver), options).metrics["pairs"] == len(PROMPTS)
    wide = RewardModelOptions(chosen("all_pairs", PAIRINGS, AllPairsOptions(margin=99.0)))
    assert planned(solver, judged(solver), wide).steps == ()


def test_equal_rewards_teach_nothing(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "rm")
    before = weights(solver)
    assert solver.learn(judged(solver, rewards=1.0), Seed(1))["steps"] == 0
    assert all(torch.equal(before[k], v) for k, v in weights(solver).items())


@pytest.mark.parametrize("lora", [False, True])
def test_learning_after_restore_is_bit_identical(
    tiny_model_dir: Path, tmp_path: Path, lora: bool
) -> None:
    one, other = (make(tiny_model_dir, "rm", lora=lora) for _ in range(2))
    one.learn(judged(one), Seed(1))
    one.save(tmp_path / "a")
    other.restore(tmp_path / "a")
    groups = judged(one, seed=5)
    assert one.learn(groups, Seed(2)) == other.learn(groups, Seed(2))
    assert one.save(tmp_path / "b") == other.save(tmp_path / "c")


def test_the_module_is_left_as_it_was(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "rm")
    labels = dict(solver.policy.module.config.id2label)
    solver.learn(judged(solver), Seed(1))
    assert solver.policy.module.config.id2label == labels
    assert not solver.policy.module.training


@pytest.mark.parametrize("lora", [False, True])
def test_transformers_scores_the_exported_model_as_we_do(
    tiny_model_dir: Path, tmp_path: Path, lora: bool
) -> None:
    solver = make(tiny_model_dir, "rm", lora=lora)
    groups = judged(solver)
    solver.learn(groups, Seed(1))
    solver.export_reward_model(tmp_path / "rm")
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "rm", dtype="float32")
    assert model.config.num_labels == 1
    prompts = solver.prompt_ids([group.prompt.messages for group in groups])
    for group, prompt, scores_G in zip(groups, prompts, solver.reward_scores(groups), strict=True):
        for response, score in zip(group.responses, scores_G, strict=True):
            logits = model.eval()(torch.tensor([prompt + response.token_ids.tolist()])).logits
            assert logits.item() == pytest.approx(float(score), abs=1e-5)


@pytest.mark.parametrize("lora", [False, True])
def test_a_saved_policy_gives_the_same_reward_model(
    tiny_model_dir: Path, tmp_path: Path, lora: bool
) -> None:
    solver = make(tiny_model_dir, "rm", lora=lora)
    solver.learn(judged(solver), Seed(1))
    solver.save(tmp_path / "policy")
    solver.export_reward_model(tmp_path / "live")
    export_saved(tmp_path / "policy", tmp_path / "saved")
    one, other = (load_file(tmp_path / d / "model.safetensors") for d in ("live", "saved"))
    assert one.keys() == other.keys()
    assert all(torch.allclose(one[name], other[name], atol=1e-6) for name in one)
    make(tiny_model_dir, "dpo").save(tmp_path / "plain")
    with pytest.raises(ModelError, match="with a reward head"):
        export_saved(tmp_path / "plain", tmp_path / "none")


def test_scores_do_not_depend_on_the_batch(tiny_model_dir: Path) -> None:
    policy = make(tiny_model_dir, "rm").policy
    stage = Stage(policy, judged(make(tiny_model_dir)), Seed(0), SolverConfig())
    rows = stage.rows(stage.scored)
    one, many = (
        response_rewards(policy.module, policy.heads["reward"], rows, policy.pad_id, limit)
        for limit in (1, 10_000)
    )
    np.testing.assert_allclose(one, many, atol=1e-5)


def test_the_score_is_read_at_the_last_token_that_is_no_padding() -> None:
    states = torch.arange(8.0).view(2, 4, 1)
    ids = torch.tensor([[5, 6, 0, 0], [5, 6, 7, 8]])
    assert last_states(states, ids, pad_id=0).flatten().tolist() == [1.0, 7.0]


def test_a_policy_without_the_head_cannot_be_exported(tiny_model_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"solver\.objective=rm"):
        export_reward_model(make(tiny_model_dir).policy, tmp_path / "rm")


def test_an_unknown_option_of_trl_is_refused(tiny_model_dir: Path) -> None:
    with pytest.raises(ConfigError, match="center_rewards_coefficient"):
        make(tiny_model_dir, "rm", trl={"centre_rewards_coefficient": 0.1})


def test_a_head_of_another_width_is_refused(tiny_model_dir: Path, tmp_path: Path) -> None:
    make(tiny_model_dir, "rm").save(tmp_path / "a")
    wide = make(make_tiny_model(tmp_path / "wide", hidden_size=64), "rm")
    wide.save(tmp_path / "b")
    (tmp_path / "a" / "heads.safetensors").replace(tmp_path / "b" / "heads.safetensors")
    with pytest.raises(ModelError, match="Expected the heads"):
        wide.restore(tmp_path / "b")
