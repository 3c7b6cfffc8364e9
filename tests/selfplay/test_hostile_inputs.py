"""Whatever is in a file, an override or a command line ends in a result or in one of our errors.

Each loader is fed generated inputs for a bounded number of examples; `HYPOTHESIS_EXAMPLES` makes a
longer campaign of it.
"""

from __future__ import annotations

import json
import os
import re
import string
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from meta.anchors.file import read_anchors
from meta.constitution.constitution import read_constitution
from meta.rubrics.rubric import SHIPPED, read_rubric
from meta.rubrics.set import read_rubric_set
from selfplay.ablation.grid import grid_config
from selfplay.analysis.status import standing
from selfplay.cli.entrance import Entrance
from selfplay.cli.main import app
from selfplay.config import load_config, shipped_configs
from selfplay.core.components import blamed, load_attribute
from selfplay.core.errors import ConfigError, DataError, SelfplayError
from selfplay.data.prompts import PromptFileOptions, read_prompts
from selfplay.data.recorded import AUTO, read_recorded, to_group
from selfplay.data.rows import read_rows
from selfplay.ledger.codec import prompt_row
from selfplay.review.feedback.rows import read_row
from solver.objectives.pretraining import read_texts
from tests.selfplay.small_runs import SMALL

CAMPAIGN = settings(
    max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "40")),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SCALARS = (None, True, 0, -1, 2**63, 10**400, 1.5, float("nan"), float("inf"), -0.0)
TEXTS = ("", " ", "\0", "\ud800", "\u2028", "nan", "1e999", "true", "3/train/5/2", "9" * 5000, "5")
CHATS = (
    [{"role": "user", "content": "x"}],
    [{"role": None}],
    [{"from": "human", "value": "x"}, {"from": "gpt", "value": "\ud83d"}],
    [{"role": "user", "content": [{"type": "image"}]}],
    [["user", "hi"]],
    json.dumps([{"role": "user", "content": "x"}]),
    "\n\nHuman: a\n\nAssistant: b",
)
COLUMNS = (
    *("prompt", "messages", "instruction", "input", "system", "history", "answer", "task", "id"),
    *("responses", "rewards", "token_ids", "logprobs", "violations", "chosen", "rejected"),
    *("margin", "probability", "score_chosen", "score_rejected", "completion", "label", "reward"),
    *("response", "score", "scorer", "origin", "alarm", "version", "puzzle", "extra", "text"),
    *("at", "tie", "selfplay", "instances", "reward_model"),
)
WHOLE = (
    {"prompt": "2+2?", "answer": "4"},
    {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]},
    {"prompt": "q", "responses": ["a", "b"], "rewards": [1, 0]},
    {"prompt": "q", "chosen": "a", "rejected": "b"},
    {"prompt": "q", "completion": "a", "label": True},
    {"prompt": "q", "response": "a", "score": 1},
    {"text": "a"},
)
YAML = (
    *("!!float x", "!!bool x", "!!int ''", "!!timestamp x", "!!binary '%'", "!!set {a}"),
    *("!!python/object/apply:os.system [id]", "{[a]: b}", "? {a: 1}\n: b", "&a [*a]", "*nope"),
    *("<<: {a: 1}", "{a: 1, a: 2}", "[" * 100_000, "{a: " * 3000, "9" * 5000, "1" * 400, "\ud800"),
    *(
        '"\\ud83d"',
        "${",
        "${oc.env:NOPE}",
        "${rounds}",
        "${oc.decode:x}",
        "???",
        "%YAML 9.9\n---\na",
    ),
    *("os:system", "json:loads", "nowhere.at_all:X", "{name: dpo, beta: x}", "{99999999999999: a}"),
    *(".inf", "2024-13-45", "&x {a: *x}", "\0", "a\tb: c", "'", "- - x", "null", "true", "1.5"),
)

