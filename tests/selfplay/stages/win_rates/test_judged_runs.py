"""Win rates of real runs: recorded in the ledger, gone on with, and measured outside of a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from selfplay.build import open_game
from selfplay.cli.main import app
from selfplay.core.errors import DataError
from selfplay.events import Progress
from selfplay.ledger import Ledger
from selfplay.loop import play
from selfplay.paths import LEDGER
from selfplay.stages.win_rates.contests import LABEL, METRIC
from tests.conftest import make_tiny_model
from tests.selfplay.small_runs import digest, play_out, small

ON = ("evaluation.judged.enabled=true", "rounds=2")
BY_VERIFIER = (*ON, "evaluation.judged.judge=verifier", "evaluation.judged.answers=sampled")


def judged(directory: Path, t: int) -> dict[str, float]:
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        found = ledger.stage_metrics(t, "evaluate")
    return {name: value for name, value in found.items() if name.startswith(METRIC)}


@pytest.fixture(scope="module")
def by_verifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("judged") / "run"
    play_out(directory, *BY_VERIFIER)
    return directory


def test_the_first_policy_ties_with_itself_and_nobody_is_asked(by_verifier: Path) -> None:
    found = judged(by_verifier, 0)
    assert found[f"{METRIC}/win_rate"] == found[f"{METRIC}/ties"] / 2 == 0.5
    assert found[f"{METRIC}/win_rate_lc"] == pytest.approx(0.5)
    with Ledger.open(by_verifier / LEDGER, read_only=True) as ledger:
        assert ledger.group_count(0, LABEL) == 0


def test_by_the_verifier_the_win_rate_is_what_the_accuracies_say(by_verifier: Path) -> None:
    with open_game(small(*BY_VERIFIER), by_verifier) as game:
        before, after = (game.ledger.groups(t, "heldout/sampled") for t in (0, 2))
    wins = [
        (1 + new.rewards[k] - old.rewards[k]) / 2
        for old, new in zip(before, after, strict=True)
        for k in range(2)
    ]
    found = judged(by_verifier, 2)
    assert found[f"{METRIC}/win_rate"] == pytest.approx(sum(wins) / len(wins))
    assert found[f"{METRIC}/win_rate_low"] <= found[f"{METRIC}/win_rate"]


def test_a_run_that_is_stopped_while_it_judges_ends_as_one_that_is_not(
    by_verifier: Path, tmp_path: Path
) -> None:
    overrides = (*BY_VERIFIER, "rounds=2")
    with open_game(small(*overrides), tmp_path / "run") as game:
        for event in play(game):
            if isinstance(event, Progress) and (event.round, event.stage) == (2, LABEL):
                break
        else:
            pytest.fail("nothing was judged")
    assert play_out(tmp_path / "run", *overrides) == digest(by_verifier)


def test_a_pairwise_judge_is_asked_in_both_orders_about_recorded_answers(
    tmp_path: Path,
) -> None:
    with open_game(small(), tmp_path / "plain") as game:
        texts = [prompt.text for prompt in game.heldout]
    answers = tmp_path / "answers.jsonl"
    rows = [{"prompt": text, "responses": ["#### 1"]} for text in texts[:5]]
    answers.write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = make_tiny_model(tmp_path / "judge", context=1024)
    model = f"{{name: transformers, path: {path}, device: cpu}}"
    judge = f"{{name: pairwise, model: {model}, least_mass: 0.0}}"
    overrides = (*ON, "rounds=0", f"evaluation.judged.judge={judge}")
    play_out(tmp_path / "run", *overrides, f"evaluation.judged.reference={answers}")
    found = judged(tmp_path / "run", 0)
    assert 0 < found[f"{METRIC}/win_rate"] < 1
    assert f"{METRIC}/missing" not in found
    with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
        assert 0 < ledger.group_count(0, LABEL) <= 5
        pairs = ledger.comparisons(0, LABEL)
    assert all(len(pair) == 1 and 0.5 <= pair[0].probability <= 1 for pair in pairs)


def test_answers_to_other_prompts_are_refused_before_the_run(tmp_path: Path) -> None:
    answers = tmp_path / "answers.jsonl"
    answers.write_text('{"prompt": "another one", "responses": ["1"]}\n')
    override = f"evaluation.judged.reference={answers}"
    with (
        pytest.raises(DataError, match="found answers to 1 others"),
        open_game(small(*BY_VERIFIER, override), tmp_path / "run"),
    ):
        pytest.fail("it was opened")


def test_evaluate_judges_a_version_of_a_run_against_its_first(by_verifier: Path) -> None:
    arguments = ("evaluate", str(by_verifier), "--judged", "--json", "--version")
    newest = json.loads(CliRunner().invoke(app, [*arguments, "2"]).stdout)["metrics"]
    first = json.loads(CliRunner().invoke(app, [*arguments, "0"]).stdout)["metrics"]
    assert first[f"{METRIC}/win_rate"] == 0.5
    assert 0 < newest[f"{METRIC}/win_rate"] <= 1
