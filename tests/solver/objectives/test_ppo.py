"""PPO: its arithmetic against formulas in plain floats, and the objective on a real model."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from selfplay.core.components import chosen
from selfplay.core.errors import ConfigError, DataError, ModelError
from selfplay.core.seeding import Seed
from solver.config import SolverConfig
from solver.heads import FILE, captured_states
from solver.learning.loop import run
from solver.learning.plan import combined
from solver.learning.stage import Stage
from solver.objectives.actor_critic import Ppo
from solver.objectives.needs import needs_of
from solver.objectives.ppo import (
    generalised_advantages,
    policy_losses,
    token_rewards,
    value_losses,
    whitened,
)
from solver.objectives.pretraining import read_texts, text_row
from solver.objectives.rows.ppo import PpoOptions
from solver.objectives.table import OBJECTIVES
from solver.objectives.trl_pairs import TrlPairs
from tests.solver.small_solver import judged, make, weights

ROWS, WIDTH = 6, 5


def drawn(seed: int, *, gradient: bool = False, scale: float = 1.0) -> torch.Tensor:
    """Float64, (ROWS, WIDTH)."""
    values = np.random.default_rng(seed).normal(scale=scale, size=(ROWS, WIDTH))
    return torch.tensor(values, requires_grad=gradient)


def lengths(seed: int) -> list[int]:
    return np.random.default_rng(seed + 100).integers(1, WIDTH + 1, size=ROWS).tolist()


def mask_of(seed: int) -> torch.Tensor:
    return torch.arange(WIDTH) < torch.tensor(lengths(seed))[:, None]


@pytest.mark.parametrize("seed", range(4))
def test_advantages_are_the_discounted_sum_of_td_errors(seed: int) -> None:
    gamma, decay = 0.9, 0.7
    rewards, values = drawn(seed), drawn(seed + 1)
    found = generalised_advantages(rewards, values, mask_of(seed), gamma, decay)
    for r, length in enumerate(lengths(seed)):
        v = [*values[r, :length].tolist(), 0.0]
        errors = [float(rewards[r, t]) + gamma * v[t + 1] - v[t] for t in range(length)]
        for t in range(length):
            expected = sum((gamma * decay) ** k * e for k, e in enumerate(errors[t:]))
            assert float(found[r, t]) == pytest.approx(expected, abs=1e-12)
        assert not found[r, length:].any()


def test_with_lambda_one_the_advantage_is_the_return_less_the_value() -> None:
    rewards, values, mask = drawn(0) * mask_of(0), drawn(1), mask_of(0)
    found = generalised_advantages(rewards, values, mask, 1.0, 1.0)
    returns = rewards.flip(1).cumsum(1).flip(1)
    torch.testing.assert_close(found, torch.where(mask, returns - values, 0))


def test_with_lambda_zero_the_advantage_is_the_td_error() -> None:
    rewards, values = drawn(0), drawn(1)
    found = generalised_advantages(rewards, values, torch.ones_like(mask_of(0)), 0.5, 0.0)
    following = torch.cat([values[:, 1:], torch.zeros(ROWS, 1)], dim=1)
    torch.testing.assert_close(found, rewards + 0.5 * following - values)


def test_token_rewards_add_up_to_the_reward_less_the_divergence() -> None:
    mask, divergences = mask_of(2), drawn(3)
    rewards = drawn(4)[:, 0]
    found = token_rewards(rewards, divergences, mask, beta=0.3)
    torch.testing.assert_close(found.sum(1), rewards - 0.3 * (divergences * mask).sum(1))
    for r, length in enumerate(lengths(2)):
        earlier = -0.3 * divergences[r, : length - 1]
        torch.testing.assert_close(found[r, : length - 1], earlier)


@pytest.mark.parametrize("seed", range(4))
def test_the_policy_loss_and_its_gradient_are_the_formula(seed: int) -> None:
    logps, old = drawn(seed, gradient=True, scale=0.3), drawn(seed + 1, scale=0.3)
    advantages, mask = drawn(seed + 2), mask_of(seed)
    losses = policy_losses(logps, old, advantages, mask, 0.2)
    losses.sum().backward()
    clips = 0
    for r, length in enumerate(lengths(seed)):
        for t in range(length):
            ratio = math.exp(float(logps.detach()[r, t] - old[r, t]))
            gain = float(advantages[r, t])
            clipped = min(max(ratio, 0.8), 1.2)
            assert losses[r, t].item() == pytest.approx(
                -min(ratio * gain, clipped * gain), abs=1e-9
            )
            held = ratio * gain > clipped * gain
            clips += held
            expected = 0.0 if held else -ratio * gain
            assert logps.grad is not None
            assert float(logps.grad[r, t]) == pytest.approx(expected, abs=1e-9)
        assert not losses[r, length:].any()
    assert clips


@pytest.mark.parametrize("epsilon", [0.2, None])
def test_the_value_loss_and_its_gradient_are_the_formula(epsilon: float | None) -> None:
    values, old, returns = drawn(0, gradient=True), drawn(1), drawn(2)
    losses = value_losses(values, old, returns, mask_of(0), epsilon)
    losses.sum().backward()
    assert values.grad is not None
    for r, length in enumerate(lengths(0)):
        for t in range(length):
            v, v_old, target = (float(x[r, t].detach()) for x in (values, old, returns))
            width = math.inf if epsilon is None else epsilon
            near = min(max(v, v_old - width), v_old + width)
            expected = 0.5 * max((v - target) ** 2, (near - target) ** 2)
            assert losses[r, t].item() == pytest.approx(expected, abs=1e-9)
            slope = 0.0 if (near - target) ** 2 > (v - target) ** 2 else v - target
            assert float(values.grad[r, t]) == pytest.approx(slope, abs=1e-9)


def test_what_stands_in_the_padding_changes_nothing() -> None:
    mask, wild = mask_of(1), torch.where(mask_of(1), 0.0, 1e6)
    one, two, three = drawn(1), drawn(2), drawn(3)
    for function, arguments in (
        (lambda a, b: generalised_advantages(a, b, mask, 0.9, 0.9), (one * mask, two)),
        (lambda a, b: policy_losses(a, b, three, mask, 0.2), (one, two)),
        (lambda a, b: value_losses(a, b, three, mask, 0.2), (one, two)),
        (lambda a, b: whitened(a, mask), (one, two)),
    ):
        plain = function(*arguments)
        padded = function(arguments[0], arguments[1] + wild)
        assert torch.equal(plain, padded)
        assert not plain[~mask].any()


def test_whitened_advantages_have_mean_zero_and_deviation_one() -> None:
    mask = mask_of(0)
    found = whitened(drawn(0) * 3 + 2, mask)[mask]
    assert float(found.mean()) == pytest.approx(0, abs=1e-9)
    assert float(found.std()) == pytest.approx(1, abs=1e-6)


def test_equal_advantages_are_whitened_to_zero() -> None:
    mask = mask_of(0)
    equal = torch.full((ROWS, WIDTH), 0.3, dtype=torch.float64)
    assert float(whitened(equal, mask).abs().max()) < 1e-6


def test_the_step_is_that_of_an_independent_loop(tiny_model_dir: Path) -> None:
    options = PpoOptions(beta=0.0, whiten=False, value_weight=0.5, gae_lambda=1.0)
    solver = make(tiny_model_dir, "ppo", options, micro_batch_tokens=64, max_grad_norm=1e9)
    bare = make(tiny_model_dir, "ppo", options)
    with torch.no_grad():
        for one in (solver, bare):
            one.policy.heads["value"].weight.normal_(0, 0.1, generator=Seed(3).torch())
    groups = judged(solver)
    module, head = bare.policy.module, bare.policy.heads["value"]
    losses, count = torch.zeros(()), 0
    for group in groups:
        (prompt,) = bare.prompt_ids([group.prompt.messages])
        for response, reward in zip(group.responses, group.rewards, strict=True):
            ids = torch.tensor([prompt + response.token_ids.tolist()])
            output = module(ids, output_hidden_states=True)
            logps = torch.log_softmax(output.logits[0, :-1], -1).gather(1, ids[0, 1:, None])[:, 0]
            values = head(output.hidden_states[-1][0, :-1])[:, 0]
            logps, values = logps[len(prompt) - 1 :], values[len(prompt) - 1 :]
            errors = float(reward) - values
            losses = losses - (errors.detach() * logps).sum() + 0.5 * 0.5 * errors.square().sum()
            count += len(logps)
    (losses / count).backward()
    gradients = [p.grad for p in bare.policy.learned if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    metrics = solver.learn(groups, Seed(1))
    assert metrics["grad_norm"] == pytest.approx(float(norm), rel=1e-4)


def test_one_forward_pass_gives_log_probabilities_and_values(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "ppo", PpoOptions(beta=0.0))
    stage = Stage(solver.policy, judged(solver), Seed(0), SolverConfig())
    plan = Ppo(PpoOptions(beta=0.0), SolverConfig()).plan(stage)
    (step,) = plan.steps
    with captured_states(solver.policy.module) as passes:
        step[0].loss()
    assert len(passes) == 1


@pytest.mark.parametrize("lora", [False, True])
def test_learning_after_restore_is_bit_identical(
    tiny_model_dir: Path, tmp_path: Path, lora: bool
) -> None:
    one, other = (make(tiny_model_dir, "ppo", lora=lora, minibatches=2) for _ in range(2))
    one.learn(judged(one), Seed(1))
    one.save(tmp_path / "a")
    other.restore(tmp_path / "a")
    assert one.policy.heads["value"].weight.any()
    groups = judged(one, seed=5)
    assert one.learn(groups, Seed(2)) == other.learn(groups, Seed(2))
    assert one.save(tmp_path / "b") == other.save(tmp_path / "c")


def test_the_hash_covers_the_head(tiny_model_dir: Path, tmp_path: Path) -> None:
    solver = make(tiny_model_dir, "ppo")
    before = solver.save(tmp_path / "a")
    with torch.no_grad():
        solver.policy.heads["value"].weight[0, 0] += 1
    assert solver.save(tmp_path / "b") != before


def test_a_policy_without_the_head_is_refused(tiny_model_dir: Path, tmp_path: Path) -> None:
    make(tiny_model_dir, "dpo").save(tmp_path / "a")
    assert not (tmp_path / "a" / FILE).exists()
    with pytest.raises(ModelError, match="found none"):
        make(tiny_model_dir, "ppo").restore(tmp_path / "a")


def test_a_head_goes_on_from_the_directory_that_a_policy_starts_from(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    solver = make(tiny_model_dir, "ppo")
    solver.learn(judged(solver), Seed(1))
    solver.save(tmp_path / "a")
    heads = (s.policy.heads["value"].weight for s in (solver, make(tmp_path / "a", "ppo")))
    assert torch.equal(*heads)


def test_only_the_head_learns_in_the_warm_up(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "ppo", PpoOptions(value_warmup=1))
    before = weights(solver)
    metrics = solver.learn(judged(solver), Seed(1))
    assert metrics["steps"] == 1
    assert all(torch.equal(before[k], v) for k, v in weights(solver).items())
    assert solver.policy.heads["value"].weight.any()
    solver.learn(judged(solver), Seed(2))
    assert not all(torch.equal(before[k], v) for k, v in weights(solver).items())


def test_the_head_learns_at_a_rate_of_its_own(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "ppo", PpoOptions(value_warmup=1), head_rate=50.0)
    solver.learn(judged(solver), Seed(1))
    step = solver.policy.heads["value"].weight.detach().abs().max()
    assert float(step) == pytest.approx(50 * 1e-3, rel=1e-2)


@pytest.mark.parametrize("reaches", [True, False])
def test_the_value_loss_reaches_the_body_only_if_asked(tiny_model_dir: Path, reaches: bool) -> None:
    options = PpoOptions(value_reaches_body=reaches, beta=0.0, value_weight=1.0)
    solver = make(tiny_model_dir, "ppo", options)
    stage = Stage(solver.policy, judged(solver), Seed(0), SolverConfig())
    ((one,),) = Ppo(options, SolverConfig()).plan(stage).steps
    one.batch["advantages"].zero_()
    with torch.no_grad():
        solver.policy.heads["value"].weight.fill_(0.1)
    loss, _ = one.loss()
    loss.backward()
    gradients = [p.grad for p in solver.policy.module.parameters() if p.grad is not None]
    assert any(gradient.any() for gradient in gradients) == reaches
    assert solver.policy.heads["value"].weight.grad is not None


def test_one_response_to_a_prompt_is_enough(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "ppo")
    groups = [
        replace(g, responses=g.responses[:1], verdicts=g.verdicts[:1]) for g in judged(solver)
    ]
    assert solver.learn(groups, Seed(1))["grad_norm"] > 0


def test_nothing_scored_is_nothing_learned(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "ppo")
    assert solver.learn([], Seed(1))["steps"] == 0


def test_it_stands_beside_other_objectives_in_one_step(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "ppo")
    config = SolverConfig(minibatches=2)
    stage = Stage(solver.policy, judged(solver), Seed(0), config)
    dpo = TrlPairs(OBJECTIVES["dpo"].options(), config).plan(stage)
    both = combined([(1.0, Ppo(PpoOptions(), config).plan(stage)), (0.5, dpo)])
    metrics = run(stage, both)
    assert metrics["steps"] == 2
    assert metrics["grad_norm"] > 0


def test_needs_are_found_inside_of_other_choices() -> None:
    config = SolverConfig(objective=chosen("rm", OBJECTIVES))
    assert "reward head" in needs_of(config)
    assert "value head" not in needs_of(config)
    assert "value head" in needs_of([{"part": chosen("ppo", OBJECTIVES)}])


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_mix_makes_its_texts_likelier(tiny_model_dir: Path, tmp_path: Path) -> None:
    texts = write(tmp_path / "t.jsonl", {"text": "abcabc"}, {"prompt": "q", "completion": "abc"})
    options = PpoOptions(pretraining_mix=1.0, pretraining=str(texts), value_weight=0.0)
    solver = make(tiny_model_dir, "ppo", options, epochs=6)
    groups = judged(solver, rewards=0.0)
    losses = [solver.learn(groups, Seed(i))["pretraining_loss"] for i in range(2)]
    assert losses[1] < losses[0] - 0.5


def test_a_text_is_read_from_its_second_token_and_ends(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    policy = make(tiny_model_dir).policy
    one, two = read_texts(
        write(tmp_path / "t.jsonl", {"text": "abc"}, {"prompt": "q", "completion": "d"})
    )
    row = text_row(policy, one)
    assert (len(row.prompt_ids), row.response_ids[-1]) == (1, 1)
    assert policy.model.decode([row.prompt_ids, row.response_ids]) == ["a", "bc"]
    assert policy.model.decode([text_row(policy, two).prompt_ids]) == ["u:q\na:"]


def test_rows_without_a_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 2: expected `text`"):
        read_texts(write(tmp_path / "t.jsonl", {"text": "a"}, {"words": "b"}))


def test_a_mix_needs_its_texts() -> None:
    with pytest.raises(ConfigError, match="together with a pretraining_mix"):
        PpoOptions(pretraining_mix=0.5).check("solver.objective")