plain = st.sampled_from(SCALARS) | st.sampled_from(TEXTS) | st.sampled_from(CHATS)
values = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=4,
)
edits = st.dictionaries(st.sampled_from(COLUMNS), values, max_size=2)
rows = st.builds(lambda base, edit: {**base, **edit}, st.sampled_from(WHOLE), edits)
lines = st.lists(
    rows.map(json.dumps)
    | st.sampled_from(
        ['{"prompt": ' + "[" * 100_000, '{"prompt": "a", "n": ' + "1" * 5000 + "}", "[]"]
    ),
    min_size=1,
    max_size=3,
)
cuts = st.lists(st.tuples(st.integers(0, 4000), st.binary(max_size=4)), max_size=3)
odd_texts = st.sampled_from(YAML) | st.text(st.sampled_from(string.printable), max_size=12)


def damaged(content: bytes, places: list[tuple[int, bytes]]) -> bytes:
    """The bytes with others in some places, each of which cuts out what was there."""
    for at, new in places:
        at %= len(content) + 1
        content = content[:at] + new + content[at + len(new) + 1 :]
    return content


def survives(read: Callable[[], Any]) -> None:
    """It returns, or raises one of our errors, whose message can be printed and read."""
    try:
        read()
    except SelfplayError as error:
        message = str(error)
        message.encode("utf-8")
        assert 0 < len(message) < 5000, message[:300]


def as_prompts(path: Path) -> None:
    for prompt in read_prompts(PromptFileOptions(str(path))).prompts:
        json.dumps(prompt_row(prompt)).encode("utf-8")


def as_groups(path: Path) -> None:
    for record in read_recorded(path, AUTO):
        to_group(record, lambda text: list(text.encode("utf-8")))


def as_feedback(path: Path) -> None:
    for row in read_rows(path):
        read_row(row)


TABLES: dict[str, Callable[[Path], Any]] = {
    "prompts": as_prompts,
    "groups": as_groups,
    "feedback": as_feedback,
    "anchors": read_anchors,
    "texts": read_texts,
}


