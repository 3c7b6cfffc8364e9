"""Claims about which responses of a run count as successes, on whatever scale they were judged."""

from __future__ import annotations

import json
import math
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from selfplay.analysis.lineage import statistics
from selfplay.exports import ExportOptions, Filters, export
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER
from selfplay.report.frontier import frontier
from tests.selfplay import export_runs, family_runs

UNBOUNDED = (-math.inf, math.inf)
AROUND_SEVEN = (6.0, 8.0)
BELOW_ZERO = (-2.0, 0.0)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its rewards are from 0 to 1."""
    directory = export_runs.write_run(tmp_path_factory.mktemp("runs") / "made")
    with Ledger.open(directory / LEDGER) as ledger:
        ledger.amend_settings({**ledger.settings, "rounds": 2})
    return directory


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return family_runs.write_run(tmp_path_factory.mktemp("runs") / "family")


def moved(
    run: Path, target: Path, bounds: dict[str, tuple[float, float]], task: str = "", **settings: Any
) -> Path:
    """The run as if its rewards (those of one task) had been from 6 to 8, or as far below 0."""
    shutil.copytree(run, target)
    with Ledger.open(target / LEDGER) as ledger:
        ledger.keep_scales(bounds)
        ledger.amend_settings({**ledger.settings, **settings})
    low = -2.0 if BELOW_ZERO in bounds.values() else 6.0
    of_task = (
        "group_id IN (SELECT g.id FROM groups g JOIN prompts p ON p.id = g.prompt_id "
        "WHERE p.task = ? OR ? = '')"
    )
    with sqlite3.connect(target / LEDGER) as raw:
        raw.execute(
            f"UPDATE verdicts SET reward = ? + 2 * reward WHERE {of_task}", (low, task, task)
        )
    raw.close()
    return target


def failing(run: Path, tmp_path: Path, *tasks: str) -> list[list[str]]:
    """Ids of the prompts by the share of their newest responses that fail."""
    found = []
    for low, high in ((None, 0.4), (0.4, None)):
        place = tmp_path / f"{low}-{high}.jsonl"
        filters = Filters(difficulty=(low, high), tasks=tasks)
        export(run, place, ExportOptions(filters=filters, force=True))
        rows = [json.loads(line) for line in place.read_text().splitlines()]
        found.append([row["selfplay"]["id"] for row in rows])
    return found


BOUNDED = {"around seven": {"": AROUND_SEVEN}, "below zero": {"": BELOW_ZERO}}
SPREAD = {"no bounds": {"": UNBOUNDED}, "beyond its bounds": {"": (0.0, 1.0)}}
SCALES = BOUNDED | SPREAD


@pytest.mark.parametrize("scale", BOUNDED)
def test_exports_and_reports_count_the_same_successes_on_every_scale(
    run: Path, tmp_path: Path, scale: str
) -> None:
    other = moved(run, tmp_path / "moved", BOUNDED[scale])
    assert failing(other, tmp_path) == failing(run, tmp_path)
    assert frontier(other, 0.5) == frontier(run, 0.5)


@pytest.mark.parametrize("scale", SPREAD)
def test_without_bounds_that_are_kept_the_spread_of_the_tasks_rewards_counts(
    run: Path, tmp_path: Path, scale: str
) -> None:
    other = moved(run, tmp_path / "moved", SPREAD[scale])
    expected = [[export_runs.PUZZLE.id], [export_runs.HARDER.id]]
    assert failing(run, tmp_path, "chain_sum") == expected
    assert failing(other, tmp_path, "chain_sum") == expected


@pytest.mark.parametrize("scale", SCALES)
def test_operators_have_the_same_yields_on_every_scale(
    family: Path, tmp_path: Path, scale: str
) -> None:
    other = moved(family, tmp_path / "moved", SCALES[scale])
    assert statistics(other).operators == statistics(family).operators


def test_tasks_with_judges_of_their_own_have_scales_of_their_own(run: Path, tmp_path: Path) -> None:
    scales = {"": (0.0, 1.0), "written": AROUND_SEVEN}
    tasks = [{"name": "written", "match": {"task": ["write"]}, "judge": "rubric_llm"}]
    other = moved(run, tmp_path / "moved", scales, task="write", tasks=tasks)
    assert failing(other, tmp_path) == failing(run, tmp_path)
    assert frontier(other, 0.5) == frontier(run, 0.5)
