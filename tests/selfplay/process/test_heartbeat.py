"""The heartbeat file tells a process that works from one that hangs, and from one that is gone."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from selfplay.cli.main import app
from selfplay.events import Progress, StageDone
from selfplay.ledger import RunLock
from selfplay.paths import HEARTBEAT
from selfplay.process.heartbeat import SILENT, Beat, Heartbeat, read_heartbeat
from tests.selfplay.small_runs import SMALL, play_out

LONG_AGO = "2020-01-01T00:00:00+00:00"


def present(directory: Path) -> Beat:
    found = read_heartbeat(directory)
    assert found is not None
    return found


def the_next(directory: Path, fits: Callable[[Beat], bool]) -> Beat:
    """The first beat that fits, however busy the machine is."""
    while not fits(present(directory)):
        time.sleep(0.01)
    return present(directory)


def test_it_beats_on_while_there_is_no_progress(tmp_path: Path) -> None:
    heart = Heartbeat(tmp_path, seconds=0.02)
    heart.see(Progress(3, "train", 64, 128, tokens=500))
    first = the_next(tmp_path, lambda beat: beat.round == 3)
    second = the_next(tmp_path, lambda beat: beat.at > first.at)
    heart.close()
    assert (second.round, second.stage, second.done, second.total) == (3, "train", 64, 128)
    assert first.progressed == second.progressed
    assert first.at < second.at
    assert second.tokens_per_second > 0
    assert read_heartbeat(tmp_path) is None


def test_a_stage_that_is_done_is_progress(tmp_path: Path) -> None:
    heart = Heartbeat(tmp_path, seconds=0.02)
    heart.see(StageDone(2, "learn", 1.0))
    assert the_next(tmp_path, lambda beat: beat.round == 2).stage == "learn"
    heart.close()


def test_a_place_that_cannot_be_written_is_no_fault_of_the_heart(tmp_path: Path) -> None:
    heart = Heartbeat(tmp_path / "gone", seconds=0.01)
    heart.see(StageDone(2, "learn", 1.0))
    heart.close()
    assert read_heartbeat(tmp_path / "gone") is None


def test_the_file_is_whole_whenever_it_is_read(tmp_path: Path) -> None:
    heart = Heartbeat(tmp_path, seconds=0.0005)
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        json.loads((tmp_path / HEARTBEAT).read_text())
    heart.close()


@pytest.mark.parametrize("text", ["", "{", '{"pid": 1}', "[]"])
def test_what_a_lost_machine_left_is_no_beat(text: str, tmp_path: Path) -> None:
    (tmp_path / HEARTBEAT).write_text(text)
    assert read_heartbeat(tmp_path) is None


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({}, None),
        ({"progressed": LONG_AGO}, "has made no progress"),
        ({"progressed": LONG_AGO, "at": LONG_AGO}, "hangs, or its machine is gone"),
    ],
)
def test_status_says_what_is_wrong_with_a_live_run(
    changes: dict[str, str], warning: str | None, tmp_path: Path
) -> None:
    play_out(tmp_path / "run", "rounds=0")
    heart = Heartbeat(tmp_path / "run")
    beat = dataclasses.replace(present(tmp_path / "run"), **changes)
    heart.close()
    (tmp_path / "run" / HEARTBEAT).write_text(json.dumps(dataclasses.asdict(beat)))
    with RunLock(tmp_path / "run"):
        told = CliRunner().invoke(app, ["status", str(tmp_path / "run")]).stdout
    assert "heartbeat" in told
    assert warning in told if warning else "warning" not in told
    assert SILENT == 600.0


def test_a_killed_process_leaves_its_last_beat_and_the_next_one_clears_it(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    command = [sys.executable, "-m", "selfplay", "run", "tiny", *SMALL, "rounds=2", "--json"]
    command += ["--out", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        for line in first.stdout:
            if json.loads(line)["stage"] == "attempt":
                break
        assert present(directory).pid == first.pid
        first.send_signal(signal.SIGKILL)
    told = CliRunner().invoke(app, ["status", str(directory)]).stdout
    assert f"process {first.pid}" in told
    assert "did not leave in order; it was last alive" in told
    subprocess.run(command, capture_output=True, check=True)
    assert read_heartbeat(directory) is None
