"""`selfplay export` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from selfplay.cli.export_command import parse_range
from selfplay.cli.main import app
from selfplay.core.errors import ConfigError
from selfplay.data.recorded import read_recorded
from tests.selfplay.export_runs import HARDER, LONGER, PUZZLE, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "made")


def call(*arguments: str) -> Result:
    result = CliRunner().invoke(app, ["export", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def test_every_filter_is_an_option(run: Path, tmp_path: Path) -> None:
    place = tmp_path / "some.jsonl"
    call(
        *(str(run), str(place), "--round", "1-2", "--task", "chain_sum", "--task", "write"),
        *("--operator", "harder", "--operator", "deepen", "--difficulty", "0.5-0.9"),
        *("--score=-1:0.4", "--verified", "any", "--success", "0.5", "--deduplicate"),
    )
    found = [json.loads(line)["selfplay"]["id"] for line in place.read_text().splitlines()]
    assert found == [HARDER.id, LONGER.id]


def test_the_summary_counts_and_says_what_comes_next(run: Path, tmp_path: Path) -> None:
    place = tmp_path / "pairs"
    told = call(
        *(str(run), str(place), "--what", "pairs", "--layout", "trl", "--as", "datasets"),
        *("--validation", "0.4", "--deduplicate", "--licence", "apache-2.0"),
    )
    assert "rows written to" in told.stdout
    assert "1  left out: near duplicate" in told.stdout
    assert "next: DPOTrainer or RewardTrainer" in told.stdout
    assert "2 of 2 rounds written" in told.stderr
    assert "license: apache-2.0" in (place / "README.md").read_text()


def test_the_summary_is_also_one_json_object(run: Path, tmp_path: Path) -> None:
    told = json.loads(call(str(run), str(tmp_path / "a.jsonl"), "--top", "1", "--json").stdout)
    assert told["rows"] == {"train": 1}
    assert told["left_out"] == {"less valuable or less different": 6}


def test_another_pairing_is_one_option_away(run: Path, tmp_path: Path) -> None:
    place = tmp_path / "pairs.jsonl"
    call(str(run), str(place), "--what", "pairs", "--pairing", "all_pairs", "--round", "1")
    assert len(read_recorded(place, "comparisons")) == 5


def test_a_place_that_is_taken_is_replaced_by_force_alone(run: Path, tmp_path: Path) -> None:
    place = tmp_path / "set.jsonl"
    place.write_text("mine\n")
    with pytest.raises(ConfigError, match="--force"):
        call(str(run), str(place))
    assert place.read_text() == "mine\n"
    call(str(run), str(place), "--force", "--value", "0.5-")
    assert json.loads(place.read_text())["selfplay"]["id"] == PUZZLE.id


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, (None, None)),
        ("0.2-0.8", (0.2, 0.8)),
        ("0.2-", (0.2, None)),
        ("-0.8", (None, 0.8)),
        ("1-2", (1.0, 2.0)),
        ("-1:-0.5", (-1.0, -0.5)),
        (":3", (None, 3.0)),
    ],
)
def test_ranges_are_read(given: str | None, expected: tuple[float | None, float | None]) -> None:
    assert parse_range("--value", given) == expected


@pytest.mark.parametrize("given", ["", "-", ":", "high", "1-2-3", ".-1"])
def test_what_is_no_range_is_refused(given: str) -> None:
    with pytest.raises(ConfigError, match="--value: expected a range"):
        parse_range("--value", given)
