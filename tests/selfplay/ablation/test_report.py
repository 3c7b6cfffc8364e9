"""A small real grid, played twice: what is written, and that it is the same to the digit."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from selfplay.ablation import cells, forecast, grid_config, interval, results, write_report
from selfplay.ablation.cell_process import play_cell
from selfplay.ablation.forecast import FINISHED, TIMED, seconds_left
from selfplay.ablation.grid import Cell
from selfplay.cli.main import app
from selfplay.core.errors import ConfigError
from tests.selfplay.small_runs import SMALL

ARMS = {"eva": [], "static": ["creator.evolved=0"]}
OUTCOMES = ["heldout/sampled", "gap", "tokens", "heldout/judged/win_rate_lc"]
JUDGED = ["evaluation.judged={enabled: true, judge: verifier, answers: sampled}"]
EXACT = ("table.csv", "values.csv", "curves.csv", "curves.svg")


def write_grid(path: Path, **content: object) -> Path:
    path.write_text(yaml.safe_dump({"title": "Two arms <&>", **content}))
    return path


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("grid") / "grid.yaml"
    common = [*SMALL, "rounds=2", *JUDGED]
    return write_grid(path, seeds=2, common=common, arms=ARMS, outcomes=OUTCOMES)


@pytest.fixture(scope="module")
def out(grid: Path) -> Path:
    directory = grid.parent / "first"
    ablate(grid, directory)
    return directory


def ablate(grid: Path, out: Path, *options: str) -> str:
    arguments = ["ablate", str(grid), "--out", str(out), "--workers", "1", *options]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def all_cells(grid: Path, out: Path) -> list[Cell]:
    return cells(grid_config(str(grid)), out)


def test_a_second_grid_gives_the_same_table_to_the_digit(grid: Path, out: Path) -> None:
    second, config = grid.parent / "second", grid_config(str(grid))
    # Without sharing, so that it is also seen that sharing changes nothing.
    played = cells(config, second)
    for cell in played:
        play_cell(cell.game, cell.directory, None, cell.overrides)
    write_report(config, played, results(config, played), second)
    for name in EXACT:
        assert (out / name).read_bytes() == (second / name).read_bytes(), name


def test_what_is_finished_is_not_played_again(grid: Path, out: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/cell.json")}
    assert len(before) == 4
    told = ablate(grid, out)
    assert "eva − arm, heldout/sampled" in told
    assert ablate(grid, out) == told
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/cell.json")} == before


def test_differences_are_paired_within_seeds(grid: Path, out: Path) -> None:
    with (out / "values.csv").open(newline="") as file:
        values = {(r["arm"], r["outcome"], r["seed"]): r["value"] for r in csv.DictReader(file)}
    with (out / "table.csv").open(newline="") as file:
        rows = {(r["arm"], r["outcome"]): r for r in csv.DictReader(file)}
    apart = np.array(
        [
            float(values["eva", "heldout/sampled", seed])
            - float(values["static", "heldout/sampled", seed])
            for seed in "01"
        ]
    )
    found = rows["static", "heldout/sampled"]
    assert float(found["ahead"]) == interval(apart).mean
    assert float(found["ahead_high"]) == interval(apart).high
    assert rows["eva", "heldout/sampled"]["ahead"] == ""
    assert {outcome for _, outcome in rows} == set(OUTCOMES)


def test_the_gap_is_reward_less_accuracy(grid: Path, out: Path) -> None:
    with (out / "curves.csv").open(newline="") as file:
        points = list(csv.DictReader(file))
    mine = [p for p in points if (p["arm"], p["seed"]) == ("eva", "0")]
    rewards = [float(p["value"]) for p in mine if p["metric"] == "reward"]
    accuracy = next(
        float(p["value"]) for p in mine if (p["metric"], p["round"]) == ("heldout/sampled", "2")
    )
    (eva, _) = results(grid_config(str(grid)), all_cells(grid, out))
    assert eva.values["gap"][0] == pytest.approx(np.mean(rewards) - accuracy)


class Page(HTMLParser):
    """Collects tags, and what an attribute would load."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [str(value) for name, value in attrs if name in ("src", "href")]


def test_the_page_needs_nothing_else_and_says_what_the_table_says(out: Path) -> None:
    text, page = (out / "report.html").read_text(), Page()
    page.feed(text)
    assert page.loaded == []
    assert "script" not in page.tags
    assert page.tags.count("svg") == len(re.findall('font-weight="600"', text))
    assert page.tags.count("polyline") == 2 * len(re.findall('font-weight="600"', text))
    assert "<h1>Two arms &lt;&amp;&gt;</h1>" in text
    assert "eva − arm" in text
    markdown = (out / "report.md").read_text()
    assert "| static |" in markdown
    assert "4 runs took" in markdown


def test_finished_arms_are_estimated_from_what_they_took(grid: Path, out: Path) -> None:
    found = forecast(all_cells(grid, out), workers=2)
    assert [(arm.basis, arm.left) for arm in found.arms] == [(FINISHED, 0), (FINISHED, 0)]
    assert found.seconds == 0
    longer = [replace(cell, overrides=(*cell.overrides, "seed=7")) for cell in all_cells(grid, out)]
    assert seconds_left([*all_cells(grid, out), longer[0]], all_cells(grid, out), 1) > 0


def test_a_dry_run_times_two_rounds_of_each_arm_and_plays_nothing(tmp_path: Path) -> None:
    path = tmp_path / "long.yaml"
    write_grid(path, seeds=2, common=[*SMALL, "rounds=6"], arms={"eva": []})
    found = json.loads(ablate(path, tmp_path / "out", "--dry-run", "--json"))
    (eva,) = found["arms"]
    assert (eva["arm"], eva["basis"], eva["left"]) == ("eva", TIMED, 2)
    assert found["seconds"] == pytest.approx(2 * eva["seconds"])
    assert [entry.name for entry in (tmp_path / "out").iterdir()] == ["estimate"]
    played = all_cells(path, tmp_path / "real")[:1]
    play_cell(played[0].game, played[0].directory, None, played[0].overrides)
    (real,) = forecast(played, workers=1).arms
    assert eva["tokens"] == pytest.approx(real.tokens, rel=0.3)


def test_arms_with_other_heldout_prompts_are_not_compared(tmp_path: Path) -> None:
    arms = {"a": [], "b": ["evaluation.source.count=9"]}
    path = write_grid(tmp_path / "g.yaml", seeds=1, common=[*SMALL, "rounds=0"], arms=arms)
    played = all_cells(path, tmp_path)
    for cell in played:
        play_cell(cell.game, cell.directory, None, cell.overrides)
    with pytest.raises(ConfigError, match="'a' and 'b' have different ones under seed 0"):
        results(grid_config(str(path)), played)


def test_an_outcome_that_was_not_measured_names_the_nearest(grid: Path, out: Path) -> None:
    config = grid_config(str(grid), ["outcomes=[heldout/sampeld]"])
    with pytest.raises(ConfigError, match="did you mean 'heldout/sampled'"):
        results(config, all_cells(grid, out))
