"""A fork stands where its parent stood after a round, and plays on as it would have."""

from __future__ import annotations

import os
import signal
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from selfplay.analysis.status import standing
from selfplay.analysis.verifying import verify
from selfplay.build import open_game
from selfplay.cli.main import app
from selfplay.config.sources import config_of_run
from selfplay.core.errors import ConfigError, LedgerError
from selfplay.fork import fork
from selfplay.ledger import Ledger
from selfplay.loop import play
from selfplay.paths import LEDGER
from tests.selfplay.small_runs import digest, play_out, small

ROUNDS = 6


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that keeps versions 0, 4 and 6."""
    directory = tmp_path_factory.mktemp("runs") / "parent"
    play_out(directory, f"rounds={ROUNDS}")
    return directory


def go_on(directory: Path, *overrides: str) -> list[str]:
    """Plays a run to its end from its directory alone; the stages of its events."""
    with open_game(config_of_run(directory, overrides), directory) as game:
        return [event.stage for event in play(game)]


@pytest.mark.parametrize("t", [0, 3, 4, ROUNDS])
def test_a_fork_without_changes_ends_like_its_parent(t: int, parent: Path, tmp_path: Path) -> None:
    made = fork(parent, tmp_path / "fork", t)
    assert made.behind == {1: 1, 2: 2, 3: 3, 5: 1}.get(t, 0)
    stages = go_on(tmp_path / "fork")
    assert stages.count("learn again") == made.behind
    assert digest(tmp_path / "fork") == digest(parent)


def test_a_fork_holds_what_its_parent_held_after_the_round(parent: Path, tmp_path: Path) -> None:
    with open_game(small(f"rounds={ROUNDS}"), tmp_path / "stopped") as game:
        for event in play(game):
            if (event.round, event.stage) == (3, "record"):
                break
    fork(parent, tmp_path / "fork", 3)
    assert digest(tmp_path / "fork") == digest(tmp_path / "stopped")
    with sqlite3.connect(tmp_path / "fork" / LEDGER) as raw:
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
    raw.close()


def test_a_fork_says_what_it_comes_from(parent: Path, tmp_path: Path) -> None:
    with open_game(small(f"rounds={ROUNDS}"), tmp_path / "stopped") as game:
        for event in play(game):
            if (event.round, event.stage) == (2, "record"):
                break
    fork(parent, tmp_path / "fork", 2)
    with Ledger.open(tmp_path / "fork" / LEDGER, read_only=True) as ledger:
        expected = {"parent": str(parent), "round": 2, "digest": digest(tmp_path / "stopped")}
        assert ledger.fork == expected
    assert standing(parent).fork is None


def test_a_changed_fork_begins_with_the_policy_of_its_round(parent: Path, tmp_path: Path) -> None:
    play_out(tmp_path / "whole", f"rounds={ROUNDS}", "save.every=1", "save.keep_every=1")
    made = fork(parent, tmp_path / "fork", 3, ["solver.learning_rate=0.0", "seed=7"])
    assert (made.changed, made.behind) == (("seed", "solver.learning_rate"), 0)
    weights = [
        (run / "policy" / "3" / "model.safetensors").read_bytes()
        for run in (tmp_path / "whole", tmp_path / "fork")
    ]
    assert weights[0] == weights[1]
    go_on(tmp_path / "fork")
    assert digest(tmp_path / "fork") != digest(parent)
    assert standing(tmp_path / "fork").state == "finished"


def test_a_changed_fork_of_a_round_whose_policy_is_not_kept_plays_on(
    parent: Path, tmp_path: Path
) -> None:
    made = fork(parent, tmp_path / "fork", 3, ["solver.learning_rate=0.0"])
    assert made.behind == 0, "what the parent learned is learned again here and now"
    assert verify(tmp_path / "fork").policies
    assert "learn" in go_on(tmp_path / "fork")


def test_a_fork_leaves_its_parent_as_it_was(parent: Path, tmp_path: Path) -> None:
    files = {p: p.read_bytes() for p in (parent / "policy").rglob("*") if p.is_file()}
    before = digest(parent)
    fork(parent, tmp_path / "fork", 4)
    go_on(tmp_path / "fork", f"rounds={ROUNDS + 1}")
    assert digest(parent) == before
    assert {p: p.read_bytes() for p in files} == files


def test_a_live_run_can_be_forked(tmp_path: Path) -> None:
    with open_game(small("rounds=3"), tmp_path / "live") as game:
        for event in play(game):
            if (event.round, event.stage) == (2, "judge"):
                fork(tmp_path / "live", tmp_path / "fork")
    go_on(tmp_path / "fork")
    assert digest(tmp_path / "fork") == digest(tmp_path / "live")


def test_a_round_that_is_not_recorded_is_refused(parent: Path, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="a round from 0 to 6, found round 9"):
        fork(parent, tmp_path / "fork", 9)
    assert not (tmp_path / "fork").exists()


def test_a_directory_with_a_run_is_refused(parent: Path, tmp_path: Path) -> None:
    play_out(tmp_path / "other", "rounds=0", "seed=5")
    for run in (parent, tmp_path / "other"):
        before = {p: p.stat().st_mtime_ns for p in run.rglob("policy/*/*")}
        with pytest.raises(LedgerError, match="expected no ledger"):
            fork(parent, run, 0)
        assert {p: p.stat().st_mtime_ns for p in run.rglob("policy/*/*")} == before


@pytest.mark.parametrize("override", ["prompts.count=9", "model.path=other", "meta.rubric=surface"])
def test_what_round_0_has_decided_is_refused(override: str, parent: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a fork has this from its parent"):
        fork(parent, tmp_path / "fork", 1, [override])
    assert not (tmp_path / "fork" / LEDGER).exists()


def test_the_command_forks_and_names_the_next_one(parent: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "fork")
    done = CliRunner().invoke(app, ["fork", str(parent), "--round", "5", "--out", out, "rounds=7"])
    assert done.exit_code == 0, done.output
    assert "up to round 5; changed: rounds" in done.stdout
    assert "1 learning stages are learned again" in done.stdout
    assert f"selfplay run {out}" in done.stdout
    assert "forked from" in CliRunner().invoke(app, ["status", out]).stdout


# Where a fork is killed, each the name of what it calls next.
STEPS = (
    "selfplay.fork._bring_policies",
    "selfplay.ledger.Ledger.copy",
    "selfplay.fork._settle",
    "selfplay.ledger.Ledger.amend_settings",
    "pathlib.Path.rename",
)


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_fork_is_no_run_and_the_same_call_makes_it(
    step: str, parent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, changed = tmp_path / "forks" / "fork", ["solver.learning_rate=0.0"]
    child = os.fork()
    if not child:
        monkeypatch.setattr(step, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
        fork(parent, place, 4, changed)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert not place.exists()
    fork(parent, place, 4, changed)
    fork(parent, tmp_path / "undisturbed", 4, changed)
    assert digest(place) == digest(tmp_path / "undisturbed")
    assert [path.name for path in place.parent.iterdir()] == ["fork"]


def test_files_that_are_no_run_are_left_alone(parent: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    with pytest.raises(LedgerError, match="expected nothing at"):
        fork(parent, tmp_path / "notes", 4)
    assert (tmp_path / "notes" / "mine.txt").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    fork(parent, tmp_path / "empty", 4)
    assert (tmp_path / "empty" / LEDGER).exists()
