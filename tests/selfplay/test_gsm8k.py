"""Real questions, gold answers and recorded answers of real models, through the real commands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from selfplay.analysis.status import standing
from selfplay.cli.main import app
from selfplay.data.recorded import read_recorded
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER
from tests.conftest import make_tiny_model

DATA = Path(__file__).parents[3] / "shared" / "data" / "gsm8k"

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="needs the GSM8K files in ../shared/data, which are not shipped"
)


def call(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_whole_run_on_gsm8k_with_a_model_made_from_a_configuration(tmp_path: Path) -> None:
    model = make_tiny_model(tmp_path / "model", context=2048)
    output = call(
        *("run", "own", f"prompts={DATA / 'train.jsonl'}", f"model={model}"),
        *("prompts.limit=200", "rounds=2", "creator.batch=8", "chunk=4"),
        *("evaluation.source.limit=8", "evaluation.samples=2", "solver.sampling.n=2"),
        *("solver.sampling.max_new_tokens=12", "evaluation.temperatures=[]"),
        *("--out", str(tmp_path / "run")),
    )
    assert "finished, round 2 of 2" in output
    with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
        asked = ledger.composition(1)
        heldout = ledger.made_by("heldout")
    assert len(asked) == 8
    assert all(prompt.answer and prompt.answer.replace(",", "").isdigit() for prompt in asked)
    assert len(heldout) == 8
    assert standing(tmp_path / "run").metrics["missing"] == 0.0


def test_estimates_of_the_recorded_answers_equal_an_independent_computation() -> None:
    path = DATA / "example_model_solutions.jsonl"
    output = call("estimate", str(path), "--layout", "gsm8k_solutions", "--json")
    places = [json.loads(line) for line in output.splitlines()]
    found = {p["prompt_id"]: p["value"] for p in places if p["metric"] == "regret_gap"}
    expected: dict[str, float] = {}
    raw = [json.loads(line) for line in path.read_text().splitlines()]
    for row, recorded in zip(raw, read_recorded(path, "gsm8k_solutions"), strict=True):
        right = [
            answer["is_correct"]
            for key, answer in row.items()
            if key not in ("question", "ground_truth")
        ]
        assert len(right) == 4
        expected[recorded.prompt.id] = float(np.ptp(np.array(right, dtype=float)))
    assert found == expected
    assert len(found) == 1319


def test_the_ranking_of_the_recorded_answers_says_its_ties() -> None:
    path = DATA / "example_model_solutions.jsonl"
    output = call("estimate", str(path), "--layout", "gsm8k_solutions", "--top", "3")
    assert "regret_gap: 1319 prompts, 2 distinct values; the largest tie has " in output
    assert "uniform: 1319 prompts, 1 distinct values; the largest tie has 1319" in output
