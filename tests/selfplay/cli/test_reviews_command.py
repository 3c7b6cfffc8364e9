"""`selfplay reviews`, `selfplay costs` and what `selfplay status` says of reviews."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from selfplay.cli.main import app
from selfplay.cli.watch import RoundLine
from selfplay.config import load_config
from selfplay.core.models.metering import Spent
from selfplay.core.types import Prompt, user
from selfplay.events import StageDone
from selfplay.ledger import AlarmEntry, AnchorEntry, Ledger, ReviewEntry
from selfplay.paths import LEDGER
from tests.selfplay.rubric_runs import write_run

WIDTH = 80
CAUSE = "alarm: gap: 0.79 in round 5, 0.499 in the reference"


def call(*arguments: str | Path) -> str:
    words = list(map(str, arguments))
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
    """A run with alarms, a review of every outcome, anchors, and three models behind servers."""
    directory = write_run(tmp_path / "run")
    prompt = Prompt(user("Spell it backward: ab"))
    with Ledger.open(directory / LEDGER) as ledger:
        for t in (4, 5, 7):
            ledger.add_alarms([AlarmEntry(t, "gap", "review", "gap", 0.79, 0.499, 1e-4, ())])
        ledger.add_review(ReviewEntry(3, "calendar: every 3 rounds", "accepted", 2, "ok", 0, {}))
        ledger.add_review(ReviewEntry(5, CAUSE, "rejected", 3, "[no better]", 1200, {"a": None}))
        ledger.add_review(ReviewEntry(7, CAUSE, "none", None, "nothing helps", 0, None))
        entries = [
            AnchorEntry(prompt.id, "ba", 1.0, "verifier", "core", "", 1, 0),
            AnchorEntry(prompt.id, "ab", 0.0, "verifier", "core", "", 1, 0),
            AnchorEntry(prompt.id, "ab", 0.0, "verifier", "suspect", "x", 2, 5),
        ]
        ledger.add_anchors([prompt], entries)
    return directory


def spent(model: str, money: float | None) -> Spent:
    return Spent(model, "http://h/v1", 10, 1, 2, 3000, 400, 0, 1, money)


def test_reviews_tells_alarms_causes_outcomes_and_anchors_in_80_columns(run: Path) -> None:
    shown = call("reviews", run)
    words = " ".join(shown.split())
    assert "gap review 0.790 0.499 4–5, 7" in words
    assert "round 3 adopted version 2" in words
    assert "round 5 rejected version 3 (1,200 tokens)" in words
    assert "[no better]" in words, "texts are no markup"
    assert "round 7 nothing changed" in words
    assert max(map(len, shown.splitlines())) <= WIDTH
    anchors = data("reviews", run)["anchors"]
    assert sorted((a["origin"], a["responses"]) for a in anchors) == [("core", 1), ("suspect", 1)]


def test_reviews_as_json_has_the_gate_s_figures(run: Path) -> None:
    reviews = data("reviews", run)["reviews"]
    assert [r["outcome"] for r in reviews] == ["accepted", "rejected", "none"]
    assert reviews[1]["decision"] == {"a": None}


def test_a_run_without_reviews_says_so(tmp_path: Path) -> None:
    with Ledger.create(tmp_path / LEDGER, {}, {}):
        pass
    shown = call("reviews", tmp_path)
    assert "no alarms" in shown
    assert "no reviews" in shown
    assert "no server was asked" in call("costs", tmp_path)


def test_costs_are_summed_by_role_and_unknown_money_is_not_zero(run: Path) -> None:
    with Ledger.open(run / LEDGER) as ledger:
        ledger.add_usages(1, "train", "judge", [spent("judge-8b", 0.5)])
        ledger.add_usages(2, "train", "judge", [spent("judge-8b", 0.25)])
        ledger.add_usages(2, "review", "reviewer", [spent("big", None)])
    judge, reviewer, total = data("costs", run)["costs"]
    assert (judge["role"], judge["requests"], judge["tokens_in"]) == ("judge", 20, 6000)
    assert (judge["money"], reviewer["money"], total["money"]) == (0.75, None, None)
    assert (total["role"], total["tokens_out"], total["unanswered"]) == ("all", 1200, 3)
    shown = call("costs", run)
    assert "0.75" in shown
    assert "money is known where price_in and price_out are set" in shown


def test_status_says_what_became_of_the_rubric(run: Path) -> None:
    with Ledger.open(run / LEDGER) as ledger:
        ledger.amend_settings(load_config("loophole", []).as_dict())
    shown = " ".join(call("status", run).split())
    assert "3 alarms, 3 reviews (1 adopted, 1 rejected, 1 without a change)" in shown
    assert "rubric version 4 is in force" in shown


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        ({"alarms": 1.0}, "1 alarm ·"),
        ({"alarms": 2.0, "reviewed": 1.0}, "2 alarms · reviewed, no change ·"),
        ({"reviewed": 1.0, "gate_accepted": 0.0}, "candidate rejected"),
        ({"reviewed": 1.0, "gate_accepted": 1.0}, "new rubric"),
    ],
)
def test_a_round_s_line_tells_of_alarms_and_reviews(metrics: dict[str, float], words: str) -> None:
    line = RoundLine(9)
    line.add(StageDone(3, "review", 1.0, metrics))
    assert words in str(line.add(StageDone(3, "record", 0.0)))