@pytest.mark.parametrize("kind", TABLES)
@CAMPAIGN
@given(lines=lines, cuts=cuts)
def test_no_json_lines_end_in_a_traceback(
    tmp_path: Path, kind: str, lines: list[str], cuts: list[tuple[int, bytes]]
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(damaged("\n".join(lines).encode("utf-8"), cuts))
    survives(lambda: TABLES[kind](path))


@cache
def parquet_file(compression: str, folder: Path) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    stamps = pa.array([1, 2, 3] * 9, pa.timestamp("ns"))
    table = pa.table(
        {"prompt": ["a", "b", "c"] * 9, "answer": ["1", None, "2"] * 9, "when": stamps}
    )
    parquet.write_table(table, folder / "whole.parquet", compression=compression)
    return (folder / "whole.parquet").read_bytes()


@CAMPAIGN
@given(compression=st.sampled_from(["none", "snappy", "zstd"]), cuts=cuts.filter(bool))
def test_no_damaged_parquet_file_ends_in_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, compression: str, cuts: list[tuple[int, bytes]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.parquet"
    path.write_bytes(damaged(parquet_file(compression, path.parent), cuts))
    survives(lambda: as_prompts(path))


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@CAMPAIGN
@given(content=st.binary(max_size=300) | odd_texts.map(lambda t: t.encode("utf-8", "replace")))
def test_no_bytes_end_in_a_traceback(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"bytes{suffix}"
    path.write_bytes(content)
    survives(lambda: as_prompts(path))


YAML_FILES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "rubric": (read_rubric, "criteria:\n  - {id: a, text: b, check: number}\n"),
    "rubric set": (read_rubric_set, "criteria:\n  - {id: a, text: b, check: number}\n"),
    "constitution": (read_constitution, "principles:\n  - {id: a, critique: b, revision: c}\n"),
    "configuration": (
        lambda path: load_config(path, []),
        "base: tiny\nsolver:\n  objective: dpo\n",
    ),
    "grid": (lambda path: grid_config(str(path)), "game: tiny\narms: {a: []}\nseeds: 2\n"),
}


@pytest.mark.parametrize("kind", YAML_FILES)
@CAMPAIGN
@given(key=st.sampled_from(["name", "criteria", "rounds", "spaces", "arms", "x"]), value=odd_texts)
def test_no_yaml_ends_in_a_traceback(tmp_path: Path, kind: str, key: str, value: str) -> None:
    read, whole = YAML_FILES[kind]
    path = tmp_path / "odd.yaml"
    for content in (f"{whole}{key}: {value}\n", value, whole.replace("a", value, 1)):
        path.write_bytes(content.encode("utf-8", "surrogatepass"))
        survives(lambda: read(path))


def keys_of(values: Any, where: str = "") -> list[str]:
    found = []
    for key, value in values.items() if isinstance(values, dict) else ():
        found += [f"{where}{key}", *keys_of(value, f"{where}{key}.")]
    return found


@CAMPAIGN
@given(data=st.data(), value=odd_texts)
def test_no_override_ends_in_a_traceback(data: st.DataObject, value: str) -> None:
    keys = keys_of(load_config("loophole", []).as_dict())
    key = data.draw(st.sampled_from(keys) | odd_texts)
    survives(lambda: load_config("loophole", [f"{key}={value}"]))


ODD_PATHS = ("a\0b", "x" * 5000, "\udcff", "", "/", "/dev/null", "~nosuchuser/x", "/etc/hosts")


@pytest.mark.parametrize("suffix", ["", ".jsonl", ".parquet"])
@pytest.mark.parametrize("path", ODD_PATHS)
def test_no_path_ends_in_a_traceback(path: str, suffix: str) -> None:
    name = f"{path}{suffix}"
    survives(lambda: as_prompts(Path(name)))
    survives(lambda: as_groups(Path(name)))
    survives(lambda: read_anchors(Path(name)))
    survives(lambda: read_rubric(Path(name)))
    survives(lambda: load_config(name, []))


def test_what_is_no_readable_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "device.jsonl").symlink_to("/dev/zero")
    for name in ("pipe.jsonl", "device.jsonl"):
        with pytest.raises(DataError, match="found something that is no regular file"):
            as_prompts(tmp_path / name)
    (tmp_path / "saved").mkdir()
    for state in ("{}", "{"):
        (tmp_path / "saved/state.json").write_text(state)
        with pytest.raises(DataError, match="saved: cannot be read"):
            as_prompts(tmp_path / "saved")


MODULES = {
    "raises": ("raise RuntimeError('at home')", "raised at import: RuntimeError: at home .*line 1"),
    "broken": ("def (", "raised at import: SyntaxError.*line 1"),
    "leaves": ("raise SystemExit(0)", "raised at import: SystemExit"),
    "options": ("class X:\n    Options = property(1 / 0)", "raised at import: ZeroDivisionError"),
}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_of_ones_own_that_raises_is_named_with_its_line(beside: Path, name: str) -> None:
    source, message = MODULES[name]
    (beside / f"odd_{name}.py").write_text(source)
    with pytest.raises(ConfigError, match=message):
        load_config("tiny", [f"meta.judge=odd_{name}:X"])


def test_a_component_of_ones_own_that_raises_when_built_is_named_with_its_line(
    beside: Path,
) -> None:
    (beside / "odd_judge.py").write_text(
        "class X:\n    def __init__(self, options, rubric=None):\n        {}['gone']\n"
    )
    judge = load_config("tiny", ["meta.judge=odd_judge:X"]).config.meta.judge
    with pytest.raises(
        ConfigError, match=r"'odd_judge:X' raised when it is built: KeyError.*line 3"
    ):
        judge.build(None)


def test_a_component_of_ones_own_that_raises_at_work_is_named_and_what_was_done_is_kept(
    beside: Path,
) -> None:
    (beside / "odd_worker.py").write_text(
        "class X:\n"
        "    name, scale = 'x', (0.0, 1.0)\n"
        "    def __init__(self, options, rubric=None):\n        pass\n"
        "    def judge(self, groups, repeat=0):\n        return open('/nowhere')\n"
    )
    play = ["run", "tiny", *SMALL, "rounds=1", "meta.judge=odd_worker:X"]
    found = CliRunner().invoke(app, [*play, "--out", str(beside / "run")])
    assert isinstance(found.exception, ConfigError)
    assert re.search(
        r"your own raised FileNotFoundError: .* \(odd_worker\.py, line 6, in judge\)",
        str(found.exception),
    )
    assert "round 0/1" in found.output
    assert standing(beside / "run").state == "stopped"


OWN = {
    "leaves": ("import sys\ndef work(): sys.exit(0)", "SystemExit: 0 .*odd_leaves.*line 2"),
    "reads": ("import json\ndef work(): json.loads('{')", "JSONDecodeError.*odd_reads.*line 2"),
}


@pytest.mark.parametrize("name", OWN)
def test_whose_code_raised_is_told_by_its_package_not_by_the_file_that_was_named(
    beside: Path, name: str
) -> None:
    source, message = OWN[name]
    package = beside / f"odd_{name}"
    package.mkdir()
    (package / "__init__.py").write_text(f"from odd_{name}.inner import work")
    (package / "inner.py").write_text(source)
    work = load_attribute(f"odd_{name}:work")
    load_attribute("json:dumps")
    group = Entrance(name="x", commands={"work": click.Command("work", callback=work)})
    with pytest.raises(ConfigError, match=message.replace(f"odd_{name}", "inner.py")):
        group.main(["work"], standalone_mode=False)


def test_a_librarys_fault_is_not_called_ones_own_where_a_function_of_it_was_named() -> None:
    load_attribute("json:loads")
    with pytest.raises(ValueError, match="Expecting") as found:
        json.loads("{")
    assert blamed(found.value) == ""


def test_a_key_that_a_row_has_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text('{"prompt": "a", "answer": "1"}\n{"prompt": "b", "answer": "1", "answer": "2"}')
    with pytest.raises(DataError, match=r"d\.jsonl, line 2.*the key 'answer' twice"):
        as_prompts(path)
    many = ",".join(f'"k{i}": {i}' for i in range(200_000))
    path.write_text(f'{{"prompt": "a", {many}, "k199999": 1}}')
    with pytest.raises(DataError, match="the key 'k199999' twice"):
        as_prompts(path)


def test_a_fault_of_our_own_shows_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = load_config("tiny", []).config.meta.judge
    monkeypatch.setattr("meta.judges.verifier.Verifier.__init__", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        judge.build(None)


COMMANDS = (
    ["estimate"],
    ["status"],
    ["digest"],
    ["config"],
    ["costs"],
    ["reviews"],
    ["report"],
    ["compare", "a"],
    ["credit"],
    ["anchors", "show"],
    ["rubric", "show"],
    ["rubric", "diff", "plain"],
    ["prompts", "stats"],
    ["prompts", "search", "a"],
    ["export", "a"],
    ["reference"],
    ["run"],
    ["evaluate"],
    ["replay"],
    ["feedback", "list"],
    ["config", "tiny"],
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_odd_command_line_ends_in_a_traceback(
    beside: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (beside / "notrun").mkdir()
    (beside / "odd.jsonl").write_text('{"prompt": "q", "responses": ["a"], "rewards": [1e999]}\n')
    for argument in (
        *ODD_PATHS[:4],
        *ODD_PATHS[6:],
        "notrun",
        "odd.jsonl",
        "--nope",
        "-1",
        "a=b=c",
        "=",
        "seed=nan",
    ):
        found = CliRunner().invoke(app, [*command, argument])
        assert found.exception is None or isinstance(
            found.exception, (SelfplayError, SystemExit)
        ), (command, argument, found.exception)


def test_shipped_files_are_what_was_damaged() -> None:
    for path in SHIPPED.glob("*.yaml"):
        read_rubric_set(path)
    assert shipped_configs()
