"""A rewriter that learns from what its children are worth, in whole games."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from creator.operators.instruction import CLOSING, OPENING
from selfplay.build import open_game
from selfplay.core.errors import ConfigError, LedgerError
from selfplay.events import Event, Progress
from selfplay.game import lesson
from selfplay.ledger import Ledger
from selfplay.loop import play
from selfplay.paths import LEDGER
from selfplay.stages.rewriting import STAGE, WEIGHTS, request_labels
from tests.selfplay.coached_runs import coached, make_writer, own, play_through


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_writer(tmp_path_factory.mktemp("models") / "writer")


def weights(directory: Path) -> dict[str, np.ndarray]:
    return load_file(directory / "model.safetensors")


def equal(one: Path, other: Path) -> bool:
    left, right = weights(one), weights(other)
    return all(np.array_equal(left[name], right[name]) for name in left)


def test_a_game_rewards_each_reply_with_its_childs_gap(writer: Path, tmp_path: Path) -> None:
    play_through(coached(writer, tmp_path, own(writer), "rounds=2"), tmp_path / "run")
    with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
        ledger.decode = lambda tokens: [""] * len(tokens)
        gaps = {
            group.prompt.text: float(np.ptp(group.rewards)) for group in ledger.groups(2, "train")
        }
        requests = ledger.groups(2, "rewrite:0")
        metrics = ledger.stage_metrics(2, STAGE)
    rewards = []
    for request in requests:
        (verdict,), (response,) = request.verdicts, request.responses
        written = response.text.removeprefix(OPENING).removesuffix(CLOSING).strip()
        assert verdict.reward == gaps.get(written, 0.0)
        assert request.fingerprint.startswith("informativeness:regret_gap:")
        rewards.append(verdict.reward)
    assert {0.0, 1.0} == set(rewards)
    assert metrics["rewriter/reward"] == pytest.approx(np.mean(rewards))
    assert metrics["rewriter/replies"] == len(requests) == 16
    # Four parents, each asked of four times under one instruction.
    assert (metrics["rewriter/requests_taught"], metrics["rewriter/requests_too_few"]) == (4, 0)


def test_a_network_of_its_own_learns_and_the_solver_does_not_from_it(
    writer: Path, tmp_path: Path
) -> None:
    for name, more in {"learns": (), "rests": ("creator.training.enabled=false",)}.items():
        loaded = coached(writer, tmp_path, own(writer), "rounds=2", *more)
        play_through(loaded, tmp_path / name)
    learned = tmp_path / "learns" / "creator" / "policy" / "2"
    assert not equal(learned, writer)
    assert equal(tmp_path / "learns" / "policy" / "2", tmp_path / "rests" / "policy" / "2")
    assert not (tmp_path / "rests" / "creator" / "policy").exists()


def test_a_shared_network_learns_from_the_requests_by_their_weight(
    writer: Path, tmp_path: Path
) -> None:
    changes = {
        "rests": "enabled=false",
        "learns": "weight=1.0",
        "learns more": "weight=4.0",
    }
    learned = {}
    for name, change in changes.items():
        loaded = coached(writer, tmp_path, f"creator.training.{change}", "rounds=2")
        play_through(loaded, tmp_path / name)
        with Ledger.open(tmp_path / name / LEDGER, read_only=True) as ledger:
            learned[name] = ledger.stage_metrics(2, "learn")
    paths = [tmp_path / name / "policy" / "2" for name in changes]
    assert not any(equal(one, other) for one, other in pairwise(paths))
    # The solver's own figures are those that it has without the requests.
    assert learned["learns"]["rewriting/groups_used"] >= 1
    assert learned["learns"]["other/groups_used"] == learned["rests"]["groups_used"]
    assert learned["learns"]["responses_missing"] == 0


def untold(event: Event) -> bool:
    """Nothing was committed with it, or it is of the first round, in which nothing is written."""
    began = isinstance(event, Progress) and event.done == 0
    return began or "again" in event.stage or event.round < 2


@pytest.mark.parametrize("shared", [True, False])
def test_a_run_stopped_after_every_event_ends_like_one_that_was_not(
    writer: Path, tmp_path: Path, shared: bool
) -> None:
    # One version in two is saved: the other is learned again.
    changes = ["save.every=2"] if shared else [own(writer), "save.every=2"]
    loaded = coached(writer, tmp_path, *changes)
    whole = play_through(loaded, tmp_path / "whole")
    lives, ended = 0, False
    while not ended:
        with open_game(loaded, tmp_path / "stopped") as game:
            ended, lives = all(map(untold, play(game))), lives + 1
    assert lives > 12
    with Ledger.open(tmp_path / "stopped" / LEDGER, read_only=True) as ledger:
        assert ledger.digest() == whole
    folder = "policy" if shared else "creator/policy"
    assert equal(tmp_path / "stopped" / folder / "3", tmp_path / "whole" / folder / "3")


def test_a_damaged_version_is_learned_again_and_other_weights_are_refused(
    writer: Path, tmp_path: Path
) -> None:
    loaded = coached(writer, tmp_path, own(writer))
    whole = play_through(loaded, tmp_path / "run")
    versions = tmp_path / "run" / "creator" / "policy"
    assert sorted(path.name for path in versions.iterdir()) == ["2", "3"]
    (versions / "3" / "model.safetensors").unlink()
    with open_game(loaded, tmp_path / "run") as game:
        stages = [event.stage for event in play(game)]
        assert stages[0] == "coach again"
        assert game.ledger.digest() == whole
    shutil.rmtree(versions / "3")
    shutil.copytree(versions / "2", versions / "3")
    header = (versions / "3" / "policy.json").read_text()
    (versions / "3" / "policy.json").write_text(header.replace('"version": 2', '"version": 3'))
    with (
        open_game(loaded, tmp_path / "run") as game,
        pytest.raises(LedgerError, match="found others"),
    ):
        list(play(game))


def test_a_version_that_was_written_before_a_crash_is_written_again(
    writer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = coached(writer, tmp_path, own(writer), "rounds=2")
    whole = play_through(loaded, tmp_path / "whole")

    def crash(ledger: Ledger, t: int, label: str, *more: Any) -> None:
        if "rewrite" in label:
            raise KeyboardInterrupt
        add(ledger, t, label, *more)

    add = Ledger.add_verdicts
    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "add_verdicts", crash)
        with pytest.raises(KeyboardInterrupt):
            play_through(loaded, tmp_path / "run")
    # The weights are on disk, and the ledger knows nothing of them yet.
    versions = tmp_path / "run" / "creator" / "policy"
    assert sorted(path.name for path in versions.iterdir()) == ["1", "2"]
    assert play_through(loaded, tmp_path / "run") == whole


def test_requests_of_a_refill_come_after_those_of_the_composition(
    writer: Path, tmp_path: Path
) -> None:
    loaded = coached(writer, tmp_path, "solver.refill=2", "rounds=2")
    with open_game(loaded, tmp_path / "run") as game:
        list(play(game))
        labels = request_labels(game.ledger, 2)
        assert labels[0] == "rewrite:0"
        assert [label.split(":")[:2] for label in labels[1:]] == [["refill", "0"], ["refill", "1"]]
        assert all(group.verdicts for label in labels for group in game.ledger.groups(2, label))
        purposes = [group.purpose for group in lesson(game, 2)]
        assert purposes == sorted(purposes, reverse=True)
        assert {"train", "rewrite"} == set(purposes)


def test_a_rewriter_of_its_own_learns_to_write_what_informs(writer: Path, tmp_path: Path) -> None:
    larger = ("creator.batch=32", "creator.parents=0.125", "rounds=10")
    loaded = coached(writer, tmp_path, own(writer), *larger, "coaching.learning_rate=5e-3")
    play_through(loaded, tmp_path / "run")
    with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
        rewards = [entry.value for entry in ledger.metrics("rewriter/reward")]
        hashes = {entry.value for entry in ledger.metrics(WEIGHTS)}
    # Three random words of 24 hold one of the 4 favoured ones in 42 % of all cases.
    assert np.mean(rewards[:2]) < 0.5
    assert np.mean(rewards[-3:]) > np.mean(rewards[:2]) + 0.2
    assert len(hashes) == 10


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("creator.rewriter={name: endpoint, model: m, base_url: 'http://localhost'}", "endpoint"),
        ("creator.operators=[repeat]", "an operator that asks the rewriter"),
        ("creator.training.weight=0", "above 0"),
        ("creator.training.metric=inverse_gap", "inverse_gap"),
        ("solver.reference=precomputed", "scored anew"),
        ("coaching.baseline=gold", "coaching.baseline"),
        ("coaching.refill=1", "coaching.refill"),
    ],
)
def test_what_cannot_be_trained_is_refused(tmp_path: Path, change: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        coached(tmp_path, tmp_path, change)
