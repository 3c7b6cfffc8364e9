"""CRPG and CRRAFT against their formulas written out in plain floats, and on a real tiny model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from selfplay.config import load_config
from selfplay.core.errors import ConfigError
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Response, Verdict
from solver.learning.plan import Plan
from solver.learning.stage import Stage
from solver.objectives import cgpo
from solver.objectives.objective import PlannedObjective
from solver.objectives.rows.cgpo import CrpgOptions, CrraftOptions
from solver.solver import Solver
from tests.solver.small_solver import PROMPTS, judged, make, weights

Table = list[list[float]]


def plain_crpg(
    rewards: Table, baselines: Table, ratios: Table, violates: Table, kl: float
) -> Table:
    """(R̃ - mean R̃) / n, in loops."""
    tilde: dict[tuple[int, int], float] = {}
    for p, row in enumerate(rewards):
        for g, reward in enumerate(row):
            if not math.isnan(reward):
                factor = min(1.0, max(0.0, 1.0 - ratios[p][g] / kl))
                calibrated = 1.0 / (1.0 + math.exp(-(reward - baselines[p][g])))
                tilde[p, g] = 0.0 if violates[p][g] else factor * calibrated
    mean = math.fsum(tilde.values()) / len(tilde)
    return [
        [(tilde[p, g] - mean) / len(tilde) if (p, g) in tilde else 0.0 for g in range(len(row))]
        for p, row in enumerate(rewards)
    ]


def drawn(seed: int, p: int = 5, g: int = 4) -> tuple[NDArray[np.float64], ...]:
    """Rewards with gaps, log-ratios and violations."""
    rng = np.random.default_rng(seed)
    rewards_PG = np.where(rng.random((p, g)) < 0.2, np.nan, rng.normal(scale=3.0, size=(p, g)))
    return rewards_PG, rng.normal(scale=4.0, size=(p, g)), rng.random((p, g)) < 0.4


@pytest.mark.parametrize("seed", range(6))
def test_crpg_weights_are_their_formula_and_sum_to_zero(seed: int) -> None:
    rewards_PG, ratios_PG, violates_PG = drawn(seed)
    baselines_PG = np.random.default_rng(seed + 100).normal(size=rewards_PG.shape)
    tilde_PG = cgpo.crpg_rewards(
        cgpo.calibrated(rewards_PG, baselines_PG), ratios_PG, ~violates_PG.astype(bool), 3.0
    )
    weights_PG = cgpo.centred(tilde_PG)
    expected = plain_crpg(
        *(a.tolist() for a in (rewards_PG, baselines_PG, ratios_PG, violates_PG)), 3.0
    )
    np.testing.assert_allclose(weights_PG, expected, rtol=1e-12, atol=1e-15)
    assert abs(math.fsum(weights_PG.ravel().tolist())) < 1e-15


def test_equal_rewards_give_crpg_weights_of_exactly_zero() -> None:
    assert not cgpo.centred(np.full((3, 7), 0.1)).any()
    assert not cgpo.centred(np.full((3, 7), np.nan)).any()


def test_a_violation_with_a_negative_reward_is_not_preferred() -> None:
    rewards_PG, lawful_PG = np.array([[-5.0, -9.0]]), np.array([[True, False]])
    tilde_PG = cgpo.crpg_rewards(
        cgpo.calibrated(rewards_PG, 0.0 * rewards_PG), 0.0 * rewards_PG, lawful_PG, 1.0
    )
    assert 0.0 == tilde_PG[0, 1] < tilde_PG[0, 0]


def test_the_kl_factor_is_one_at_the_reference_and_below_and_zero_from_the_bound_on() -> None:
    ratios_PG = np.array([[-7.0, 0.0, 1.0, 2.0, 9.0]])
    ones_PG = np.ones_like(ratios_PG)
    found_PG = cgpo.crpg_rewards(ones_PG, ratios_PG, ones_PG > 0, 2.0)
    assert found_PG.tolist() == [[1.0, 1.0, 0.5, 0.0, 0.0]]


def test_calibration_is_one_half_at_the_baseline_and_does_not_overflow() -> None:
    rewards_PG = np.array([[2.0, 1e4, -1e4, np.nan]])
    found = cgpo.calibrated(rewards_PG, np.full((1, 4), 2.0))[0].tolist()
    assert found[:3] == [0.5, 1.0, 0.0]
    assert math.isnan(found[3])


@pytest.mark.parametrize("seed", range(6))
def test_crraft_takes_the_best_that_may_be_learned_from(seed: int) -> None:
    rewards_PG, ratios_PG, violates_PG = drawn(seed)
    calibrated_PG = cgpo.calibrated(rewards_PG, np.zeros_like(rewards_PG))
    lawful_PG = ~violates_PG.astype(bool)
    found_PG = cgpo.crraft_weights(rewards_PG, calibrated_PG, ratios_PG, lawful_PG, 3.0)
    for p, rewards in enumerate(rewards_PG.tolist()):
        allowed = [
            g
            for g, reward in enumerate(rewards)
            if not math.isnan(reward) and not violates_PG[p, g] and ratios_PG[p, g] <= 3.0
        ]
        expected = [0.0] * len(rewards)
        if allowed:
            best = max(allowed, key=lambda g: rewards[g])
            expected[best] = 1.0 / (1.0 + math.exp(-rewards[best]))
        np.testing.assert_allclose(found_PG[p], expected, rtol=1e-12)


def test_the_mean_of_others_leaves_out_oneself_and_what_is_missing() -> None:
    rewards_PG = np.array([[1.0, 2.0, 6.0], [4.0, np.nan, np.nan], [3.0, 5.0, np.nan]])
    found_PG = cgpo.mean_of_others(rewards_PG)
    assert found_PG[0].tolist() == [4.0, 3.5, 1.5]
    assert found_PG[1, 0] == 4.0
    assert found_PG[2, :2].tolist() == [5.0, 3.0]


def with_baselines(groups: list[Group], solver: Solver, verdicts: Sequence[Verdict]) -> list[Group]:
    """The groups, and a baseline group for each of the first prompts."""
    answers = solver.baselines(PROMPTS, Seed(9))
    return groups + [
        Group(prompt, answer, "baseline", 0).judged([verdict], "f")
        for prompt, answer, verdict in zip(PROMPTS, answers, verdicts, strict=False)
    ]


def stage_of(solver: Solver, groups: list[Group]) -> Stage:
    return Stage(solver.policy, groups, Seed(1), solver._config)


def test_a_judged_baseline_calibrates_and_another_stands_in(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "crpg", baseline="initial")
    groups = judged(solver, rewards=[0.0, 1.0, 2.0, 3.0])
    verdicts = [Verdict(0.25), Verdict.missing("no verdict")]
    stage = stage_of(solver, with_baselines(groups, solver, verdicts))
    assert len(stage.groups) == len(PROMPTS)
    assert cgpo.baseline_rewards(stage, "zero")[:2].tolist() == [[0.25] * 4, [0.0] * 4]
    assert cgpo.baseline_rewards(stage, "group_mean")[1].tolist() == [2.0, 5 / 3, 4 / 3, 1.0]


def test_crpg_takes_the_gradient_of_its_formula(tiny_model_dir: Path) -> None:
    solver, bare = (make(tiny_model_dir, "crpg", micro_batch_tokens=64) for _ in range(2))
    groups = judged(solver, violating=(2,))
    rewards_PG = np.stack([group.rewards for group in groups])
    violates_PG = np.zeros((4, 4)) + (np.arange(4) == 2)
    weights_PG = plain_crpg(
        rewards_PG.tolist(),
        cgpo.mean_of_others(rewards_PG).tolist(),
        np.zeros((4, 4)).tolist(),
        violates_PG.tolist(),
        20.0,
    )
    module, total = bare.policy.module, torch.zeros(())
    for group, row in zip(groups, weights_PG, strict=True):
        (prompt,) = bare.prompt_ids([group.prompt.messages])
        for response, weight in zip(group.responses, row, strict=True):
            ids = torch.tensor([prompt + response.token_ids.tolist()])
            logps = torch.log_softmax(module(ids).logits[0, :-1], -1)
            total = total - weight * logps.gather(1, ids[0, 1:, None])[len(prompt) - 1 :].sum()
    total.backward()
    norm = torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
    metrics = solver.learn(groups, Seed(1))
    assert metrics["loss"] == pytest.approx(float(total.detach()), rel=1e-3)
    assert metrics["grad_norm"] == pytest.approx(float(norm), rel=1e-3)
    assert metrics["violations"] == 0.25


def test_crraft_goes_back_to_a_baseline_that_keeps_the_constraints_or_skips(
    tiny_model_dir: Path,
) -> None:
    solver = make(tiny_model_dir, "crraft", baseline="initial")
    groups = judged(solver, violating=(0, 1, 2, 3))
    kept, broken = Verdict(0.1), Verdict(0.9, violations=("rule",))
    stage = stage_of(solver, with_baselines(groups, solver, [kept, broken, Verdict.missing("?")]))
    weights_PG, metrics = cgpo.crraft(stage, CrraftOptions())
    assert weights_PG.tolist() == [[0.0] * 4 + [0.5], *([[0.0] * 5] * 3)]
    assert (metrics["groups_on_baseline"], metrics["groups_skipped"]) == (1.0, 3.0)
    before = weights(solver)
    learned = solver.learn(with_baselines(groups, solver, [kept]), Seed(1))
    assert (learned["groups_used"], learned["steps"]) == (1.0, 1.0)
    assert any(not torch.equal(before[k], v) for k, v in weights(solver).items())


def test_the_memory_of_a_pass_is_bounded_by_what_crraft_learns_from(tiny_model_dir: Path) -> None:
    long = 100
    solver = make(tiny_model_dir, "crraft", baseline="initial", micro_batch_tokens=2 * (long + 30))
    groups = judged(solver, violating=(0, 1, 2, 3))
    baselines = [
        replace(group, responses=(recorded_of(group.responses[0], long),))
        for group in with_baselines([], solver, [Verdict(0.5)] * len(PROMPTS))
    ]
    plan = planned(solver, groups + baselines)
    sizes = [one.batch["ids"].shape for step in plan.steps for one in step]
    assert [rows for rows, _ in sizes] == [2, 2]
    plan = planned(solver, judged(solver))
    assert [one.batch["ids"].size(0) for step in plan.steps for one in step] == [4]


def recorded_of(response: Response, length: int) -> Response:
    """A response of other tokens, as many as asked for."""
    return replace(response, token_ids=np.full(length, 5, np.int32), logprobs=None)


def planned(solver: Solver, groups: list[Group]) -> Plan:
    objective = solver._objective
    assert isinstance(objective, PlannedObjective)
    return objective.plan(stage_of(solver, groups))


def test_crraft_uses_no_baseline_where_a_sample_is_left(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "crraft", baseline="initial")
    groups = judged(solver, rewards=[5.0, 1.0, 2.0, 0.0], violating=(0,))
    stage = stage_of(solver, with_baselines(groups, solver, [Verdict(2.0)] * 4))
    weights_PG, metrics = cgpo.crraft(stage, CrraftOptions())
    assert weights_PG.tolist() == [[0.0, 0.0, 0.5, 0.0, 0.0]] * 4
    assert metrics["groups_on_baseline"] == 0.0


def test_samples_beyond_the_kl_bound_are_not_learned_from(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "crraft", learning_rate=1e-2)
    groups = judged(solver)
    for t in range(4):
        solver.learn(groups, Seed(t))
    stage = stage_of(solver, groups)
    ratios_PG = cgpo.log_ratios(stage)
    bound = float(np.median(ratios_PG[ratios_PG > 0]))
    weights_PG, metrics = cgpo.crraft(stage, CrraftOptions(kl_max=bound))
    assert metrics["beyond_kl_max"] == (ratios_PG > bound).mean() > 0
    assert not weights_PG[:, :4][ratios_PG > bound].any()
    tilde_PG = cgpo.crpg_rewards(np.ones((4, 4)), ratios_PG, np.ones((4, 4), bool), bound)
    assert not tilde_PG[ratios_PG >= bound].any()


def test_the_initial_baseline_is_the_same_whatever_was_learned(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "crpg", baseline="initial", learning_rate=1e-2)
    before = solver.baselines(PROMPTS, Seed(9))
    solver.learn(judged(solver), Seed(1))
    after = solver.baselines(PROMPTS[::-1], Seed(9))[::-1]
    assert [r.text for (r,) in before] == [r.text for (r,) in after]


def test_a_gold_baseline_is_the_answer_and_ends(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "crpg", baseline="gold")
    asked = [replace(PROMPTS[0], answer="42"), PROMPTS[1]]
    assert solver.with_baseline(asked) == asked[:1]
    ((response,),) = solver.baselines(asked[:1], Seed(9))
    tokenizer = solver.policy.pretrained.tokenizer
    assert (response.text, response.finish_reason) == ("42", "recorded")
    assert response.token_ids.tolist() == [*tokenizer("42").input_ids, tokenizer.eos_token_id]


def test_no_baseline_is_asked_for_by_default(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "crpg")
    assert solver.with_baseline(PROMPTS) == []
    stage = stage_of(solver, judged(solver))
    assert cgpo.crpg(stage, CrpgOptions())[1]["groups_with_baseline"] == 0.0


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("solver.objective.kl_max=0", r"kl_max: expected above 0, found 0"),
        ("solver.objective.stand_in=mean", "did you mean 'group_mean'"),
        ("solver.objective.klmax=3", "did you mean 'kl_max'"),
        ("solver.baseline=golden", r"solver.baseline: expected null or gold or initial"),
    ],
)
def test_impossible_options_are_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config("tiny", ["solver.objective=crpg", override])
