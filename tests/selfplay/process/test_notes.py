"""What a run and a job say before they begin."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from selfplay.cli.main import app
from selfplay.config import load_config
from selfplay.core.components import chosen
from selfplay.core.types import Group, Prompt, Verdict, user
from selfplay.process.notes import job_notes, loss_notes, run_notes
from solver.objectives.table import OBJECTIVES
from tests.selfplay.small_runs import SMALL

NONE = "meta.constraints has none: no response breaks one"
TASK = "{name: sums, match: {task: [chain_sum]}, objective: crpg}"


def notes(*overrides: str) -> list[str]:
    return run_notes(load_config("tiny", overrides).config)


@pytest.mark.parametrize("name", ["crpg", "crraft", "codpo"])
def test_an_objective_that_misses_its_constraints_is_told_once(name: str) -> None:
    (note,) = notes(f"solver.objective={name}")
    assert note.startswith(f"{name} keeps to constraints, and {NONE}")
    assert not notes(f"solver.objective={name}", "meta.constraints=[verifier]")


def test_a_part_of_a_sum_misses_them_as_well() -> None:
    parts = "{name: sum, parts: [{objective: sft}, {objective: codpo}]}"
    assert len(notes(f"solver.objective={parts}")) == 1


def test_other_objectives_miss_nothing() -> None:
    assert notes() == notes("solver.objective=dpo") == []


def test_a_task_is_told_of_with_the_constraints_that_it_has() -> None:
    (note,) = notes(f"tasks=[{TASK}]")
    assert note.startswith(f"crpg keeps to constraints, and {NONE}")
    assert not notes(f"tasks=[{TASK}]", "meta.constraints=[verifier]")
    assert not notes(f"tasks=[{TASK}]", "tasks.0.constraints=[verifier]")
    (note,) = notes(f"tasks=[{TASK}]", "meta.constraints=[verifier]", "tasks.0.constraints=[]")
    assert "tasks.0.constraints has none" in note


def test_recorded_violations_are_the_constraints_of_a_job() -> None:
    crpg, dpo = (chosen(name, OBJECTIVES) for name in ("crpg", "dpo"))
    kept = Group(Prompt(user("?")), (), "train", 0, (Verdict(1.0),))
    broken = Group(Prompt(user("?")), (), "train", 0, (Verdict(1.0, violations=("rude",)),))
    (note,) = job_notes(crpg, [kept])
    assert "no recorded response breaks one (`violations`)" in note
    assert job_notes(crpg, [kept, broken]) == job_notes(dpo, [kept]) == []


def test_a_launch_says_how_many_processes_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    dpo = chosen("dpo", OBJECTIVES)
    assert notes() == job_notes(dpo, []) == ["3 processes learn together"]


def test_the_commands_say_it_once(tiny_model_dir: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    row = {"prompt": "say one", "responses": ["one", "two"], "rewards": [1, 0]}
    data.write_text(json.dumps(row) + "\n")
    for command in (
        ["run", "tiny", *SMALL, "rounds=0", "solver.objective=crpg"],
        ["train", str(data), "--model", str(tiny_model_dir), "--objective", "crpg"],
    ):
        result = CliRunner().invoke(app, [*command, "--out", str(tmp_path / command[0])])
        assert result.exit_code == 0, result.output
        assert result.stderr.count("note: crpg keeps to constraints") == 1


def test_a_loss_that_trl_computes_is_told_with_the_options_that_act_in_it() -> None:
    def said(*overrides: str) -> list[str]:
        return loss_notes(load_config("tiny", overrides).config.solver)

    (grpo,) = said("solver.objective=grpo")
    for part in ("GRPOTrainer", "use_bias_correction_kl=false", "beta=0.04", "delta=null"):
        assert part in grpo
    (robust,) = said(
        "solver.objective={name: dpo, loss_type: robust}", "solver.trl={label_smoothing: 0.1}"
    )
    assert "label_smoothing=0.1" in robust
    assert "discopop_tau" not in robust
    assert said("solver.objective=simpo") == []
    two = said("solver.objective={name: sum, parts: [{objective: dpo}, {objective: sft}]}")
    assert [note.split()[0] for note in two] == ["dpo", "sft"]


@pytest.mark.parametrize("cut", ["top_p=0.9", "top_k=20", "temperature=0"])
def test_a_policy_gradient_on_truncated_responses_is_told(cut: str) -> None:
    (note,) = notes(f"solver.sampling.{cut}")
    assert note.startswith("rloo is a policy gradient, and takes responses for drawn from")
    assert not notes(f"solver.sampling.{cut}", "solver.objective=dpo")
    assert len(notes(f"solver.sampling.{cut}", "solver.objective=dpo", f"tasks=[{TASK}]")) == 2
