"""Budgets and stop conditions: when they end a run, what is said of it, and how it goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from selfplay.analysis.status import standing
from selfplay.build import open_game
from selfplay.core.errors import ConfigError
from selfplay.core.models.metering import Spent
from selfplay.core.types import Prompt, user
from selfplay.events import StageDone
from selfplay.ledger import AlarmEntry, EndingEntry, Ledger
from selfplay.loop import play
from selfplay.paths import LEDGER
from selfplay.stopping.clock import WALL
from selfplay.stopping.concluding import overspent, spent_hours, spent_money
from selfplay.stopping.conditions import Alarmed, Diversity, Plateau
from selfplay.stopping.table import AlarmOptions, DiversityOptions, PlateauOptions
from tests.selfplay.small_runs import SMALL, digest, play_out, small

FLAT = "stop=[{name: plateau, evaluations: 1, gain: 1.0}]"
"""Nothing gains as much, so the second round is the last that can begin."""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.create(tmp_path / "ledger.db", {}, {}) as made:
        yield made


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """A direction for each first letter."""
    return np.array([np.eye(26)[ord(text[0]) - ord("a")] for text in texts], np.float32)


def note(ledger: Ledger, stage: str, name: str, values: Sequence[float]) -> None:
    for t, value in enumerate(values):
        with ledger.commit(t, stage) as record:
            record.metrics = {name: value}


# Conditions


@pytest.mark.parametrize(
    ("values", "stops"),
    [
        ([0.3, 0.4, 0.4, 0.4], True),
        ([0.3, 0.4, 0.4, 0.404], True),
        ([0.3, 0.4, 0.4, 0.405], False),
        ([0.3, 0.4, 0.41, 0.2], False),
        ([0.5, 0.4, 0.45, 0.49], True),
        ([0.4, 0.4, 0.4], False),
    ],
)
def test_a_plateau_is_a_number_of_evaluations_without_a_gain(
    values: list[float], stops: bool, ledger: Ledger
) -> None:
    note(ledger, "evaluate", "heldout/sampled", values)
    condition = Plateau(PlateauOptions(evaluations=len(values[1:]) if stops else 3), embed)
    if values[:2] == [0.3, 0.4]:
        condition = Plateau(PlateauOptions(evaluations=2), embed)
    assert bool(condition.reason(ledger, len(values))) is stops


def test_an_evaluation_of_the_round_itself_is_not_looked_at(ledger: Ledger) -> None:
    note(ledger, "evaluate", "heldout/sampled", [0.4, 0.4])
    condition = Plateau(PlateauOptions(evaluations=1), embed)
    assert condition.reason(ledger, 1) == ""
    assert "has not risen by 0.005 in 1 evaluations: 0.400 at best" in condition.reason(ledger, 2)


def test_a_plateau_of_a_metric_that_nobody_measures_is_refused(ledger: Ledger) -> None:
    note(ledger, "evaluate", "heldout/sampled", [0.4])
    condition = Plateau(PlateauOptions("heldout/smapled"), embed)
    with pytest.raises(ConfigError, match=r"found 'heldout/smapled'; did you mean 'heldout/sam"):
        condition.reason(ledger, 1)


def test_diversity_has_collapsed_when_it_stays_below_its_share(ledger: Ledger) -> None:
    note(ledger, "conclude", "diversity/distinct", [0.8, 1.0, 0.2, 0.6, 0.4, 0.44, 0.1])
    condition = Diversity(DiversityOptions(rounds=2), embed)
    reasons = [t for t in range(7) if condition.reason(ledger, t)]
    assert reasons == [5, 6]
    assert "0.440 at most, 0.900 at first" in condition.reason(ledger, 5)


@pytest.mark.parametrize(
    ("measure", "texts", "expected"),
    [
        ("distinct", ["a b c", "a b c"], 0.5),
        ("spread", ["a", "a", "b", "b"], 2 / 3),
        ("kinds", ["a", "a", "b", "b"], 2.0),
        ("distinct", ["a", "b"], np.nan),
    ],
)
def test_each_measure_of_diversity_sees_its_own(
    measure: str, texts: list[str], expected: float
) -> None:
    condition = Diversity(DiversityOptions(measure=measure), embed)
    found = condition.measure([Prompt(user(text)) for text in texts])
    assert found == pytest.approx({f"diversity/{measure}": expected}, nan_ok=True)


def test_alarms_stop_when_they_come_in_a_row(ledger: Ledger) -> None:
    for t, monitor in ((1, "length"), (3, "length"), (4, "refusals")):
        ledger.add_alarms([AlarmEntry(t, monitor, "tell", "longer", 2.0, 1.0, 0.01, ())])
    assert [t for t in range(1, 7) if Alarmed(AlarmOptions(), embed).reason(ledger, t)] == [2, 4, 5]
    twice = Alarmed(AlarmOptions(rounds=2), embed)
    assert [t for t in range(1, 7) if twice.reason(ledger, t)] == [5]
    assert Alarmed(AlarmOptions(("length",)), embed).reason(ledger, 5) == ""


# Budgets


def test_hours_are_those_of_the_clock_and_of_stages_without_one(ledger: Ledger) -> None:
    ledger.add_cost(1, "attempt", "stage", 7200.0)
    ledger.add_cost(1, "train", "generate", 7000.0)
    assert spent_hours(ledger) == 2.0
    ledger.add_cost(2, "attempt", "stage", 9000.0)
    ledger.add_cost(2, "record", WALL, 10800.0)
    assert spent_hours(ledger) == 5.0


def test_money_that_is_not_known_is_not_zero(ledger: Ledger) -> None:
    budgets = small("money_budget=5").config
    ledger.add_usages(1, "train", "judge", [Spent("m", "http://h", 1, 0, 0, 2, 3, 0, 0, 3.0)])
    assert (spent_money(ledger), overspent(budgets, ledger, 1)) == (3.0, None)
    ledger.add_usages(2, "train", "judge", [Spent("m", "http://h", 1, 0, 0, 0, 0, 1, 0, None)])
    found = overspent(budgets, ledger, 2)
    assert spent_money(ledger) is None
    assert found is not None
    assert "is not known" in found.reason


def test_a_money_budget_needs_prices() -> None:
    server = "creator.rewriter={name: endpoint, model: m}"
    with pytest.raises(ConfigError, match=r"money_budget.*none for creator\.rewriter"):
        small("money_budget=5", server)
    small("money_budget=5", server, "creator.rewriter.price_in=1", "creator.rewriter.price_out=2")


@pytest.mark.parametrize(
    "override",
    [
        "hour_budget=0",
        "money_budget=-1",
        "stop=[plato]",
        "stop=[plateau, plateau]",
        "stop=[alarm]",
        "stop=[{name: diversity, measure: entropy}]",
        "stop=[{name: diversity, share: 0}]",
        "stop=[{name: plateau, evaluations: 0}]",
        "stop=[{name: alarm, monitors: [repetitions]}]",
    ],
)
def test_what_could_not_be_kept_is_refused_by_name(override: str) -> None:
    with pytest.raises(ConfigError, match=override.partition("=")[0]):
        small(override)


def test_an_alarm_of_a_monitor_that_does_not_watch_is_refused() -> None:
    stop = "stop=[{name: alarm, monitors: [repetition]}]"
    small(stop, "meta.monitors.enabled=true")
    watching = ("meta.monitors.enabled=true", "meta.monitors.watch=[language]")
    with pytest.raises(ConfigError, match=r"stop\.0\.monitors.*watch has \(language\)"):
        small(stop, *watching)


# Runs


def test_an_hour_budget_ends_the_run_and_a_larger_one_lets_it_go_on(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    play_out(directory, "hour_budget=1e-9")
    found = standing(directory)
    assert (found.state, found.round) == ("finished", 1)
    assert found.ending is not None
    assert (found.ending.cause, found.ending.round) == ("hours", 1)
    assert max(found.evaluations) == 1
    assert [p.name for p in (directory / "policy").iterdir()] == ["0", "1"]
    before = digest(directory)
    play_out(directory, "hour_budget=1e-9")
    assert digest(directory) == before
    play_out(directory, "hour_budget=1")
    assert (standing(directory).round, standing(directory).ending) == (4, None)
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        assert [(e.round, e.cause, e.lifted) for e in ledger.endings()] == [(1, "hours", True)]


def test_the_clock_counts_every_process_of_the_run(tmp_path: Path) -> None:
    def seconds() -> float:
        with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
            return ledger.seconds(WALL)

    with open_game(small(), tmp_path / "run") as game:
        for event in play(game):
            if (event.round, event.stage) == (1, "record"):
                break
    first = seconds()
    play_out(tmp_path / "run")
    assert 0 < first < seconds()


def test_a_spent_money_budget_ends_the_run_in_its_round(tmp_path: Path) -> None:
    with open_game(small("money_budget=5"), tmp_path / "run") as game:
        for event in play(game):
            if (event.round, event.stage) == (2, "attempt"):
                spent = Spent("m", "http://h", 1, 0, 0, 2, 3, 0, 0, 6.0)
                game.ledger.add_usages(2, "train", "judge", [spent])
    ending = standing(tmp_path / "run").ending
    assert ending == EndingEntry(2, "money", "6.00 of money_budget=5.00 is spent")


def test_a_plateau_ends_the_run_with_its_last_policy_saved_and_evaluated(tmp_path: Path) -> None:
    play_out(tmp_path / "run", "rounds=50", "evaluation.every=1", "save.every=10", FLAT)
    found = standing(tmp_path / "run")
    assert found.ending is not None
    assert (found.state, found.round, found.ending.cause) == ("finished", 2, "plateau")
    assert "heldout/t0.5" in found.evaluations[2]
    assert sorted(p.name for p in (tmp_path / "run" / "policy").iterdir()) == ["0", "2"]


def test_an_ending_that_no_longer_holds_is_lifted(tmp_path: Path) -> None:
    played = ("rounds=3", "evaluation.every=1")
    play_out(tmp_path / "run", *played, FLAT)
    play_out(tmp_path / "run", *played, "stop=[]")
    assert (standing(tmp_path / "run").state, standing(tmp_path / "run").round) == ("finished", 3)


def test_a_condition_given_to_a_round_that_has_learned_waits_for_the_next(tmp_path: Path) -> None:
    with open_game(small(), tmp_path / "run") as game:
        for event in play(game):
            if isinstance(event, StageDone) and (event.round, event.stage) == (1, "learn"):
                break
    play_out(tmp_path / "run", "token_budget=1")
    assert standing(tmp_path / "run").round == 2


def test_rounds_alone_leave_no_stage_and_no_ending(tmp_path: Path) -> None:
    play_out(tmp_path / "run", "rounds=1")
    with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
        assert ledger.endings() == []
        assert not ledger.stage_done(1, "conclude")


KILLED = """
# One life for each moment around the decision, ended there by SIGKILL; the last ends by itself.
import os, signal, sys
from pathlib import Path
from selfplay.build import open_game
from selfplay.config import load_config
from selfplay.loop import play

