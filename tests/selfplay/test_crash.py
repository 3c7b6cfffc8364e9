"""kill -9 at random instants, the same command again: the same ledger and the same weights."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from selfplay.analysis.status import standing
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER
from tests.selfplay.small_runs import SMALL, digest, play_out

KILLS = 22

DRIVER = """
# Imports once, then forks a child for each life of the run; SIGKILL ends all but the last.
import json, os, random, signal, sys, time
from pathlib import Path
from selfplay.build import open_game
from selfplay.config import load_config
from selfplay.loop import play

out, kills, *overrides = sys.argv[1:]

def live(directory):
    with open_game(load_config("tiny", overrides), Path(directory)) as game:
        for _ in play(game):
            pass

def child(directory):
    pid = os.fork()
    if pid == 0:
        live(directory)
        os._exit(0)
    return pid

began = time.perf_counter()
_, status = os.waitpid(child(out + "/whole"), 0)
assert status == 0, status
whole = time.perf_counter() - began

rng = random.Random(0)
killed, instants, place = 0, [], 0
while killed < int(kills):
    pid = child(f"{out}/killed-{place}")
    delay = rng.uniform(0.0, 2.5 * whole / int(kills)) + 0.3 * rng.random()
    time.sleep(delay)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    killed += os.WIFSIGNALED(status)
    instants.append(delay)
    # A machine that became faster meanwhile may be through: then another run takes the kills.
    place += not os.WIFSIGNALED(status)
_, status = os.waitpid(child(f"{out}/killed-{place}"), 0)
assert status == 0, status
print(json.dumps({"killed": killed, "runs": place + 1, "whole": whole, "instants": instants}))
"""


def test_a_run_killed_at_twenty_random_instants_ends_like_one_that_was_not(tmp_path: Path) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(tmp_path), str(KILLS), *SMALL, "rounds=12"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["killed"] >= 20, report
    for i in range(report["runs"]):
        assert digest(tmp_path / f"killed-{i}") == digest(tmp_path / "whole")
        assert weights(tmp_path / f"killed-{i}") == weights(tmp_path / "whole")


def weights(directory: Path) -> dict[str, bytes]:
    """The tensor files of every policy version on disk."""
    files = sorted((directory / "policy").rglob("*.safetensors"))
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_after_the_chunk_and_the_command_goes_on(
    number: signal.Signals, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "selfplay", "run", "tiny", *SMALL, "--json"]
    command += ["--out", str(tmp_path / "run")]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert first.stdout is not None
    for line in first.stdout:
        if json.loads(line)["round"] == 1:
            break
    assert standing(tmp_path / "run").state == "running"
    first.send_signal(number)
    _, told = first.communicate()
    assert first.returncode == 130
    assert "leaving after the chunk" in told
    assert standing(tmp_path / "run").state == "stopped"
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout.splitlines()[-1])["round"] == 4


def test_a_second_signal_leaves_at_once_and_loses_only_the_chunk_in_flight(tmp_path: Path) -> None:
    long = ["chunk=24", "creator.batch=24", "solver.sampling.n=400", "max_missing=1.0"]
    command = [sys.executable, "-m", "selfplay", "run", "tiny", *SMALL, *long, "--json"]
    command += ["--out", str(tmp_path / "run")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        for line in run.stdout:
            if json.loads(line)["stage"] == "compose":
                break
        run.send_signal(signal.SIGINT)
        while "leaving after" not in run.stderr.readline():
            pass
        run.send_signal(signal.SIGINT)
        assert run.wait() == 130
    with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
        assert ledger.stage_done(1, "compose")
        assert ledger.group_count(1, "train") == 0


FULL_DISK = """
# A file size limit stands in for a full disk: the kernel refuses the write in the same place.
import resource, signal, sys
from pathlib import Path
from selfplay.build import open_game
from selfplay.config import load_config
from selfplay.core.errors import ResourceError
from selfplay.loop import play

out, *overrides = sys.argv[1:]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with open_game(load_config("tiny", overrides), Path(out)) as game:
    for event in play(game):
        if (event.round, event.stage) == (1, "judge"):
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
"""


def test_a_full_disk_ends_the_run_with_advice_and_loses_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    overrides = [*SMALL, "save.every=1"]
    full = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(directory), *overrides],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ResourceError" in full.stderr
    assert "Nothing committed is lost" in full.stderr
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        assert ledger.stage_done(1, "judge")
        assert not ledger.stage_done(1, "learn")
    assert play_out(directory, "save.every=1") == play_out(tmp_path / "whole", "save.every=1")
