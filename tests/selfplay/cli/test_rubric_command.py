"""`selfplay rubric` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from meta.anchors.anchors import AnchorSet
from meta.anchors.file import write_anchors
from meta.rubrics.rubric import rubric_from_yaml
from meta.rubrics.set import RubricSet
from selfplay.cli.main import app
from selfplay.core.errors import ConfigError, DataError
from selfplay.review.trial import find_rubric, score_responses, try_on_anchors
from tests.meta.trusted import LONG as RAMBLING
from tests.meta.trusted import SHORT as BRIEF
from tests.meta.trusted import anchors, brief_and_rambling, criterion, rubric
from tests.selfplay.rubric_runs import write_run

WIDTH = 80
MARKED = criterion("marked", "pattern", 9.0, regex=r"r\d+-\d$")
"""What every anchor ends with, and no exploit that throws the response away."""


def call(*arguments: str | Path) -> str:
    words = ["rubric", *map(str, arguments)]
    result = CliRunner().invoke(app, words, env={"COLUMNS": str(WIDTH), "TERM": "dumb"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def data(*arguments: str | Path) -> dict[str, Any]:
    found = json.loads(call(*arguments, "--json"), parse_constant=pytest.fail)
    assert isinstance(found, dict)
    return found


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


@pytest.fixture
def rubrics(tmp_path: Path) -> tuple[Path, Path]:
    """Files of a rubric that agrees with the anchors, and of one that does not."""
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(rubric(*BRIEF.criteria, MARKED).to_yaml(), encoding="utf-8")
    bad.write_text(RAMBLING.to_yaml(), encoding="utf-8")
    return good, bad


@pytest.fixture
def trusted(tmp_path: Path) -> Path:
    whole = AnchorSet()
    for seed, part in enumerate(("propose", "gate", "report")):
        made = anchors(40, part, brief_and_rambling, seed)  # type: ignore[arg-type]
        whole = whole.append(made.anchors)
    write_anchors(tmp_path / "anchors.jsonl", whole)
    return tmp_path / "anchors.jsonl"


@pytest.fixture
def responses(tmp_path: Path) -> Path:
    rows = [
        {"prompt": "Name 3 [bold]fruits[/bold]", "responses": ["a", "a b c d"], "rewards": [1, 0]},
        {"prompt": "Again", "responses": ["one two three four five six", "x"], "rewards": [1, 0]},
    ]
    path = tmp_path / "responses.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def test_list_says_which_version_is_in_force_and_why_each_came(run: Path) -> None:
    output = call("list", run)
    lines = [line.split() for line in output.splitlines() if line.strip()]
    assert ["4", "in", "force", "2", "7", "3"] in lines
    assert ["3", "rejected", "2", "5", "1"] in lines
    assert "better on the suspects" in output
    assert "frozen" not in output
    found = data("list", run)
    assert [v["standing"] for v in found["versions"]] == [
        *("replaced", "replaced", "rejected", "in force")
    ]


def test_show_prints_yaml_that_reads_back(run: Path) -> None:
    assert rubric_from_yaml(call("show", run)).version == 4
    output = call("show", run, "3")
    assert output.startswith("# rejected; not shown to be better\n")
    assert rubric_from_yaml(output).version == 3
    assert data("show", run, "2")["parent"] == 1


def test_diff_says_what_changed_with_the_one_in_force_by_default(run: Path) -> None:
    assert call("diff", run, "2") == (
        "adds the reward 'number', weight 1 by check number: Have a number\n"
    )
    assert call("diff", run, "2", "2") == "the criteria are the same\n"
    assert data("diff", run, "1", "2")["default"]["added"][0]["id"] == "calm"


def test_rollback_and_freeze_change_what_list_says(run: Path) -> None:
    assert call("rollback", run, "--reason", "it is gamed") == (
        "version 2 is in force: it is gamed\n"
    )
    assert call("freeze", run) == "no review changes the rubric (version 2)\n"
    assert call("freeze", run).endswith("; it was like that already\n")
    assert "frozen: no review" in call("list", run)
    assert call("freeze", run, "--thaw") == "reviews may change the rubric (version 2)\n"
    assert data("list", run)["frozen"] is False


def test_test_scores_a_file_of_responses(tmp_path: Path, responses: Path) -> None:
    path = tmp_path / "brief.yaml"
    path.write_text(BRIEF.to_yaml(), encoding="utf-8")
    output = call("test", path, responses)
    assert "4 of 4 responses to 2 prompts scored" in output
    assert "pairwise accuracy against the file's rewards: 0.500" in output
    assert "Name 3 [bold]fruits" in output
    found = data("test", path, responses)
    assert [row["score"] for row in found["responses"]] == [1.0, 0.75, 0.5, 1.0]
    assert found["responses"][1]["criteria"] == {"short": 0.75}


def test_test_asks_the_gate_about_a_rubric_on_anchors(
    rubrics: tuple[Path, Path], trusted: Path
) -> None:
    good, bad = rubrics
    alone = call("test", good, "--anchors", trusted)
    assert "report" in alone
    assert "gate accepts" not in alone
    output = call("test", good, "--anchors", trusted, "--against", bad)
    assert "the gate accepts" in output
    assert "better on the core" in output
    refused = data("test", bad, "--anchors", trusted, "--against", good)
    assert refused["decision"]["accepted"] is False
    assert refused["accuracy"]["report"]["mean"] < 0.2


def test_a_runs_versions_can_be_tested_too(run: Path, responses: Path) -> None:
    assert find_rubric(str(run)).version == 4
    assert find_rubric(f"{run}@1").version == 1
    assert find_rubric("surface").default.name == "surface"
    with pytest.raises(ConfigError, match="RUN@VERSION with a number"):
        find_rubric(f"{run}@last")
    with pytest.raises(DataError, match="no such file"):
        find_rubric("absent.yaml")
    scores = score_responses(find_rubric(f"{run}@1"), responses)
    assert list(scores.criteria()) == ["short"]


def test_the_known_exploits_are_tried(tmp_path: Path, trusted: Path) -> None:
    path = tmp_path / "brief.yaml"
    path.write_text(BRIEF.to_yaml(), encoding="utf-8")
    trial = try_on_anchors(find_rubric(str(path)), trusted, RubricSet(RAMBLING))
    assert trial.decision is not None
    assert not trial.decision.accepted
    assert "it ranks the exploit 'empty' high" in trial.decision.reason
    kept = try_on_anchors(RubricSet(BRIEF), trusted, RubricSet(RAMBLING), exploits={})
    assert kept.decision is not None
    assert kept.decision.accepted


def test_test_refuses_what_does_not_go_together(
    rubrics: tuple[Path, Path], responses: Path, trusted: Path
) -> None:
    good = rubrics[0]
    with pytest.raises(ConfigError, match="one of the two"):
        call("test", good)
    with pytest.raises(ConfigError, match="one of the two"):
        call("test", good, responses, "--anchors", trusted)
    with pytest.raises(ConfigError, match="--against needs --anchors"):
        call("test", good, responses, "--against", good)


def test_tables_fit_the_width_of_the_terminal(
    run: Path, rubrics: tuple[Path, Path], responses: Path, trusted: Path
) -> None:
    outputs = [
        call("list", run),
        call("test", rubrics[0], responses),
        call("test", rubrics[0], "--anchors", trusted, "--against", rubrics[1]),
    ]
    lines = [line for output in outputs for line in output.splitlines()]
    assert [line for line in lines if len(line) > WIDTH] == []
