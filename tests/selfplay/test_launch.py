"""A whole game of several processes, stopped on the way and finished under accelerate."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from selfplay.summary import Standing, standing
from tests.selfplay.small_runs import SMALL, play_out
from tests.solver.test_team import ROOT, launch

GAME = (*SMALL, "rounds=2", "evaluation.every=1", "save.every=1")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The game, played by one process."""
    directory = tmp_path_factory.mktemp("alone") / "run"
    play_out(directory, *GAME)
    return directory


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The game, played by two processes, and stopped with Ctrl-C once it has learned."""
    directory = tmp_path_factory.mktemp("together") / "run"
    command = ["-m", "selfplay", "run", "tiny", *GAME, "--out", str(directory), "--json"]
    first, second = launch(command)
    assert first.stdout is not None
    for line in first.stdout:
        if json.loads(line)["stage"] == "learn":
            break
    first.send_signal(signal.SIGINT)
    second.send_signal(signal.SIGINT)
    said = [process.communicate(timeout=60) for process in (first, second)]
    assert [process.returncode for process in (first, second)] == [130, 0], said
    assert said[1][0] == ""
    return directory


@pytest.fixture(scope="module")
def finished(stopped: Path) -> Path:
    """The stopped game, gone on with under `accelerate launch`."""
    command = [
        *(str(Path(sys.executable).parent / "accelerate"), "launch", "--multi_gpu"),
        *("--num_processes", "2", "--num_machines", "1", "--main_process_port", "0"),
        *("--mixed_precision", "no", "--dynamo_backend", "no"),
        *("-m", "selfplay", "run", str(stopped)),
    ]
    subprocess.run(
        command,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=200,
    )
    return stopped


def test_ctrl_c_stops_all_processes_after_the_chunk(stopped: Path) -> None:
    found = standing(stopped)
    assert (found.state, found.round) == ("stopped", 0)
    assert found.stage in ("learn", "evaluate")


def test_two_processes_play_the_game_of_one(finished: Path, alone: Path) -> None:
    one, two = standing(alone), standing(finished)
    assert two.state == "finished"
    assert scores(two) == pytest.approx(scores(one), abs=0.13)
    start, left, right = (
        load_file(path / "model.safetensors")
        for path in (alone / "policy/0", alone / "policy/2", finished / "policy/2")
    )
    for name, weight in left.items():
        moved = float(torch.linalg.vector_norm(weight - start[name]))
        apart = float(torch.linalg.vector_norm(weight - right[name]))
        assert apart <= 0.05 * moved, name


def scores(found: Standing) -> dict[str, float]:
    return {
        f"{t} {asked}": value
        for t, evaluation in found.evaluations.items()
        for asked, value in evaluation.items()
    }


def test_the_memory_of_learning_is_told_and_is_no_part_of_the_digest(finished: Path) -> None:
    found = standing(finished)
    assert found.learning_bytes is not None
    assert 50 << 20 < found.learning_bytes < 8 << 30
    assert not any("bytes" in name for name in found.metrics)
