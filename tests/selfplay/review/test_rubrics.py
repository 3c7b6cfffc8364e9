"""Claims about a run's rubric versions, on real ledgers."""

from __future__ import annotations

from pathlib import Path

import pytest

from selfplay.core.errors import DataError, LedgerError
from selfplay.ledger import Ledger, RunLock
from selfplay.paths import LEDGER
from selfplay.review.rubrics import freeze, in_force, rollback, rubric_history, words_of
from tests.selfplay.rubric_runs import write_run
from tests.selfplay.small_runs import digest, play_out


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


def standings(directory: Path) -> dict[int, str]:
    history = rubric_history(directory)
    return {entry.version: history.standing(entry.version) for entry in history.versions()}


def test_the_version_accepted_last_is_in_force(run: Path) -> None:
    history = rubric_history(run)
    assert history.rubric().version == 4
    assert standings(run) == {1: "replaced", 2: "replaced", 3: "rejected", 4: "in force"}
    assert history.next_version == 5
    found = in_force(history.entries)
    assert found is not None
    assert found.version == 4


def test_going_back_withdraws_what_came_between_and_deletes_nothing(run: Path) -> None:
    before = rubric_history(run).entries
    entry = rollback(run, 1, "it pays for shouting")
    after = rubric_history(run)
    assert (entry.version, entry.status, entry.round) == (1, "accepted", 7)
    assert after.entries[: len(before)] == before
    withdrawn = [(e.version, e.status) for e in after.entries[len(before) :]]
    assert withdrawn == [(4, "rolled_back"), (2, "rolled_back"), (1, "accepted")]
    assert standings(run) == {1: "in force", 2: "rolled back", 3: "rejected", 4: "rolled back"}
    assert after.rubric().to_yaml() == before[0].text
    assert after.next_version == 5


def test_going_back_goes_to_the_parent_and_can_be_undone(run: Path) -> None:
    assert rollback(run).version == 2, "version 3 was rejected"
    assert rollback(run, 4).version == 4
    assert standings(run) == {1: "replaced", 2: "replaced", 3: "rejected", 4: "in force"}
    assert rollback(run).version == 2
    assert rollback(run).version == 1
    with pytest.raises(DataError, match="version 1 is the first"):
        rollback(run)


def test_a_version_that_was_never_in_force_is_not_gone_back_to(run: Path) -> None:
    with pytest.raises(DataError, match=r"3 was rejected .*not shown to be better.*1, 2, 4"):
        rollback(run, 3)
    with pytest.raises(DataError, match="found 9; known: 1, 2, 3, 4"):
        rollback(run, 9)
    with pytest.raises(DataError, match="4 is in force already"):
        rollback(run, 4)
    assert len(rubric_history(run).entries) == 4


def test_frozen_holds_until_thawed_and_asking_twice_changes_nothing(run: Path) -> None:
    assert not rubric_history(run).frozen
    entry = freeze(run, reason="figures are being made")
    assert entry is not None
    assert (entry.version, entry.status, entry.reason) == (4, "frozen", "figures are being made")
    assert freeze(run) is None
    history = rubric_history(run)
    assert history.frozen
    assert history.rubric().version == 4
    assert freeze(run, frozen=False) is not None
    assert not rubric_history(run).frozen
    assert standings(run)[4] == "in force"


def test_a_run_that_is_being_played_is_not_touched(run: Path) -> None:
    with RunLock(run):
        for change in (lambda: rollback(run), lambda: freeze(run)):
            with pytest.raises(LedgerError, match="in use by"):
                change()
        assert rubric_history(run).rubric().version == 4


def test_reviewers_learn_which_edits_held(run: Path) -> None:
    rollback(run, 2, "it did not help")
    past = {edit.version: edit for edit in rubric_history(run).past_edits()}
    outcomes = {number: edit.outcome for number, edit in past.items()}
    assert outcomes == {2: "held", 3: "rejected", 4: "rolled_back"}
    assert past[2].words == ("adds the deduction 'calm', weight 1 by check case: Do not shout",)
    assert past[3].reason == "not shown to be better"


def test_two_versions_are_compared_in_words(run: Path) -> None:
    history = rubric_history(run)
    assert words_of(history.differences(4, 1)) == [
        "removes the deduction 'calm', weight 1 by check case: Do not shout",
        "removes the reward 'number', weight 1 by check number: Have a number",
    ]
    assert words_of(history.differences(2, 2)) == []


def test_a_run_without_a_rubric_says_so(tmp_path: Path) -> None:
    Ledger.create(tmp_path / LEDGER, {}, {}).close()
    history = rubric_history(tmp_path)
    assert history.in_force is None
    assert in_force(history.entries) is None
    assert history.next_version == 1
    with pytest.raises(DataError, match=r"set meta\.rubric"):
        freeze(tmp_path)
    with pytest.raises(LedgerError):
        rubric_history(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()


def test_a_real_run_shows_its_first_rubric_and_its_digest_tells_of_a_change(tmp_path: Path) -> None:
    before = play_out(tmp_path / "run", "rounds=1", "meta.judge=rubric", "meta.rubric=surface")
    history = rubric_history(tmp_path / "run")
    assert [entry.reason for entry in history.versions()] == ["the run starts with it"]
    assert [c.id for c in history.rubric().default.criteria] == ["right", "neat"]
    freeze(tmp_path / "run")
    assert digest(tmp_path / "run") != before
