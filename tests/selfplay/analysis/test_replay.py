"""Real small runs, replayed by their own choice and by others."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from selfplay.analysis.counterfactual import (
    Outcomes,
    effective_number,
    jaccard,
    mean,
    origin,
    rank_correlation,
    recorded_parents,
    shared,
    total_variation,
)
from selfplay.analysis.replay import OWN, Replay, ReplayConfig, replay
from selfplay.build import open_game
from selfplay.cli.main import app
from selfplay.config import load_config
from selfplay.core.errors import ConfigError, LedgerError
from selfplay.core.types import Group, Lineage, Prompt, Response, Verdict, user
from selfplay.ledger import Ledger
from selfplay.loop import play
from selfplay.paths import LEDGER
from tests.selfplay.small_runs import play_out, small

ROUNDS = 5
SHORT = ("evaluation.every=9", "creator.batch=12", "creator.parents=0.5")
OTHER = (
    *SHORT,
    "rounds=3",
    "creator.memory=3",
    "creator.fresh_samples=2",
    "creator.estimator=posterior",
    "creator.sampler={name: plr, staleness: 0.5}",
    "solver.refill=1",
)
UNIFORM = {"uniform": ["creator.estimator=uniform"]}
PAGE = Path(__file__).parents[3] / "docs" / "replay.md"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("replay") / "run"
    play_out(directory, *SHORT, f"rounds={ROUNDS}")
    return directory


def parents_of(directory: Path, t: int) -> set[str] | None:
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        return recorded_parents(ledger, t)


def row(found: Replay, name: str) -> dict[str, float]:
    return found.means()[name]


def assert_reproduced(found: Replay, rounds: int) -> None:
    assert [turn.round for turn in found.turns] == list(range(2, rounds + 1))
    assert found.recorded == found.reproduced == rounds - 1
    own = row(found, OWN)
    assert (own["shared"], own["jaccard"], own["variation"], own["correlation"]) == (1, 1, 0, 1)
    assert own["redrawn"] < 1


def test_a_runs_own_choice_replayed_is_what_the_ledger_names(run: Path) -> None:
    assert_reproduced(replay(run, {}), ROUNDS)
    parents = [parents_of(run, t) for t in range(1, ROUNDS + 1)]
    assert parents[0] is None  # nothing was scored yet
    assert [len(found or ()) for found in parents[1:]] == [6] * (ROUNDS - 1)


def test_so_is_that_of_a_run_which_remembers_probes_and_refills(tmp_path: Path) -> None:
    play_out(tmp_path, *OTHER)
    with Ledger.open(tmp_path / LEDGER, read_only=True) as ledger:
        assert len(ledger.composition(3)) > 12  # refilled
    assert_reproduced(replay(tmp_path, {}), 3)


def test_what_a_round_replayed_takes_the_place_of_its_parents(tmp_path: Path) -> None:
    robust = "creator.replay={enabled: true, probability: 0.7, warm: 12}"
    play_out(tmp_path / "run", *SHORT, f"rounds={ROUNDS}", "creator.memory=9", robust)
    with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
        replayed = [
            t for t in range(2, ROUNDS + 1) if ledger.stage_metrics(t, "compose")["replayed"]
        ]
        asked = {t: {prompt.id for prompt in ledger.composition(t)} for t in replayed}
    assert replayed
    assert all(parents_of(tmp_path / "run", t) == asked[t] for t in replayed)
    assert_reproduced(replay(tmp_path / "run", {}), ROUNDS)


def test_a_uniform_choice_differs(run: Path) -> None:
    found = replay(run, UNIFORM)
    uniform, own = row(found, "uniform"), row(found, OWN)
    assert uniform["shared"] < 1
    assert uniform["variation"] > 0
    assert math.isnan(uniform["correlation"])  # all its values are equal
    assert uniform["effective"] == pytest.approx(uniform["eligible"])
    assert own["effective"] < uniform["effective"]
    assert own["eligible"] == uniform["eligible"]


def test_an_alternative_that_says_what_the_run_does_draws_what_the_run_draws(run: Path) -> None:
    said = ["creator.estimator=regret_gap", "creator.sampler={name: proportional, floor: 0}"]
    found = replay(run, {"said": said})
    for own, other in zip(found.turns[::2], found.turns[1::2], strict=True):
        assert own == replace(other, alternative=OWN)


def test_what_a_draw_of_another_size_and_reach_would_have_been(run: Path) -> None:
    options = {"few": ["creator.parents=0.1", "creator.memory=1", "creator.sampler=stratified"]}
    found = row(replay(run, options), "few")
    assert found["shared"] <= 1 / 6
    assert found["eligible"] == 12
    assert math.isnan(found["variation"])
    assert math.isnan(found["effective"])


def test_nothing_is_written_to_the_run(run: Path) -> None:
    def contents() -> dict[str, bytes]:
        # Reading makes SQLite's file for shared memory, which goes with the last reader.
        return {p.name: p.read_bytes() for p in run.iterdir() if p.is_file() and "-" not in p.name}

    before = contents()
    assert LEDGER in before
    replay(run, UNIFORM)
    assert contents() == before


def test_a_stopped_run_is_replayed_as_far_as_it_was_judged(tmp_path: Path) -> None:
    with open_game(small(*SHORT, "rounds=4"), tmp_path) as game:
        for _ in takewhile(lambda _: not game.ledger.stage_done(3, "attempt"), play(game)):
            pass
    found = replay(tmp_path, UNIFORM)
    assert {turn.round for turn in found.turns} == {2}
    assert found.recorded == found.reproduced == 1


@pytest.mark.parametrize(
    ("alternatives", "draws", "message"),
    [
        ({"a": ["solver.objective=dpo"]}, 1, r"'a': .* nothing else; found solver\.objective"),
        ({"a": ["creator.estimator=regretgap"]}, 1, "did you mean 'regret_gap'"),
        ({"a": ["creator.estimator=corrected_gap"]}, 1, "needs judgements_PGJ"),
        ({OWN: []}, 1, "'run' is the run's own choice"),
        ({}, 0, "draws: expected 1 or more, found 0"),
    ],
)
def test_what_cannot_be_replayed_is_refused(
    run: Path, alternatives: dict[str, list[str]], draws: int, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        replay(run, alternatives, draws)


def test_a_directory_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"ledger\.db"):
        replay(tmp_path, {})


def call(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_compares_every_estimator_with_every_sampler(run: Path, tmp_path: Path) -> None:
    choices = [
        *("--estimator", "uniform", "--estimator", "{name: per_token, of: learnability}"),
        *("--sampler", "rank", "--sampler", "{name: softmax, temperature: 0.1}"),
    ]
    path = tmp_path / "turns.csv"
    found = json.loads(call("replay", str(run), *choices, "--json", "--out", str(path)))
    assert list(found["means"]) == [
        "run",
        "uniform + rank",
        "uniform + {name: softmax, temperature: 0.1}",
        "{name: per_token, of: learnability} + rank",
        "{name: per_token, of: learnability} + {name: softmax, temperature: 0.1}",
    ]
    assert found["means"]["uniform + rank"]["correlation"] is None
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found["turns"]) == 5 * (ROUNDS - 1)
    assert rows[0].keys() == found["turns"][0].keys()
    assert rows[1]["correlation"] == ""


def test_the_command_prints_a_table(run: Path) -> None:
    lines = call("replay", str(run), "--estimator", "uniform", "--draws", "2").splitlines()
    assert lines[0] == f"means over {ROUNDS - 1} rounds, 2 to {ROUNDS}"
    assert [line.split()[0] for line in lines[1:4]] == ["alternative", "run", "uniform"]
    assert f"replayed, is exactly theirs in {ROUNDS - 1}" in lines[-1]


def test_a_run_without_anything_to_choose_from_says_so(tmp_path: Path) -> None:
    play_out(tmp_path, "rounds=0", "evaluation.every=9")
    assert "no round was judged in which there was anything" in call("replay", str(tmp_path))


def test_the_file_of_alternatives_in_the_documentation_is_read(run: Path, tmp_path: Path) -> None:
    (block,) = re.findall(
        r"^```yaml\n(alternatives:.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE
    )
    path = tmp_path / "alternatives.yaml"
    path.write_text(block)
    named = load_config(path, [], ReplayConfig).config.alternatives
    assert len(named) >= 2
    found = json.loads(call("replay", str(run), "--alternatives", str(path), "--json"))
    assert list(found["means"]) == [OWN, *named]


def group(prompt: Prompt, *rewards: float) -> Group:
    answers = tuple(Response("", np.zeros(1, np.int32), None, "stop") for _ in rewards)
    return Group(prompt, answers, "train", 0).judged([Verdict(r) for r in rewards], "judge")


def born(text: str, t: int, *parents: Prompt) -> Prompt:
    return Prompt(user(text), lineage=Lineage(tuple(p.id for p in parents), "harder", round=t))


def test_outcomes_by_hand() -> None:
    a, b, c = (Prompt(user(name)) for name in "abc")
    outcomes = Outcomes(threshold=0.5)
    outcomes.asked(1, [group(a, 0, 1), group(b, 1, 1)])
    outcomes.asked(2, [group(born("child of a", 2, a), 0, 0), group(a, 0, 1)])
    outcomes.scored([group(a, 0, 0), group(b, 1, 0.25)])
    outcomes.scored([group(a, 0, 1)])
    found = outcomes.of(2, [[a.id, b.id], [a.id, c.id]])
    assert found == (0.5, mean([0.5, 0.625, 0.5]), 0.5, 0.5)
    assert outcomes.of(1, [[a.id]]).later == pytest.approx(2 / 3)
    nothing = outcomes.of(2, [[c.id]])
    assert nothing.followed == 0.0
    assert np.isnan([nothing.success, nothing.reward, nothing.later]).all()


def test_a_child_names_its_first_parent_and_a_repeated_prompt_itself() -> None:
    a, b = Prompt(user("a")), Prompt(user("b"))
    crossed = born("both", 3, a, b)
    assert origin(crossed, 3) == a.id
    assert origin(crossed, 4) == crossed.id
    assert origin(a, 4) == a.id


def test_agreement_by_hand() -> None:
    assert shared("abc", "bcde") == 0.5
    assert jaccard("abc", "bcde") == pytest.approx(2 / 5)
    assert math.isnan(shared("abc", ""))
    assert total_variation({"a": 0.5, "b": 0.5}, {"b": 0.25, "c": 0.75}) == 0.75
    assert effective_number([0.25] * 4) == 4.0
    assert effective_number([1.0, 0.0]) == 1.0


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([1.0, 2.0, 3.0, 4.0], 1.0),
        ([9.0, 4.0, 1.0, 0.0], -1.0),
        ([1.0, 3.0, 2.0, math.nan], 0.5),
        ([1.0, 1.0, 1.0, 1.0], math.nan),
        ([1.0, math.nan, math.nan, math.nan], math.nan),
    ],
)
def test_rank_correlation_by_hand(others: Sequence[float], expected: float) -> None:
    values = dict(zip("abcd", [1.0, 2.0, 3.0, 4.0], strict=True))
    found = rank_correlation(values, dict(zip("abcd", others, strict=True)))
    assert found == pytest.approx(expected, nan_ok=True)
    assert math.isnan(rank_correlation(values, {"e": 1.0}))
