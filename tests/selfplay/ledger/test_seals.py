"""What is recorded is known again: no damaged value is taken for one that was written."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from selfplay.analysis.verifying import verify
from selfplay.build import open_game
from selfplay.cli.main import app
from selfplay.core.errors import LedgerError, SelfplayError
from selfplay.fork import fork
from selfplay.ledger import Ledger
from selfplay.ledger.seals import PARTS
from selfplay.paths import LEDGER
from tests.selfplay.small_runs import play_out, small

# One value of each sealed table, changed as a bit that flips would: it still reads like a value.
DAMAGE = {
    "dealt": "UPDATE prompts SET answer = answer || '1' WHERE operator = 'heldout'",
    "composition": "UPDATE compositions SET metrics = '{}' WHERE round = 2",
    "judgings": "UPDATE judgings SET fingerprint = 'other' WHERE round = 2",
    "prompts": (
        "UPDATE prompts SET seed = seed + 1 WHERE operator <> 'original' AND id IN "
        "(SELECT prompt_id FROM composed_prompts WHERE round = 2)"
    ),
    "estimates": "UPDATE estimates SET value = value + 0.125 WHERE composed = 2",
    "rejections": "UPDATE rejections SET reason = 'long' WHERE round = 2",
    "groups": "UPDATE groups SET purpose = 'probe' WHERE round = 2",
    "responses": "UPDATE responses SET token_ids = zeroblob(length(token_ids))",
    "verdicts": "UPDATE verdicts SET reward = 1 - reward",
    "policies": "UPDATE policies SET sha256 = upper(sha256) || '0' WHERE round = 2",
    "stages": "DELETE FROM stages WHERE round = 2 AND stage = 'learn'",
    "metrics": "UPDATE metrics SET value = value + 1 WHERE round = 2",
}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("runs") / "run"
    play_out(directory, "rounds=2")
    return directory


def copy(played: Path, target: Path, statement: str = "") -> Path:
    """A copy of the run in whose ledger a statement was executed behind its back."""
    shutil.copytree(played, target)
    raw = sqlite3.connect(target / LEDGER)
    with raw:
        assert not statement or raw.execute(statement).rowcount
    raw.close()
    return target


@pytest.mark.parametrize("part", DAMAGE)
def test_a_changed_value_is_found_and_named(part: str, played: Path, tmp_path: Path) -> None:
    directory = copy(played, tmp_path / "run", DAMAGE[part])
    with pytest.raises(LedgerError, match=rf"round \d is not what was recorded \(its .*{part}"):
        verify(directory)


def test_a_damaged_run_is_not_gone_on_with(played: Path, tmp_path: Path) -> None:
    directory = copy(played, tmp_path / "run", DAMAGE["verdicts"] + " WHERE reward IS NOT NULL")
    with (
        pytest.raises(LedgerError, match="is not what was recorded"),
        open_game(small("rounds=3"), directory),
    ):
        pass


def test_groups_are_checked_when_they_are_read(played: Path, tmp_path: Path) -> None:
    directory = copy(played, tmp_path / "run", DAMAGE["responses"])
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        ledger.decode = lambda ids: ["" for _ in ids]
        with pytest.raises(LedgerError, match=r"round 1 .* responses"):
            ledger.groups(1, "train")


def test_a_whole_run_is_told_to_be_whole(played: Path) -> None:
    found = verify(played)
    assert (found.rounds, found.unsealed) == (3, 0)
    assert found.policies
    done = CliRunner().invoke(app, ["digest", str(played), "--verify"])
    assert done.exit_code == 0
    assert "whole: 3 rounds" in done.stderr


def test_a_damaged_policy_is_found(played: Path, tmp_path: Path) -> None:
    directory = copy(played, tmp_path / "run")
    weights = max((directory / "policy").glob("*/model.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-4] ^= 64  # in the mantissa: the value stays one
    weights.write_bytes(content)
    with pytest.raises(LedgerError, match="to hash to"):
        verify(directory)


def test_every_seal_has_a_table_that_is_damaged_above_or_is_empty_in_this_run() -> None:
    assert set(PARTS) - set(DAMAGE) == {
        *("replies", "comparisons", "anchors", "alarms", "review", "rubrics")
    }


def test_a_rubric_command_adds_to_a_recorded_round_without_breaking_its_seal(
    played: Path, tmp_path: Path
) -> None:
    directory = copy(played, tmp_path / "run")
    with Ledger.open(directory / LEDGER) as ledger:
        ledger.add_rubric(0, None, "text", "frozen", "by hand", 2)
    assert verify(directory).rounds == 3


def test_a_run_of_an_older_release_is_read_and_its_rounds_are_not_vouched_for(
    played: Path, tmp_path: Path
) -> None:
    directory = copy(played, tmp_path / "run", "DELETE FROM seals WHERE round < 2")
    found = verify(directory)
    assert (found.rounds, found.unsealed) == (1, 2)
    assert "2 of an older release cannot be checked" in found.words


def test_a_fork_keeps_the_seals_of_its_rounds(played: Path, tmp_path: Path) -> None:
    fork(played, tmp_path / "fork", 1)
    with Ledger.open(tmp_path / "fork" / LEDGER, read_only=True) as ledger:
        assert ledger.sealed() == [0, 1]
        ledger.check_seals(ledger.sealed())


def test_values_that_cannot_be_read_are_told_to_be_damaged(played: Path, tmp_path: Path) -> None:
    statements = (
        "UPDATE prompts SET messages = substr(messages, 2)",
        "UPDATE responses SET token_ids = substr(token_ids, 2)",
        "UPDATE verdicts SET scores = '[['",
        "UPDATE responses SET finish_reason = CAST(x'ff' AS TEXT)",
    )
    for number, statement in enumerate(statements):
        directory = copy(played, tmp_path / str(number), statement)
        with sqlite3.connect(directory / LEDGER) as raw:
            raw.execute("DELETE FROM seals")
        raw.close()
        with Ledger.open(directory / LEDGER, read_only=True) as ledger:
            ledger.decode = lambda ids: ["" for _ in ids]
            with pytest.raises(SelfplayError, match="damaged"):
                ledger.groups(1, "train")
