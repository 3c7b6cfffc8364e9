"""What a method keeps over its training belongs to the policy version, as the optimiser's state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from selfplay.core.components import Choice, chosen
from selfplay.core.seeding import Seed
from selfplay.core.tasks import Match
from selfplay.core.types import Prompt
from solver.checkpoint import policy_digest
from solver.learning.stage import Stage
from solver.objectives import margins
from solver.objectives.rows.combined import (
    Part,
    Phase,
    ScheduleOptions,
    SumOptions,
    TaskObjective,
    TasksOptions,
)
from solver.objectives.rows.groups import GrpoOptions
from solver.objectives.rows.pairs import BetaDpoOptions
from solver.objectives.table import OBJECTIVES
from solver.solver import Solver
from tests.solver.small_solver import judged, make, weights

BETA = chosen("beta_dpo", OBJECTIVES, BetaDpoOptions(keep=1.0))
RUNNING: dict[str, Any] = {"reference": "initial", "learning_rate": 3e-3}
ENTROPY = {
    "use_adaptive_entropy": True,
    "entropy_target": 100.0,
    "entropy_coef_delta": 0.2,
    "entropy_coef_max": 1.0,
}


@pytest.fixture
def gaps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    """Of each step of β-DPO: the mean gap of its pairs, and the running mean that it uses."""
    found: list[tuple[float, float]] = []
    track = margins._track

    def tracked(memory: dict[str, float], gaps_B: torch.Tensor, momentum: float) -> Any:
        used = track(memory, gaps_B, momentum)
        found.append((float(gaps_B.mean()), used[0]))
        return used

    monkeypatch.setattr(margins, "_track", tracked)
    return found


def learn(solver: Solver, rounds: int, first: int = 0) -> None:
    for t in range(first, first + rounds):
        solver.learn(judged(solver, seed=t), Seed(t))


def running(means: list[float], momentum: float = 0.9) -> list[float]:
    found: list[float] = []
    for mean in means:
        past = found[-1] if found else mean
        found.append(past + (1 - momentum) * (mean - past))
    return found


def test_beta_dpos_running_mean_goes_on_from_stage_to_stage(
    tiny_model_dir: Path, gaps: list[tuple[float, float]]
) -> None:
    solver = make(tiny_model_dir, "beta_dpo", BETA.options, **RUNNING)
    learn(solver, 4)
    means, used = (list(column) for column in zip(*gaps, strict=True))
    assert len(means) == 4
    assert used == pytest.approx(running(means))
    assert abs(means[-1] - used[-1]) > 0.01
    assert solver.policy.memory[""]["gap_mean"] == used[-1]


@pytest.mark.parametrize("name", ["beta_dpo", "grpo"])
def test_it_is_exact_over_a_resume(tiny_model_dir: Path, tmp_path: Path, name: str) -> None:
    one, other = (stateful(tiny_model_dir, name) for _ in range(2))
    learn(one, 3)
    digest = one.save(tmp_path / "a")
    other.restore(tmp_path / "a")
    assert other.policy.memory == one.policy.memory
    assert one.policy.memory[""]
    assert policy_digest(other.policy) == digest
    learn(one, 2, first=3)
    learn(other, 2, first=3)
    assert one.save(tmp_path / "b") == other.save(tmp_path / "c") != digest


def stateful(directory: Path, name: str) -> Solver:
    if name == "grpo":
        return make(directory, name, GrpoOptions(beta=0.0), trl=ENTROPY)
    return make(directory, name, BetaDpoOptions(), **RUNNING)


def test_going_back_to_a_version_goes_back_to_what_it_kept(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    solver = stateful(tiny_model_dir, "beta_dpo")
    learn(solver, 1)
    solver.save(tmp_path / "a")
    before = {place: dict(kept) for place, kept in solver.policy.memory.items()}
    learn(solver, 2, first=1)
    assert solver.policy.memory != before
    solver.restore(tmp_path / "a")
    assert solver.policy.memory == before


def test_the_digest_covers_what_is_kept_and_nothing_where_nothing_is(
    tiny_model_dir: Path,
) -> None:
    solver = make(tiny_model_dir, "dpo")
    before = policy_digest(solver.policy)
    solver.policy.memory["parts.0"] = {}
    assert policy_digest(solver.policy) == before
    solver.policy.memory["parts.0"]["gap_mean"] = 1.0
    assert policy_digest(solver.policy) != before


def test_the_entropy_controller_adapts_with_one_step_a_stage(tiny_model_dir: Path) -> None:
    solver, plain = (
        make(
            tiny_model_dir, "grpo", GrpoOptions(beta=0.0), trl=ENTROPY | {"entropy_target": target}
        )
        for target in (100.0, -1.0)
    )
    coefficients = []
    for t in range(3):
        groups = judged(solver, seed=t)
        coefficients.append(solver.learn(groups, Seed(t))["entropy_coef"])
        plain.learn(groups, Seed(t))
        same = all(torch.equal(w, weights(plain)[n]) for n, w in weights(solver).items())
        # The first step has no measurement to go by, as TRL has it.
        assert same == (t == 0)
    assert coefficients == pytest.approx([0.2, 0.4, 0.6])


def asks_one(prompt: Prompt) -> bool:
    return prompt.text == "one"


def sum_of(*choices: Choice) -> Choice:
    return chosen("sum", OBJECTIVES, SumOptions(tuple(Part(choice) for choice in choices)))


def tasks_of(first: Choice, rest: Choice) -> Choice:
    task = TaskObjective("one", Match(classifier="tests.solver.test_method_memory:asks_one"), first)
    return chosen("tasks", OBJECTIVES, TasksOptions((task,), rest))


def schedule_of(first: Choice, then: Choice) -> Choice:
    options = ScheduleOptions((Phase(first, 2), Phase(then, None)))
    return chosen("schedule", OBJECTIVES, options)


@pytest.mark.parametrize(
    ("choice", "places"),
    [
        (sum_of(BETA, BETA), {"parts.0", "parts.1"}),
        (schedule_of(BETA, BETA), {"phases.0", "phases.1"}),
        (sum_of(schedule_of(BETA, BETA)), {"parts.0.phases.0", "parts.0.phases.1"}),
    ],
)
def test_every_part_of_an_objective_keeps_its_own(
    tiny_model_dir: Path, choice: Choice, places: set[str], gaps: list[tuple[float, float]]
) -> None:
    solver = make(tiny_model_dir, choice.name, choice.options, **RUNNING)
    learn(solver, 4)
    kept = {place: memory for place, memory in solver.policy.memory.items() if memory}
    assert set(kept) == places
    if choice.name == "schedule":
        first, then = (running([mean for mean, _ in part]) for part in (gaps[:2], gaps[2:]))
        assert kept["phases.0"]["gap_mean"] == pytest.approx(first[-1])
        assert kept["phases.1"]["gap_mean"] == pytest.approx(then[-1])


def test_a_task_keeps_what_its_own_prompts_gave(tiny_model_dir: Path) -> None:
    choice = tasks_of(BETA, BETA)
    solver = make(tiny_model_dir, "tasks", choice.options, **RUNNING)
    learn(solver, 3)
    kept = solver.policy.memory
    assert {place for place, memory in kept.items() if memory} == {"tasks.one", "rest"}
    assert kept["tasks.one"]["gap_mean"] != kept["rest"]["gap_mean"]


def test_an_objective_without_memory_keeps_none(tiny_model_dir: Path, tmp_path: Path) -> None:
    solver = make(tiny_model_dir, "dpo")
    learn(solver, 1)
    solver.save(tmp_path / "a")
    assert "memory" not in (tmp_path / "a/policy.json").read_text()


def test_the_pairs_that_are_kept_do_not_depend_on_who_made_the_passes_before(
    tiny_model_dir: Path,
) -> None:
    choice = sum_of(chosen("beta_dpo", OBJECTIVES, BetaDpoOptions(keep=0.5, adaptation=0.0)))
    solver = make(tiny_model_dir, "sum", choice.options, minibatches=2)
    stage = Stage(solver.policy, judged(solver), Seed(0), solver.policy.config)
    plan: Any = solver._objective
    first, second = (plan.plan(stage).steps for _ in range(2))
    losses = [step[0].loss()[0].item() for step in first]
    # The second step by itself, as a process makes it that did not make the first.
    assert second[1][0].loss()[0].item() == losses[1]
