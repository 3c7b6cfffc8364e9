"""docs/python.md: every command has its call, and the call returns what the command prints."""

from __future__ import annotations

import importlib
import inspect
import json
import math
import re
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer.main
from typer.testing import CliRunner

from selfplay.analysis.credit.of_run import credit_of_run
from selfplay.analysis.lineage import ancestors, descendants, find, statistics, story
from selfplay.analysis.ranking import rank_file
from selfplay.analysis.replay import alternatives_named, replay
from selfplay.analysis.status import digest, standing
from selfplay.cli.main import app
from selfplay.config import load_config
from selfplay.core.errors import DataError
from selfplay.exports import ExportOptions, export
from selfplay.fork import fork
from selfplay.job import run
from selfplay.ledger.families import Filter
from selfplay.offline.evaluate import evaluate
from selfplay.offline.train import train
from selfplay.process.doctor import examine
from selfplay.process.signals import LeavingError
from selfplay.report import compare
from selfplay.review.anchor_sets import (
    JudgingConfig,
    count_anchors,
    find_anchors,
    groups_of_run,
    make_anchors,
)
from selfplay.review.feedback import deliver, listing, sample, write_sample
from selfplay.review.rubrics import freeze, review_history, rollback, rubric_history
from selfplay.review.trial import find_rubric, score_responses
from selfplay.stages.costs import costs
from tests.doc_blocks import ROOT, blocks
from tests.selfplay.small_runs import play_out

ROW = re.compile(r"^\| `([a-z ]+)` \| (.+?) \| (.+?) \|$", re.MULTILINE)
CALL = re.compile(r"`(selfplay[\w.]+)\([^)]*\)(?:\.(\w+)\()?")
PAGE = ROOT / "docs" / "python.md"
GRID = "selfplay.ablation"
"""What the block imports that plays a grid: tests/selfplay/ablation plays others."""


class Row(NamedTuple):
    command: str
    calls: list[tuple[str, str]]
    """The function's dotted name, and the method of its result that is called, if any."""
    returns: str


ROWS = [
    Row(command, CALL.findall(calls), returns)
    for command, calls, returns in ROW.findall(PAGE.read_text(encoding="utf-8"))
]
CALLS = sorted({call for row in ROWS for call in row.calls})


def names(command: Any, before: str = "") -> Iterator[str]:
    """All commands, those of groups behind the group's name."""
    for name, sub in command.commands.items():
        if hasattr(sub, "commands"):
            yield from names(sub, f"{before}{name} ")
        else:
            yield before + name


def test_every_command_stands_in_the_table_exactly_once() -> None:
    assert sorted(row.command for row in ROWS) == sorted(names(typer.main.get_command(app)))


def test_the_readme_names_the_commands_without_json() -> None:
    def options(name: str) -> set[str]:
        command: Any = typer.main.get_command(app)
        for word in name.split():
            command = command.commands[word]
        return {option for parameter in command.params for option in parameter.opts}

    without = [row.command for row in ROWS if "--json" not in options(row.command)]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (said,) = re.findall(r"All commands but (.+?) take `--json`", readme, re.DOTALL)
    assert sorted(re.findall(r"`([a-z ]+)`", said)) == sorted(without)


def test_every_command_has_a_call_and_says_what_it_returns() -> None:
    assert [row.command for row in ROWS if not row.calls or not row.returns.strip()] == []


def function(name: str, method: str) -> Callable[..., Any]:
    module, _, attribute = name.rpartition(".")
    found: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    if method:
        found = getattr(typing.get_type_hints(found)["return"], method)
    return found


@pytest.mark.parametrize(("name", "method"), CALLS, ids=[".".join(filter(None, c)) for c in CALLS])
def test_a_call_is_public_annotated_and_says_what_it_returns(name: str, method: str) -> None:
    call = function(name, method)
    assert not any(part.startswith("_") for part in (*name.split("."), method))
    assert name.split(".")[1] != "cli"
    parameters = inspect.signature(call).parameters
    annotated = {*call.__annotations__, "self"}
    assert {*parameters, "return"} <= annotated
    assert says_what_it_returns(call)


