"""Trackers get every round once, whoever plays it and whenever it was stopped."""

from __future__ import annotations

import importlib.util
import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from selfplay import job
from selfplay.cli.watch import JsonWatcher
from selfplay.core.errors import ConfigError, ResourceError
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER, TRACKING
from tests.selfplay.line_tracker import FILE
from tests.selfplay.small_runs import SMALL, digest, play_out, small

OWN = "report_to=[tests.selfplay.line_tracker:Lines]"


def played(directory: Path, *overrides: str) -> None:
    """Plays a small run as the command does."""
    assert not job.play_out(small(*overrides), directory, JsonWatcher, lambda note: None)


def lines(directory: Path) -> list[dict[str, Any]]:
    text = (directory / TRACKING / FILE).read_text()
    return [json.loads(line) for line in text.splitlines()]


def rounds(directory: Path) -> list[int]:
    return [row["round"] for row in lines(directory) if "round" in row]


def needs(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed (extra `track`)")


def test_a_tracker_gets_every_finite_metric_of_every_round(tmp_path: Path) -> None:
    played(tmp_path / "run", "rounds=2", OWN)
    assert rounds(tmp_path / "run") == [0, 1, 2]
    with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
        kept = {f"{m.stage}/{m.name}": m.value for m in ledger.metrics() if m.round == 2}
    row = next(row for row in lines(tmp_path / "run") if row.get("round") == 2)
    assert {name: row[name] for name in kept if name in row} == {
        name: value for name, value in kept.items() if value == value
    }


def test_a_run_that_goes_on_continues_the_same_log(tmp_path: Path) -> None:
    played(tmp_path / "run", "rounds=1", OWN)
    played(tmp_path / "run", "rounds=3", OWN)
    assert rounds(tmp_path / "run") == [0, 1, 2, 3]
    opened = [row for row in lines(tmp_path / "run") if "id" in row]
    assert [row["next"] for row in opened] == [0, 2]
    assert opened[0]["id"] == opened[1]["id"]
    assert opened[0]["name"] == "run"


def test_a_tracker_that_joins_late_gets_the_rounds_before(tmp_path: Path) -> None:
    play_out(tmp_path / "run", "rounds=2")
    played(tmp_path / "run", "rounds=3", OWN)
    assert rounds(tmp_path / "run") == [0, 1, 2, 3]


def test_a_tracker_that_fails_leaves_the_run_alone_and_catches_up_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run" / TRACKING).mkdir(parents=True)
    broken = tmp_path / "run" / TRACKING / "broken"
    broken.touch()
    played(tmp_path / "run", "rounds=3", OWN)
    assert "gets no more metrics until the run goes on: no connection" in capsys.readouterr().err
    assert rounds(tmp_path / "run") == [0, 1]
    broken.unlink()
    played(tmp_path / "run", "rounds=3", OWN)
    assert rounds(tmp_path / "run") == [0, 1, 2, 3]


def test_a_tracker_that_fails_on_the_rounds_before_leaves_the_run_alone_too(tmp_path: Path) -> None:
    play_out(tmp_path / "run", "rounds=3")
    (tmp_path / "run" / TRACKING).mkdir()
    (tmp_path / "run" / TRACKING / "broken").touch()
    played(tmp_path / "run", "rounds=4", OWN)
    assert rounds(tmp_path / "run") == [0, 1]
    assert lines(tmp_path / "run")[-1] == {"closed": True}


def test_a_run_killed_between_rounds_repeats_none(tmp_path: Path) -> None:
    kill = """
import os, signal, sys
from pathlib import Path
from selfplay import job
from selfplay.config import load_config
from selfplay.events import StageDone

class Killer:
    def see(self, event):
        if event.round == 2 and isinstance(event, StageDone) and event.stage == "record":
            os.kill(os.getpid(), signal.SIGKILL)
    def close(self):
        pass

job.play_out(load_config("tiny", sys.argv[2:]), Path(sys.argv[1]), Killer, print)
"""
    overrides = [*SMALL, "rounds=3", OWN]
    done = subprocess.run(
        [sys.executable, "-c", kill, str(tmp_path / "run"), *overrides],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == -9, done.stderr
    played(tmp_path / "run", "rounds=3", OWN)
    assert rounds(tmp_path / "run") == [0, 1, 2, 3]


def test_an_unknown_tracker_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"report_to.*did you mean 'tensorboard'"):
        small("report_to=[tensorbord]")


def test_where_metrics_go_may_change_in_the_middle(tmp_path: Path) -> None:
    play_out(tmp_path / "run", "rounds=1")
    played(tmp_path / "run", "rounds=2", OWN)
    played(tmp_path / "run", "rounds=2")
    assert digest(tmp_path / "run") == play_out(tmp_path / "run", "rounds=2")


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "trackio"])
def test_a_missing_library_is_named_with_its_extra(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)  # importing it fails as if it were not there
    with pytest.raises(ResourceError, match=rf"'{name}', which is not installed.*\[track\]"):
        played(tmp_path / "run", f"report_to=[{name}]")
    assert not (tmp_path / "run").exists()


