"""`selfplay rlaif`: what is printed, what is written, what goes wrong."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from meta.rubrics.rubric import Rubric
from selfplay.cli.main import app
from selfplay.data.recorded import read_recorded
from selfplay.offline.rlaif.rewarded import share_at_top
from tests.conftest import make_tiny_model
from tests.meta.judged_groups import CLEAR, asked_text
from tests.meta.test_revising import told
from tests.model_server import Answer, completion, serving

GRADER = "judge.model.name=tests.meta.grading_model:Grader"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    rows = [
        {"prompt": "one", "responses": ["steady", "disputed", "broken"]},
        {"prompt": "two", "responses": ["steady", "a steady one"]},
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "responses.jsonl").write_text(lines, encoding="utf-8")
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "Why?"}\n{"prompt": "Who?"}\n')
    (tmp_path / "rubric.yaml").write_text(Rubric((CLEAR,)).to_yaml(), encoding="utf-8")
    return tmp_path


def test_revise_says_how_far_it_is_what_it_made_and_what_to_do_next(files: Path) -> None:
    out = files / "out"
    with serving(lambda body: completion(told(body))) as server:
        model = f"model={{name: endpoint, model: m, base_url: '{server.url}'}}"
        asked = ["rlaif", "revise", str(files / "prompts.jsonl"), model, "revisions=1"]
        asked += ["sampling.max_new_tokens=9", "chunk=1", "--out", str(out)]
        done = CliRunner().invoke(app, asked)
        as_json = CliRunner().invoke(app, [*asked, "--json"])
    assert done.exit_code == 0, done.output
    assert [line for line in done.stderr.splitlines() if line.endswith("prompts")] == [
        f"{i} of 2 prompts" for i in range(3)
    ]
    assert f"2 rows of 2 prompts: {out / 'demonstrations.jsonl'}" in done.stdout
    assert "next: selfplay train " in done.stdout
    found = json.loads(as_json.stdout)
    assert found == {
        "rows": str(out / "demonstrations.jsonl"),
        "count": 2,
        "missing": {},
        "prompts": 2,
    }


def test_an_interrupt_ends_after_the_chunk_in_flight_and_the_same_command_goes_on(
    files: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    asked_for: list[str] = []

    def behave(body: dict[str, Any]) -> Answer:
        if not asked_for:
            os.kill(os.getpid(), signal.SIGINT)
        asked_for.append(asked_text(body))
        return completion(told(body))

    with serving(behave) as server:
        model = f"model={{name: endpoint, model: m, base_url: '{server.url}'}}"
        asked = ["rlaif", "revise", str(files / "prompts.jsonl"), model, "revisions=1"]
        asked += ["sampling.max_new_tokens=9", "chunk=1", "--out", str(files / "out")]
        # Not by CliRunner, whose streams have no file descriptor for the signal's handler.
        code = app(asked, standalone_mode=False)
        rows = files / "out" / "demonstrations.jsonl"
        assert code == 130
        assert "the same command goes on from" in capfd.readouterr().err
        assert len(rows.read_text().splitlines()) == 1
        before = len(asked_for)
        second = CliRunner().invoke(app, asked)
    assert second.exit_code == 0, second.output
    assert len(rows.read_text().splitlines()) == 2
    assert not any("Why?" in text for text in asked_for[before:])


def test_judgements_makes_pairs_for_the_actor_and_for_the_judge(files: Path) -> None:
    model = make_tiny_model(files / "model", context=4096)
    asked = ["rlaif", "judgements", str(files / "responses.jsonl"), GRADER]
    asked += [f"judge.model.path={model}", "judge.judgements=3", "judge.least_mass=0"]
    asked += ["--rubric", str(files / "rubric.yaml"), "--out", str(files / "out")]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    rows = files / "out" / "comparisons.jsonl"
    actor, judge = (json.loads(line) for line in rows.read_text().splitlines())
    assert (actor["kind"], actor["chosen"], actor["rejected"]) == ("actor", "steady", "disputed")
    assert actor["margin"] == pytest.approx(1 / 3)
    assert actor["scores"] == [pytest.approx(0.8), pytest.approx(7 / 15), None]
    assert share_at_top(files / "out") == 0.0
    assert "warning" not in done.stderr
    assert (judge["kind"], judge["wins"]) == ("judge", pytest.approx([0.75, 0.25]))
    assert "\ndisputed\n" in judge["prompt"]
    assert json.loads(judge["chosen"])["criteria"]["clear"]["score"] == 5
    for reason in (
        "actor: no response is better than another",
        "judge: the judgements of every response agree",
        "judgement: the judge's score for criterion 'clear' is no number",
    ):
        assert reason in done.stdout
    assert f"next: selfplay train {rows} --model {model} --objective dpo" in done.stdout
    assert [len(record.responses) for record in read_recorded(rows, "auto")] == [2, 2]


def test_a_judge_that_gives_everything_the_highest_score_is_warned_of(files: Path) -> None:
    rows = {"prompt": "one", "responses": ["perfect", "flawless", "disputed"]}
    (files / "responses.jsonl").write_text(json.dumps(rows) + "\n", encoding="utf-8")
    model = make_tiny_model(files / "model", context=4096)
    asked = ["rlaif", "judgements", str(files / "responses.jsonl"), GRADER]
    asked += [f"judge.model.path={model}", "judge.judgements=3", "judge.least_mass=0"]
    asked += ["--rubric", str(files / "rubric.yaml")]
    done = CliRunner().invoke(app, [*asked, "--out", str(files / "some")])
    assert share_at_top(files / "some") == pytest.approx(2 / 3)
    assert "warning" not in done.stderr
    rows["responses"] = ["perfect", "flawless"]
    (files / "responses.jsonl").write_text(json.dumps(rows) + "\n", encoding="utf-8")
    done = CliRunner().invoke(app, [*asked, "--out", str(files / "all")])
    assert "warning: 100% of the responses have the highest score" in done.stderr


def test_where_nothing_could_be_made_it_says_so(files: Path) -> None:
    model = make_tiny_model(files / "model", context=4096)
    asked = ["rlaif", "judgements", str(files / "responses.jsonl"), "--model", str(model)]
    asked += ["--rubric", str(files / "rubric.yaml"), "--out", str(files / "out")]
    asked += ["judge.model.device=cpu", "judge.max_new_tokens=8", "judge.judgements=2"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    assert "0 rows of 2 prompts" in done.stdout
    assert "nothing was made; the reasons above say what to change" in done.stdout


def test_a_command_without_a_model_is_refused(files: Path) -> None:
    asked = ["rlaif", "label", str(files / "responses.jsonl"), "--out", str(files / "out")]
    done = CliRunner().invoke(app, asked)
    assert "judge.model: expected a model of its own" in str(done.exception)
    assert not (files / "out").exists()