MOMENTS = [("conclude", 0), ("conclude", 1), ("learn", 1), None]
out, *overrides = sys.argv[1:]
for moment in MOMENTS:
    pid = os.fork()
    if pid == 0:
        with open_game(load_config("tiny", overrides), Path(out)) as game:
            for event in play(game):
                if event.round == 2 and (event.stage, getattr(event, "done", None)) == moment:
                    os.kill(os.getpid(), signal.SIGKILL)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) == (moment is not None), (moment, status)
"""


def test_a_run_killed_around_its_decision_ends_in_the_same_round_for_the_same_reason(
    tmp_path: Path,
) -> None:
    overrides = (*SMALL, "chunk=8", "rounds=50", "evaluation.every=1", FLAT, "token_budget=10000")
    whole = play_out(tmp_path / "whole", *overrides)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "killed"), *overrides],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert digest(tmp_path / "killed") == whole
    assert standing(tmp_path / "killed").ending == standing(tmp_path / "whole").ending


def test_a_run_that_stops_after_any_event_concludes_once(tmp_path: Path) -> None:
    overrides = ("rounds=50", "evaluation.every=1", FLAT, "stop.0.gain=1.0")
    while True:
        with open_game(small(*overrides), tmp_path / "run") as game:
            if sum(1 for _ in islice(play(game), 5)) < 5:
                break
    assert digest(tmp_path / "run") == play_out(tmp_path / "whole", *overrides)
    assert json.loads(json.dumps(standing(tmp_path / "run").as_dict()))["ending"]["round"] == 2
