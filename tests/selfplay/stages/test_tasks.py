"""Tasks and baselines in a whole game: samples, judges, objectives, and going on after a stop."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path

import pytest

from selfplay.build import open_game
from selfplay.config import load_config
from selfplay.core.errors import DataError
from selfplay.events import Progress
from selfplay.ledger import Ledger
from selfplay.loop import play
from selfplay.paths import LEDGER
from selfplay.stages.labels import BASELINE, TRAIN
from selfplay.stages.tasks import samples_of, solver_config, task_judges
from tests.selfplay.small_runs import digest, play_out, small

TASKS = (
    "tasks=[{name: words, match: {task: [spell_backward]}, samples: 2, constraints: [],"
    " objective: {name: dpo}, weight: 0.5},"
    " {name: sums, match: {task: [chain_sum]}, objective: {name: crraft, kl_max: 3}}]"
)
MIXTURE = (
    "solver.objective=crpg",
    "solver.baseline=initial",
    "meta.judge={name: check, kind: length, params: {unit: characters, minimum: 9}}",
    "meta.constraints=[verifier]",
    TASKS,
    "rounds=2",
    "evaluation.source.count=3",
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two rounds without a stop."""
    directory = tmp_path_factory.mktemp("runs") / "whole"
    play_out(directory, *MIXTURE)
    return directory


def test_a_game_stopped_among_its_baselines_goes_on_to_the_same_end(
    whole: Path, tmp_path: Path
) -> None:
    with open_game(small(*MIXTURE), tmp_path / "run") as game:
        for event in play(game):
            if isinstance(event, Progress) and (event.round, event.stage) == (2, BASELINE):
                break
    assert play_out(tmp_path / "run", *MIXTURE) == digest(whole)


def test_each_task_has_its_samples_judges_and_objective(whole: Path) -> None:
    with Ledger.open(whole / LEDGER, read_only=True) as ledger:
        ledger.decode = lambda ids: [""] * len(ids)
        groups = ledger.groups(1, TRAIN)
        baselines = ledger.groups(1, BASELINE)
        metrics = ledger.stage_metrics(1, "learn")
        generated = ledger.stage_metrics(1, "attempt")["generated_tokens"]
    counts = {group.prompt.task: len(group.responses) for group in groups}
    assert counts == {"spell_backward": 2, "chain_sum": 4, "rotate_matrix": 4}
    assert [b.prompt.id for b in baselines] == [g.prompt.id for g in groups]
    assert all(len(b.responses) == 1 and b.verdicts for b in baselines)
    tokens = sum(r.length for group in (*groups, *baselines) for r in group.responses)
    assert generated == tokens
    assert {"words/pairs", "sums/groups_skipped", "other/crpg_reward"} <= set(metrics)
    for group in groups:
        constrained = any("constraint/verifier" in verdict.scores for verdict in group.verdicts)
        assert constrained == (group.prompt.task != "spell_backward")


def test_tasks_fall_back_on_the_run_wide_settings() -> None:
    config = small(*MIXTURE).config
    words, sums = task_judges(config)
    assert words.judge == sums.judge == config.meta.judge
    assert (words.constraints, sums.constraints) == ((), config.meta.constraints)
    options = solver_config(config).objective.options
    assert [task.objective.name for task in options.tasks] == ["dpo", "crraft"]
    assert options.objective == config.solver.objective
    plain = small().config
    assert solver_config(plain) == plain.solver
    assert task_judges(plain) == []
    assert samples_of(plain)(None) == plain.solver.sampling.n  # type: ignore[arg-type]


def test_a_verifier_among_the_constraints_needs_gold_answers(tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text("".join(f'{{"prompt": "say {word}"}}\n' for word in "abcdefgh"))
    changes = [
        f"prompts={prompts}",
        "meta.judge={name: check, kind: number}",
        "meta.constraints=[verifier]",
        "evaluation.source={name: split}",
    ]
    loaded = load_config(None, changes)
    with (
        pytest.raises(DataError, match="needs gold answers"),
        open_game(loaded, tmp_path / "run"),
    ):
        pass


@pytest.mark.parametrize(("answered", "refused"), [("sum", True), ("open", False)])
def test_a_tasks_verifier_needs_gold_answers_of_that_task(
    tmp_path: Path, answered: str, refused: bool
) -> None:
    prompts = tmp_path / "prompts.jsonl"
    rows = [
        {"prompt": f"{kind} {letter}", "kind": kind, "answer": "1" if kind == answered else None}
        for letter in "abcdefgh"
        for kind in ("sum", "open")
    ]
    prompts.write_text("\n".join(map(json.dumps, rows)))
    verified = "{name: open, match: {field: kind, values: [open]}, judge: verifier}"
    loaded = load_config(
        None,
        [
            f"prompts={prompts}",
            "meta.judge={name: check, kind: number}",
            f"tasks=[{verified}]",
            "evaluation.source={name: split}",
        ],
    )
    expected = pytest.raises(DataError, match="needs gold answers") if refused else nullcontext()
    with expected, open_game(loaded, tmp_path / "run"):
        pass