def says_what_it_returns(call: Callable[..., Any]) -> bool:
    """Under `Returns:`, or by what it is (`The rubric that …`), or by the class of the result."""
    text = inspect.getdoc(call) or ""
    returned = typing.get_type_hints(call)["return"]
    is_told = "Returns:" in text or not re.match(r"[A-Z][a-z]+s\b", text)
    own = inspect.isclass(returned) and returned.__module__.startswith("selfplay.")
    is_written = text.startswith("Writes") and returned in (Path, type(None))
    return bool(text) and (is_told or is_written or (own and bool(inspect.getdoc(returned))))


# What the calls return, and what the commands print


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run with everything that commands look at."""
    directory = tmp_path_factory.mktemp("runs") / "first"
    rubric = ("meta.judge=rubric", "meta.rubric=surface", "meta.review.enabled=true")
    play_out(directory, "rounds=2", "creator.batch=6", "evaluation.source.count=6", *rubric)
    return directory


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recorded") / "recorded.jsonl"
    rows = [
        {"prompt": "one", "responses": ["a b", "c", "a b c"], "rewards": [1, 0, 0.5]},
        {"prompt": "two", "responses": ["d", "e"], "rewards": [0, 0]},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def printed(*arguments: str | Path) -> Any:
    """What a command prints as JSON; JSON Lines as a list."""
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    try:
        return json.loads(result.stdout)
    except json.JSONDecodeError:
        return [json.loads(line) for line in result.stdout.splitlines()]


def data(value: Any) -> Any:
    """A result as JSON has it."""
    if isinstance(value, dict):
        return {str(key): data(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [data(member) for member in value]
    if isinstance(value, Path):
        return str(value)
    return None if isinstance(value, float) and math.isnan(value) else value


def an_id(directory: Path) -> str:
    """Of a prompt that has a parent."""
    found = find(directory, Filter(operator="harder")).hits or find(directory).hits
    return found[0].prompt.id


READING: dict[str, Callable[[Path], Any]] = {
    "status": lambda first: standing(first).as_dict(),
    "reviews": lambda first: review_history(first).as_dict(),
    "costs": lambda first: {"costs": [cost.as_dict() for cost in costs(first)]},
    "digest": lambda first: {"digest": digest(first)},
    "prompts search": lambda first: find(first, limit=20).as_dict(),
    "prompts stats": lambda first: statistics(first).as_dict(),
    "rubric list": lambda first: rubric_history(first).as_dict(),
    "rubric show": lambda first: rubric_history(first).described(),
    "anchors show": lambda first: count_anchors(find_anchors(first)).as_dict(),
    "feedback list": lambda first: {"files": [entry.as_dict() for entry in listing(first)]},
    "replay": lambda first: replay(first, {}).as_dict(),
}


@pytest.mark.parametrize("command", READING)
def test_a_call_returns_what_the_command_prints(command: str, first: Path) -> None:
    assert printed(*command.split(), first) == data(READING[command](first))


def test_a_prompts_calls_return_what_the_commands_print(first: Path) -> None:
    id_ = an_id(first)
    for call in (story, ancestors, descendants):
        command = "show" if call is story else call.__name__
        assert printed("prompts", command, first, id_) == data(call(first, id_).as_dict())


def test_what_needs_no_run_returns_what_the_commands_print(recorded: Path) -> None:
    rows = [place.as_dict(r.metric) for r in rank_file(recorded) for place in r.places]
    assert printed("estimate", recorded) == data(rows)
    assert printed("config", "tiny", "rounds=3") == data(load_config("tiny", ["rounds=3"]).values)
    assert printed("doctor") == data(examine(Path.cwd()).as_dict())
    scores = score_responses(find_rubric("surface"), recorded)
    assert printed("rubric", "test", "surface", recorded) == data(scores.as_dict())


def test_alternatives_are_named_as_the_command_names_them(first: Path) -> None:
    named = alternatives_named(["uniform", "variance"])
    found = printed("replay", first, "--estimator", "uniform", "--estimator", "variance")
    assert found == data(replay(first, named).as_dict())


def test_evaluating_returns_what_the_command_prints(first: Path) -> None:
    seen: dict[str, float] = {}
    found = evaluate(first, version=0, watch=lambda label, metrics: seen.update(metrics))
    assert seen == found.metrics
    assert printed("evaluate", first, "--version", "0") == data(found.as_dict())


def test_credit_returns_the_tables_that_the_command_prints(first: Path) -> None:
    (table,) = credit_of_run(first, by=["operators"])
    assert printed("credit", first, "--by", "operators") == data(table.as_dict())


def test_a_run_tells_its_events_and_leaves_when_the_watcher_asks(tmp_path: Path) -> None:
    told: list[Any] = []

    def watch(event: Any) -> None:
        told.append(event)
        if getattr(event, "round", 0) == 1:
            raise LeavingError

    settings = ["rounds=1", "prompts.count=8", "creator.batch=2", "evaluation.source.count=2"]
    played = run("tiny", settings, tmp_path / "run", watch=watch)
    assert (played.interrupted, played.standing.state) == (True, "stopped")
    assert told
    played = run(tmp_path / "run")
    assert (played.interrupted, played.standing.state) == (False, "finished")
    assert printed("status", tmp_path / "run") == data(played.standing.as_dict())


def test_a_job_of_training_is_left_and_gone_on_with(tmp_path: Path) -> None:
    row = {"prompt": "one", "responses": ["a", "b"], "rewards": [1, 0]}
    path = tmp_path / "recorded.jsonl"
    path.write_text((json.dumps(row) + "\n") * 3, encoding="utf-8")
    settings = ["model=tiny", "solver.objective=dpo", "batch=1"]

    def leave(_: object) -> None:
        raise LeavingError

    with pytest.raises(LeavingError):
        train(path, tmp_path / "left", settings, watch=leave)
    versions: list[int] = []
    watched = train(
        path, tmp_path / "left", settings, watch=lambda done: versions.append(done.version)
    )
    assert versions == [2, 3]
    *_, shown = printed("train", path, *settings, "--out", tmp_path / "whole")
    assert shown["batches"] == watched.as_dict()["batches"] == 3


def test_what_writes_returns_what_the_command_prints(first: Path, tmp_path: Path) -> None:
    exported = export(first, tmp_path / "a.jsonl", ExportOptions(what="rewards"))
    shown = printed("export", first, tmp_path / "b.jsonl", "--what", "rewards")
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    assert shown["rows"] == exported.rows
    made = fork(first, tmp_path / "forked", 1)
    shown = printed("fork", first, "--out", tmp_path / "other", "--round", "1")
    assert shown == data(made.as_dict()) | {"directory": str(tmp_path / "other")}
    both = [first, tmp_path / "forked"]
    assert printed("compare", *both) == data(compare(both).as_dict())
    assert freeze(tmp_path / "forked") is not None
    assert printed("rubric", "list", tmp_path / "forked")["frozen"]


def test_anchors_and_feedback_return_what_the_commands_print(first: Path, tmp_path: Path) -> None:
    play = tmp_path / "run"
    fork(first, play)
    judge = load_config(None, [], JudgingConfig)
    groups = groups_of_run(first, "train", (0, 9))
    made = make_anchors(groups, judge.config.build(), tmp_path / "a.jsonl", contrasting=False)
    shown = printed("anchors", "make", tmp_path / "b.jsonl", "--run", first, "--all")
    assert shown == data(made.as_dict())
    write_sample(sample(play, 6), tmp_path / "scores.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
    lines = (json.dumps(row | {"score": float(i)}) for i, row in enumerate(rows))
    (tmp_path / "scores.jsonl").write_text("\n".join(lines), encoding="utf-8")
    delivery = deliver(play, tmp_path / "scores.jsonl")
    assert delivery.new
    again = printed("feedback", "add", play, tmp_path / "scores.jsonl")
    assert again == data(delivery.as_dict()) | {"new": False}


def test_going_back_raises_what_the_command_prints(first: Path, tmp_path: Path) -> None:
    fork(first, tmp_path / "run")
    with pytest.raises(DataError, match="there is none to go back to"):
        rollback(tmp_path / "run")
    with pytest.raises(DataError, match="there is none to go back to"):
        printed("rubric", "rollback", tmp_path / "run")


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    examples = [block for block in blocks("python") if block.page == "python"]
    assert sum(GRID in block.text for block in examples) == 1
    for block in examples:
        if GRID not in block.text:
            exec(compile(block.text, block.name, "exec"), {})
    assert (tmp_path / "exports" / "trl" / "train.jsonl").is_file()
    assert (tmp_path / "runs" / "first" / "report.html").is_file()
