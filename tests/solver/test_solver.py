"""The solver on a real tiny model: what it learns from, determinism, saving, errors."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from selfplay.core.errors import ConfigError, ModelError
from selfplay.core.seeding import Seed
from solver.advantages import rloo_advantages
from solver.learning.batches import Row, micro_batches, response_mask
from solver.learning.scoring import token_logps
from solver.objectives.rows.groups import RlooOptions
from tests.solver.small_solver import PROMPTS, judged, make, weights


def test_rloo_takes_the_step_of_an_independent_loop(tiny_model_dir: Path) -> None:
    solver, bare = (
        make(tiny_model_dir, "rloo", RlooOptions(beta=0.0), micro_batch_tokens=64),
        make(tiny_model_dir, "rloo", RlooOptions(beta=0.0)),
    )
    groups = judged(solver)
    advantages_PG = rloo_advantages(np.stack([group.rewards for group in groups]))
    module, total = bare.policy.module, torch.zeros(())
    for group, row in zip(groups, advantages_PG, strict=True):
        (prompt,) = bare.prompt_ids([group.prompt.messages])
        for response, advantage in zip(group.responses, row, strict=True):
            ids = torch.tensor([prompt + response.token_ids.tolist()])
            logps = torch.log_softmax(module(ids).logits[0, :-1], -1)
            chosen = logps.gather(1, ids[0, 1:, None])[len(prompt) - 1 :]
            total = total - float(advantage) * chosen.sum() / advantages_PG.size
    total.backward()
    norm = torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
    bare.policy.set_learning_rate(1e-3)
    bare.policy.optimizer.step()
    metrics = solver.learn(groups, Seed(1))
    assert metrics["grad_norm"] == pytest.approx(float(norm), rel=1e-3)
    expected = weights(bare)
    for name, weight in weights(solver).items():
        torch.testing.assert_close(weight, expected[name], atol=2e-4, rtol=0)


def test_dpo_starts_at_ln_two(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "dpo")
    assert solver.learn(judged(solver), Seed(1))["loss"] == pytest.approx(math.log(2), abs=1e-5)


def test_dpo_against_the_initial_model_leaves_ln_two_after_a_round(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "dpo", reference="initial")
    groups = judged(solver)
    solver.learn(groups, Seed(1))
    assert solver.learn(groups, Seed(2))["loss"] < math.log(2) - 1e-3


@pytest.mark.parametrize("name", ["rloo", "dpo"])
def test_equal_rewards_leave_the_weights_and_advance_the_version(
    tiny_model_dir: Path, name: str
) -> None:
    solver = make(tiny_model_dir, name, RlooOptions(beta=0.0) if name == "rloo" else None)
    before = weights(solver)
    metrics = solver.learn(judged(solver, rewards=0.3), Seed(1))
    assert (metrics["groups_tied"], metrics["steps"], solver.version) == (4.0, 0.0, 1)
    assert all(torch.equal(before[k], v) for k, v in weights(solver).items())


@pytest.mark.parametrize(("name", "lora"), [("rloo", False), ("dpo", True)])
def test_learning_after_restore_is_bit_identical(
    tiny_model_dir: Path, tmp_path: Path, name: str, lora: bool
) -> None:
    one = make(tiny_model_dir, name, lora=lora, minibatches=2)
    one.learn(judged(one), Seed(1))
    assert one.save(tmp_path / "a") == one.save(tmp_path / "a")
    other = make(tiny_model_dir, name, lora=lora, minibatches=2)
    other.restore(tmp_path / "a")
    groups = judged(one, seed=5)
    assert one.learn(groups, Seed(2)) == other.learn(groups, Seed(2))
    assert one.save(tmp_path / "b") == other.save(tmp_path / "c")


def test_a_changed_checkpoint_is_refused(tiny_model_dir: Path, tmp_path: Path) -> None:
    solver = make(tiny_model_dir)
    solver.save(tmp_path / "a")
    header = tmp_path / "a" / "policy.json"
    header.write_text(header.read_text().replace('"sha256": "', '"sha256": "0'))
    with pytest.raises(ModelError, match="were changed"):
        solver.restore(tmp_path / "a")


def test_lora_leaves_the_base_alone(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, lora=True)
    assert all("lora_" in name for name in weights(solver))
    assert solver.learn(judged(solver), Seed(1))["grad_norm"] > 0


def test_no_trainer_stays_on_the_module(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir)
    solver.learn(judged(solver), Seed(1))
    assert "forward" not in vars(solver.policy.module)
    assert not solver.policy.module.training


def test_a_gradient_that_is_not_finite_is_a_model_error(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir)
    groups = judged(solver)
    with torch.no_grad():
        next(solver.policy.module.parameters()).fill_(math.nan)
    with pytest.raises(ModelError, match="policy version 0"):
        solver.learn(groups, Seed(1))


def test_learning_prints_nothing(tiny_model_dir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    solver = make(tiny_model_dir)
    groups = judged(solver)
    capfd.readouterr()
    solver.learn(groups, Seed(1))
    assert capfd.readouterr() == ("", "")


def test_scores_agree_with_those_of_generation(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir)
    prompts = solver.prompt_ids([prompt.messages for prompt in PROMPTS])
    responses = [group[0] for group in solver.respond(PROMPTS, Seed(0))]
    rows = [Row(np.array(p), r.token_ids) for p, r in zip(prompts, responses, strict=True)]
    for logps, response in zip(
        token_logps(solver.policy.module, rows, solver.policy.pad_id), responses, strict=True
    ):
        np.testing.assert_allclose(logps, response.logprobs, atol=1e-4)


def test_only_the_recorded_tokens_are_masked_in() -> None:
    rows = [Row(np.array([1, 2]), np.array([3])), Row(np.array([1]), np.array([2, 3, 4]))]
    assert response_mask(rows).tolist() == [[0, 0, 1, 0], [0, 1, 1, 1]]


def test_micro_batches_stay_within_their_tokens() -> None:
    chunks = micro_batches(range(4), [3, 9, 2, 4], max_tokens=8)
    assert chunks == [[2, 0], [3], [1]]


@pytest.mark.parametrize(
    ("option", "message"),
    [("entropy_cof", "did you mean 'entropy_coef'"), ("learning_rate", "since the solver")],
)
def test_trl_options_are_checked_when_the_solver_is_built(
    tiny_model_dir: Path, option: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make(tiny_model_dir, "grpo", trl={option: True})


def test_the_configuration_imports_no_torch() -> None:
    code = "import sys, solver.config, solver.schedule; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
