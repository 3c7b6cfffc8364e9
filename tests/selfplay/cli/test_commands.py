"""The commands as a user calls them, on a real run."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from selfplay.cli.main import app
from selfplay.core.errors import ConfigError, DataError, LedgerError, ModelError
from selfplay.data.prompts import PromptFileOptions, read_prompts
from selfplay.ledger.schema import MIGRATIONS
from tests.selfplay.small_runs import SMALL

Call = Callable[..., Result]


def call(*arguments: str) -> Result:
    result = CliRunner().invoke(app, arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("runs") / "small"
    result = call("run", "tiny", *SMALL, "--out", str(directory))
    assert result.exit_code == 0, result.output
    assert "finished, round 4 of 4" in result.output
    assert "held-out accuracy" in result.output
    assert "next: selfplay export" in result.output
    return directory


def test_run_prints_a_line_for_each_round(tmp_path: Path) -> None:
    result = call("run", "tiny", *SMALL, "rounds=2", "--out", str(tmp_path / "run"))
    lines = [line for line in result.output.splitlines() if line.startswith("round ")]
    assert [line.split(" · ")[0] for line in lines] == ["round 0/2", "round 1/2", "round 2/2"]
    assert "reward" in lines[1]
    assert "tok/s" in lines[1]


def test_run_goes_on_from_the_run_directory_alone(tmp_path: Path) -> None:
    directory = str(tmp_path / "run")
    call("run", "tiny", *SMALL, "rounds=1", "--out", directory)
    result = call("run", directory, "rounds=2")
    assert "finished, round 2 of 2" in result.output


LATER = re.findall(r"CREATE (TABLE|INDEX) (\w+)", "".join(reversed(MIGRATIONS[3:])))
"""What a run of an earlier release lacks."""


def test_run_goes_on_with_a_run_of_the_first_release(run: Path, tmp_path: Path) -> None:
    directory = tmp_path / "old"
    shutil.copytree(run, directory)
    with sqlite3.connect(directory / "ledger.db", isolation_level=None) as connection:
        connection.execute("ALTER TABLE costs DROP COLUMN peak_bytes")
        for kind, name in (("TABLE", "archive"), *LATER):
            connection.execute(f"DROP {kind} IF EXISTS {name}")
        (found,) = connection.execute("SELECT value FROM run WHERE key = 'settings'").fetchone()
        settings = json.loads(found)
        for later in ("monitors", "review", "trusted", "trusted_rubric", "keep_replies"):
            del settings["meta"][later]
        row = [json.dumps(settings)]
        connection.execute("UPDATE run SET value = ? WHERE key = 'settings'", row)
        connection.execute("PRAGMA user_version=1")
    connection.close()
    assert "finished, round 4 of 4" in call("status", str(directory)).output, "read as it is"
    assert len(call("digest", str(directory)).output.strip()) == 64
    assert "finished, round 4 of 4" in call("run", str(directory)).output


def test_json_lines_name_every_stage(tmp_path: Path) -> None:
    result = call("run", "tiny", *SMALL, "rounds=1", "--out", str(tmp_path / "run"), "--json")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert "note: rloo is computed by" in result.stderr
    assert [(row["round"], row["stage"]) for row in rows] == [
        (0, "deal"),
        (0, "evaluate"),
        (0, "record"),
        (1, "compose"),
        (1, "attempt"),
        (1, "judge"),
        (1, "learn"),
        (1, "evaluate"),
        (1, "record"),
    ]


def test_status_tells_state_and_next_step(run: Path) -> None:
    result = call("status", str(run))
    assert "finished, round 4 of 4" in result.output
    found = json.loads(call("status", str(run), "--json").output)
    assert found["state"] == "finished"
    assert found["evaluations"].keys() == {"0", "2", "4"}


def test_status_of_no_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"ledger\.db"):
        call("status", str(tmp_path))


def test_digest_is_printed_and_stable(run: Path) -> None:
    first, second = (call("digest", str(run)).output.strip() for _ in range(2))
    assert len(first) == 64
    assert first == second


def test_exported_prompts_load_back_as_a_prompt_file(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    result = call("export", str(run), str(path))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert f"{len(rows)} train rows written" in result.output
    children = [row["selfplay"] for row in rows if row["selfplay"]["parents"]]
    assert children
    assert {row["operator"] for row in children} <= {"harder", "easier", "sideways", "fresh"}
    back = read_prompts(PromptFileOptions(path=str(path)))
    assert [prompt.text for prompt in back.prompts] == [row["prompt"][0]["content"] for row in rows]
    assert [prompt.answer for prompt in back.prompts] == [row["answer"] for row in rows]


def test_evaluate_agrees_with_the_runs_own_greedy_accuracy(run: Path) -> None:
    own = json.loads(call("status", str(run), "--json").output)["evaluations"]["4"]
    found = json.loads(call("evaluate", str(run), "--json").output)
    assert found["metrics"]["heldout/greedy"] == own["heldout/greedy"]
    assert found["model"].endswith("policy/4")


def test_evaluate_takes_any_version_and_any_model(run: Path) -> None:
    first = json.loads(call("evaluate", str(run), "--version", "0", "--json").output)
    shipped = json.loads(call("evaluate", str(run), "--model", "tiny", "--json").output)
    assert first["metrics"]["heldout/greedy"] == shipped["metrics"]["heldout/greedy"]
    with pytest.raises(LedgerError, match=r"no policy version 77; it keeps \[0, "):
        call("evaluate", str(run), "--version", "77")


def test_estimate_ranks_by_every_metric_and_says_ties(tmp_path: Path) -> None:
    path = tmp_path / "groups.jsonl"
    rows = [
        {"prompt": "mixed", "responses": ["a", "b"], "rewards": [0, 1]},
        {"prompt": "solved", "responses": ["a", "b"], "rewards": [1, 1]},
        {"prompt": "unscored", "responses": ["a", "b"], "rewards": [None, 1]},
        {"prompt": "hopeless", "responses": ["a", "b"], "rewards": [0, 0]},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    output = call("estimate", str(path)).output
    assert "regret_gap: 3 prompts, 2 distinct values; the largest tie has 2 prompts" in output
    assert "1 prompts without enough rewards left out" in output
    assert "uniform: 4 prompts, 1 distinct values" in output
    places = [
        json.loads(line)
        for line in call("estimate", str(path), "--metric", "regret_gap", "--json").output.split(
            "\n"
        )
        if line
    ]
    assert [(p["rank"], p["tied"], p["prompt"]) for p in places] == [
        (1, 1, "mixed"),
        (2, 2, "solved"),
        (2, 2, "hopeless"),
    ]


def test_an_unknown_metric_names_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "groups.jsonl"
    path.write_text('{"prompt": "q", "responses": ["a"], "rewards": [1]}\n')
    with pytest.raises(ConfigError, match="did you mean 'regret_gap'"):
        call("estimate", str(path), "--metric", "regretgap")


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        (["recorded=nowhere.jsonl"], DataError, r"nowhere\.jsonl"),
        (["creator.bach=3"], ConfigError, "creator.bach: unknown key.*did you mean 'batch'"),
        (["solver.sampling.n=1"], ConfigError, "at least 2"),
        (["model=no/such/model"], ModelError, "no/such/model"),
        (["spaces.chain_sum={terms: [2]}"], ConfigError, "num_terms"),
        (["solver.objective=dpoo"], ConfigError, "did you mean 'dpo'"),
    ],
)
def test_bad_input_is_one_clear_error(
    overrides: list[str], error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        call("run", "tiny", *SMALL, *overrides, "--out", str(tmp_path / "run"))


def test_a_missing_prompt_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.jsonl"):
        call("run", "own", "prompts=nowhere.jsonl", "model=tiny", "--out", str(tmp_path / "run"))


def test_a_prompt_longer_than_the_context_is_refused_before_the_run(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    rows = [{"prompt": "short", "answer": "1"}, {"prompt": "x" * 5000, "answer": "2"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError, match=r"1 of 2 prompts are longer than .* begins 'xxx"):
        call(
            *("run", "own", f"prompts={path}", "model=tiny", "evaluation.source.share=0"),
            *("solver.sampling.max_new_tokens=8", "--out", str(tmp_path / "run")),
        )


def test_evaluate_leaves_out_prompts_that_have_no_room_where_it_is_told_to(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    rows = [{"prompt": "short", "answer": "1"}, {"prompt": "x" * 5000, "answer": "2"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = f"evaluation.source={{name: file, path: '{path}', long: %s}}"
    asked = ("evaluate", "tiny", "solver.sampling.max_new_tokens=8")
    found = call(*asked, source % "drop")
    assert "1 of 2 prompts are longer than" in found.output
    assert "they are left out" in found.output
    assert "heldout/greedy" in found.output
    with pytest.raises(DataError, match="1 of 2 prompts are longer than"):
        call(*asked, source % "refuse")
