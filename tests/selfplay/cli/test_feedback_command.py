"""`selfplay feedback` and `selfplay anchors` as a user calls them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from selfplay.cli.main import app
from selfplay.core.errors import ConfigError
from selfplay.review.feedback import settle, take_in
from tests.selfplay.small_runs import play_out

WIDTH = 80


def call(*arguments: str | Path) -> str:
    words = list(map(str, arguments))
    result = CliRunner().invoke(app, words, env={"COLUMNS": str(WIDTH), "TERM": "dumb"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    if "--json" not in arguments:
        assert [line for line in result.stdout.splitlines() if len(line) > WIDTH + 80] == []
    return str(result.stdout)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("played") / "run"
    play_out(directory, "rounds=1")
    return directory


def test_responses_are_sampled_scored_delivered_and_listed(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "score.csv"
    assert "5 responses to 2 prompts written to" in call(
        "feedback", "sample", run, "--out", path, "--count", "5"
    )
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for score, row in enumerate(rows[:-1]):
        row["score"] = str(score)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    assert "no feedback; selfplay feedback sample" in call("feedback", "list", run)
    output = call("feedback", "add", run, path, "--scorer", "ann")
    assert "4 scores and 0 comparisons of responses to 2 prompts delivered as" in output
    assert "note: 1 rows have no score and are left out" in output
    assert "the run has this already" in call("feedback", "add", run, path, "--scorer", "ann")
    (run / "feedback" / "9.jsonl").write_text("no\n", encoding="utf-8")
    settle(run, take_in(run))
    listed = call("feedback", "list", run)
    assert "by ann" in listed
    assert "expected one JSON object" in " ".join(listed.split())
    states = [f["state"] for f in json.loads(call("feedback", "list", run, "--json"))["files"]]
    assert states == ["taken", "refused"]


def test_add_says_what_stands_alone_and_what_the_run_does_not_have(
    run: Path, tmp_path: Path
) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text('{"prompt": "Hm?", "response": "x", "score": 1}\n', encoding="utf-8")
    output = call("feedback", "add", run, path)
    assert "note: 1 prompts are not the run's" in output
    assert "note: 1 responses stand alone in this file" in output


def test_anchors_are_made_and_counted(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "anchors.jsonl"
    output = call("anchors", "make", path, "--run", run, "--rounds", "1")
    assert "judged by verifier" in output
    assert f"anchors added to {path}, which is at version 1 with" in output
    shown = call("anchors", "show", path)
    assert [line for line in shown.splitlines() if len(line) > WIDTH] == []
    assert "report" in shown
    found: dict[str, Any] = json.loads(call("anchors", "show", path, "--json"))
    assert found["scorers"][0]["name"] == "verifier"
    assert found["anchors"] == sum(part["core"] for part in found["parts"]) > 0
    assert "version 0: 0 anchors" in call("anchors", "show", run)


def test_anchors_are_made_by_a_configured_judge_from_a_file(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "Be brief", "responses": ["a", "a b c d"]}\n', encoding="utf-8")
    path = tmp_path / "anchors.jsonl"
    call("anchors", "make", path, "judge=check", "judge.params={maximum: 2}", "--groups", rows)
    lines = path.read_text(encoding="utf-8").splitlines()
    scores = [json.loads(line)["score"] for line in lines]
    assert scores[0] > scores[1]
    assert json.loads(lines[0])["scorer"] == "check"


def test_anchors_make_wants_one_source(run: Path, tmp_path: Path) -> None:
    both: list[str | Path] = ["--run", run, "--groups", "x.jsonl"]
    for arguments in ([], both):
        with pytest.raises(ConfigError, match="expected --run or --groups, one of the two"):
            call("anchors", "make", tmp_path / "a.jsonl", *arguments)
    with pytest.raises(ConfigError, match="judge"):
        call("anchors", "make", tmp_path / "a.jsonl", "judge=nobody", "--run", run)
