"""Sums, schedules and tasks on a real tiny model: gradients add up, and nothing else changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from selfplay.config import load_config
from selfplay.core.components import Choice, chosen
from selfplay.core.errors import ConfigError
from selfplay.core.seeding import Seed
from selfplay.core.tasks import Match
from selfplay.core.types import Group
from solver.learning.plan import Plan
from solver.learning.stage import Stage
from solver.objectives.build import build_objective
from solver.objectives.needs import needs_of
from solver.objectives.objective import PlannedObjective
from solver.objectives.rows.combined import (
    Part,
    Phase,
    ScheduleOptions,
    SumOptions,
    TaskObjective,
    TasksOptions,
)
from solver.objectives.table import OBJECTIVES
from solver.solver import Solver
from tests.solver.small_solver import PROMPTS, judged, make

DPO, SFT, CRPG = (chosen(name, OBJECTIVES) for name in ("dpo", "sft", "crpg"))
SEED = Seed(1)
KTO, LISTWISE, RLOO = (chosen(name, OBJECTIVES) for name in ("kto", "listwise", "rloo"))


def gradients(solver: Solver, plan: Plan) -> list[dict[str, torch.Tensor]]:
    """The gradient of every step of a plan, at the weights of now."""
    found = []
    parameters = dict(solver.policy.module.named_parameters())
    for step in plan.steps:
        solver.policy.module.zero_grad(set_to_none=True)
        for one in step:
            (one.share * one.loss()[0]).backward()
        found.append(
            {
                name: torch.zeros_like(p) if p.grad is None else p.grad.clone()
                for name, p in parameters.items()
            }
        )
    solver.policy.module.zero_grad(set_to_none=True)
    return found


def gradients_of(
    solver: Solver, choice: Choice, groups: list[Group], seed: Seed = SEED, **changes: Any
) -> list[dict[str, torch.Tensor]]:
    config = replace(solver._config, **changes)
    objective = build_objective(choice, config)
    assert isinstance(objective, PlannedObjective)
    return gradients(solver, objective.plan(Stage(solver.policy, groups, seed, config)))


def assert_equal_gradients(
    found: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]
) -> None:
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6)


def sum_of(*parts: tuple[float, Choice]) -> Choice:
    options = SumOptions(tuple(Part(choice, weight) for weight, choice in parts))
    return chosen("sum", OBJECTIVES, options)


def schedule_of(*phases: tuple[int | None, Choice]) -> Choice:
    options = ScheduleOptions(tuple(Phase(choice, until) for until, choice in phases))
    return chosen("schedule", OBJECTIVES, options)


@pytest.mark.parametrize("minibatches", [1, 2])
def test_a_sum_has_the_weighted_sum_of_its_parts_gradients_in_every_step(
    tiny_model_dir: Path, minibatches: int
) -> None:
    solver = make(tiny_model_dir)
    groups = judged(solver, violating=(1,))
    parts = [(1.5, DPO), (0.25, SFT), (2.0, CRPG)]
    found = gradients_of(solver, sum_of(*parts), groups, minibatches=minibatches)
    apart = [gradients_of(solver, c, groups, minibatches=minibatches) for _, c in parts]
    assert len(found) == minibatches
    for k, step in enumerate(found):
        expected = {
            name: sum(w * part[k][name] for (w, _), part in zip(parts, apart, strict=True))
            for name in step
        }
        assert any(gradient.abs().max() > 1e-4 for gradient in step.values())
        assert_equal_gradients(step, expected)


def test_a_sum_of_one_part_is_that_part(tiny_model_dir: Path) -> None:
    alone, summed = make(tiny_model_dir, "dpo"), make(tiny_model_dir, "sum", one_part())
    a, b = (solver.learn(judged(solver), Seed(1)) for solver in (alone, summed))
    assert a["loss"] == b["loss"]
    assert b["dpo/pairs"] == a["pairs"]
    assert alone.save(tiny_model_dir.parent / "a") == summed.save(tiny_model_dir.parent / "b")


def one_part() -> SumOptions:
    return SumOptions((Part(DPO),))


def test_parts_that_occur_twice_keep_their_metrics_apart(tiny_model_dir: Path) -> None:
    options = SumOptions((Part(CRPG), Part(chosen("crpg", OBJECTIVES), 2.0)))
    solver = make(tiny_model_dir, "sum", options)
    metrics = solver.learn(judged(solver), Seed(1))
    assert {"crpg.0/violations", "crpg.1/violations"} <= set(metrics)


def test_a_part_that_takes_steps_of_its_own_is_refused_by_name() -> None:
    config = load_config("tiny", []).config.solver
    for choice in (
        sum_of((1.0, DPO), (1.0, chosen("sdpo", OBJECTIVES))),
        sum_of((1.0, schedule_of((2, chosen("sdpo", OBJECTIVES)), (None, DPO)))),
    ):
        with pytest.raises(ConfigError, match=r"gradients can be added, found '(sdpo|schedule)'"):
            build_objective(choice, config)


def test_a_combination_needs_what_its_parts_need() -> None:
    assert needs_of(sum_of((1.0, DPO), (1.0, SFT))) == needs_of(DPO) | needs_of(SFT)
    tasks = TasksOptions((TaskObjective("a", Match(task=("a",)), KTO),), CRPG)
    assert needs_of(chosen("tasks", OBJECTIVES, tasks)) == needs_of(KTO) | needs_of(CRPG)


def test_a_sum_takes_a_reference_that_one_of_its_parts_has(tiny_model_dir: Path) -> None:
    mixed = SumOptions((Part(DPO), Part(SFT)))
    solver = make(tiny_model_dir, "sum", mixed, reference="initial")
    assert solver.learn(judged(solver), Seed(1))["steps"] == 1.0
    with pytest.raises(ConfigError, match="'sum' has no reference policy"):
        make(tiny_model_dir, "sum", SumOptions((Part(SFT),)), reference="initial")


def test_a_schedule_follows_the_policy_version(tiny_model_dir: Path, tmp_path: Path) -> None:
    options = ScheduleOptions((Phase(KTO, 1), Phase(DPO, 3), Phase(LISTWISE)))
    solver = make(tiny_model_dir, "schedule", options)
    learned = [solver.learn(judged(solver), Seed(t)) for t in range(4)]
    assert ["pairs" in metrics for metrics in learned] == [False, True, True, False]
    assert "desirable" in "".join(learned[0])
    solver.save(tmp_path / "four")
    again = make(tiny_model_dir, "schedule", options)
    again.restore(tmp_path / "four")
    assert "pairs" not in again.learn(judged(again), Seed(5))


def test_a_phase_learns_as_its_objective_does_alone(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir)
    groups = judged(solver)
    (found,) = gradients_of(solver, schedule_of((3, DPO), (None, RLOO)), groups)
    (expected,) = gradients_of(solver, DPO, groups)
    assert_equal_gradients(found, expected)


@pytest.mark.parametrize(
    ("phases", "message"),
    [
        ("[]", "expected a list of"),
        ("[{objective: dpo, until: 4}]", "the last, which goes on"),
        ("[{objective: dpo}, {objective: kto}]", "every phase but the last"),
        (
            "[{objective: dpo, until: 4}, {objective: kto, until: 4}, {objective: sft}]",
            "later than",
        ),
        ("[{objective: dpo, until: 0}, {objective: kto}]", "rounds from 1 on"),
        ("[{until: 4}, {objective: kto}]", "a component is needed"),
    ],
)
def test_a_schedule_with_gaps_is_refused(phases: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config("tiny", [f"solver.objective={{name: schedule, phases: {phases}}}"])


def tasks_of(*tasks: TaskObjective, rest: Choice = CRPG, weight: float = 1.0) -> Choice:
    return chosen("tasks", OBJECTIVES, TasksOptions(tasks, rest, weight))


def labelled(groups: list[Group]) -> list[Group]:
    """The first two groups are sums, the third words, the last nothing in particular."""
    names = ("sums", "sums", "words", "default")
    return [
        replace(group, prompt=replace(group.prompt, task=name))
        for group, name in zip(groups, names, strict=True)
    ]


def test_tasks_sum_the_gradients_of_disjoint_prompts_with_their_weights(
    tiny_model_dir: Path,
) -> None:
    solver = make(tiny_model_dir)
    groups = labelled(judged(solver, violating=(0,)))
    sums = TaskObjective("sums", Match(task=("sums",)), DPO, 0.5)
    words = TaskObjective("words", Match(task=("words", "sums")), SFT, 3.0)
    (found,) = gradients_of(solver, tasks_of(sums, words, weight=2.0), groups)
    seed = Seed(1).at("task", "sums")
    (of_sums,) = gradients_of(solver, DPO, groups[:2], seed)
    (of_words,) = gradients_of(solver, SFT, groups[2:3])
    (of_rest,) = gradients_of(solver, CRPG, groups[3:])
    expected = {n: 0.5 * of_sums[n] + 3.0 * of_words[n] + 2.0 * of_rest[n] for n in found}
    assert_equal_gradients(found, expected)


def test_a_task_without_prompts_in_a_round_is_no_error(tiny_model_dir: Path) -> None:
    options = TasksOptions((TaskObjective("none", Match(task=("none",)), DPO),), SFT)
    solver = make(tiny_model_dir, "tasks", options)
    metrics = solver.learn(judged(solver), Seed(1))
    assert (metrics["steps"], metrics["none/pairs"]) == (1.0, 0.0)
    assert metrics["other/responses_used"] == len(PROMPTS)


def test_tasks_hand_each_objective_its_own_baselines(tiny_model_dir: Path) -> None:
    one = Match(classifier="tests.solver.objectives.test_combined:is_first")
    options = TasksOptions((TaskObjective("first", one, CRPG),), chosen("crpg", OBJECTIVES))
    solver = make(tiny_model_dir, "tasks", options, baseline="initial")
    groups = judged(solver)
    baselines = [
        replace(
            group, purpose="baseline", responses=group.responses[:1], verdicts=group.verdicts[:1]
        )
        for group in groups
    ]
    metrics = solver.learn([*groups, *baselines], Seed(1))
    assert metrics["first/groups_with_baseline"] == 1.0
    assert metrics["other/groups_with_baseline"] == 3.0


def is_first(prompt: Any) -> bool:
    return bool(prompt == PROMPTS[0])


def test_nested_options_are_reached_by_their_path_and_typing_errors_get_a_hint() -> None:
    base = "solver.objective={name: sum, parts: [{objective: dpo}, {objective: sft, weight: 0.1}]}"
    loaded = load_config(
        "tiny",
        [
            base,
            "solver.objective.parts.0.weight=2",
            "solver.objective.parts.0.objective.beta=0.3",
            "solver.objective.parts.1.objective=rloo",
        ],
    )
    parts = loaded.config.solver.objective.options.parts
    assert [part.weight for part in parts] == [2.0, 0.1]
    assert [part.objective.name for part in parts] == ["dpo", "rloo"]
    assert parts[0].objective.options.beta == 0.3
    assert load_config("tiny", [base]).as_dict()["solver"]["objective"]["parts"][1]["weight"] == 0.1
    for override, message in (
        ("solver.objective.parts.0.wieght=2", "did you mean 'weight'"),
        ("solver.objective.parts.0.objective.betta=2", "did you mean 'beta'"),
        ("solver.objective.parts.0.objective=dppo", "did you mean 'd?ppo'|did you mean 'dpo'"),
        ("solver.objective.parts.0.weight=0", "expected above 0"),
        ("solver.objective.parts=[]", "expected a list of"),
    ):
        with pytest.raises(ConfigError, match=message):
            load_config("tiny", [base, override])


def test_combinations_nest(tiny_model_dir: Path) -> None:
    inner = sum_of((1.0, DPO), (0.1, SFT))
    options = ScheduleOptions((Phase(KTO, 1), Phase(inner)))
    solver = make(tiny_model_dir, "schedule", options)
    first, second = (solver.learn(judged(solver), Seed(t)) for t in range(2))
    assert "dpo/pairs" not in first
    assert second["dpo/pairs"] == len(PROMPTS)