def test_tensorboard_reads_every_round_once(tmp_path: Path) -> None:
    needs("tensorboard")
    for most in (1, 3):
        played(tmp_path / "run", f"rounds={most}", "report_to=[tensorboard]")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(tmp_path / "run" / TRACKING / "tensorboard"))
    found.Reload()
    events = found.Scalars("judge/reward")
    assert [event.step for event in events] == [1, 2, 3]
    with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
        rewards = [m.value for m in ledger.metrics("reward") if m.stage == "judge"]
    assert [event.value for event in events] == pytest.approx(rewards)


def test_a_round_that_tensorboard_got_and_nobody_noted_is_purged(tmp_path: Path) -> None:
    needs("tensorboard")
    played(tmp_path / "run", "rounds=2", "report_to=[tensorboard]")
    marks = tmp_path / "run" / TRACKING / "marks.json"
    noted = json.loads(marks.read_text())
    marks.write_text(json.dumps(noted | {"next": {"tensorboard": 2}}))
    played(tmp_path / "run", "rounds=3", "report_to=[tensorboard]")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(tmp_path / "run" / TRACKING / "tensorboard"))
    found.Reload()
    assert [event.step for event in found.Scalars("judge/reward")] == [1, 2, 3]


@pytest.mark.filterwarnings("ignore")  # its own, of several libraries
def test_wandb_offline_keeps_every_round_under_one_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    for most in (1, 2):
        played(tmp_path / "run", f"rounds={most}", "report_to=[wandb]")
    files = sorted((tmp_path / "run" / TRACKING / "wandb").glob("offline-run-*/*.wandb"))
    assert len(files) == 2
    ids = {path.stem.removeprefix("run-") for path in files}
    noted = json.loads((tmp_path / "run" / TRACKING / "marks.json").read_text())
    assert ids == {noted["id"]}
    assert [step for path in files for step in wandb_steps(path)] == [0, 1, 2]


def wandb_steps(path: Path) -> list[int]:
    """The steps of the history in an offline run's file."""
    from wandb.proto.wandb_internal_pb2 import Record

    steps = []
    for data in records(path.read_bytes()):
        record = Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") == "history":
            steps.append(record.history.step.num)
    return steps


def records(content: bytes) -> Iterator[bytes]:
    """Of a log in LevelDB's format: after a header of 7 bytes, fragments in blocks of 32 KiB."""
    place, parts = 7, b""
    while place + 7 <= len(content):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        length, kind = struct.unpack("<HB", content[place + 4 : place + 7])
        parts += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            yield parts
            parts = b""


def test_wandb_without_a_login_says_what_to_do(tmp_path: Path) -> None:
    needs("wandb")
    own = {"HOME": str(tmp_path), "NETRC": str(tmp_path / "none"), "OMP_NUM_THREADS": "1"}
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")}
    command = [sys.executable, "-m", "selfplay", "run", "tiny", *SMALL, "rounds=0"]
    # A process of its own: the library remembers in which mode it began.
    done = subprocess.run(
        [*command, "report_to=[wandb]", "--out", str(tmp_path / "run")],
        env=inherited | own,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == ResourceError.exit_code
    assert "WANDB_MODE=offline" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.filterwarnings("ignore")  # its own, of several libraries
def test_trackio_gets_every_round_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs("trackio")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    script = """
import sys
from pathlib import Path
from selfplay import job
from selfplay.cli.watch import JsonWatcher
from selfplay.config import load_config

loaded = load_config("tiny", sys.argv[2:])
job.play_out(loaded, Path(sys.argv[1]), JsonWatcher, print)
"""
    for most in (1, 2):
        command = [sys.executable, "-c", script, str(tmp_path / "run"), *SMALL]
        command += [f"rounds={most}", "report_to=[trackio]"]
        subprocess.run(command, capture_output=True, timeout=200, check=True)
    import sqlite3

    files = sorted((tmp_path / "trackio").glob("*.db"))
    assert len(files) == 1
    with sqlite3.connect(files[0]) as raw:
        steps = [step for (step,) in raw.execute("SELECT step FROM metrics ORDER BY step")]
    raw.close()
    assert steps == [0, 1, 2]
