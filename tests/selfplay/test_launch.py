"""A whole game of several processes, stopped on the way and finished under accelerate."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from selfplay.analysis.status import Standing, standing
from selfplay.offline.train import train
from tests.selfplay.small_runs import SMALL, play_out
from tests.solver.test_team import PATIENCE, ROOT, ended, launch

GAME = (*SMALL, "rounds=2", "evaluation.every=1", "save.every=1")
WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight")
HEAD = Path("reward_model/model.safetensors")

pytestmark = pytest.mark.timeout(3 * PATIENCE)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The game, played by one process."""
    directory = tmp_path_factory.mktemp("alone") / "run"
    play_out(directory, *GAME)
    return directory


INTERRUPTED = """
import os, signal
from selfplay.cli.main import main
from selfplay.cli.watch import JsonWatcher
from selfplay.events import StageDone

def see(watcher, event, told=JsonWatcher.see):
    told(watcher, event)
    if isinstance(event, StageDone) and event.stage == "learn":
        os.killpg(0, signal.SIGINT)

JsonWatcher.see = see
main()
"""
"""The command, and Ctrl-C for its whole process group as soon as it tells that it has learned."""


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The game, played by two processes, and stopped with Ctrl-C once it has learned."""
    directory = tmp_path_factory.mktemp("together") / "run"
    command = ["run", "tiny", *GAME, "--out", str(directory), "--json"]
    with launch(["-c", INTERRUPTED, *command]) as processes:
        codes, said = ended(processes)
    assert codes == [130, 0], said
    assert said[1][0] == ""
    assert "note: 2 processes learn together" in said[0][1]
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
    done = subprocess.run(
        command,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return stopped


def test_ctrl_c_stops_all_processes_after_the_chunk(stopped: Path) -> None:
    found = standing(stopped)
    assert (found.state, found.round, found.stage) == ("stopped", 0, "learn")


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


def test_two_processes_learn_from_recorded_data_what_one_learns(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data.jsonl"
    rows = [{"prompt": f"say {word}", "chosen": word, "rejected": "no"} for word in WORDS]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = ["solver.objective=rm", "solver.learning_rate=1e-3", "batch=4", "epochs=2"]
    options += [f"model={tiny_model_dir}", "model.device=cpu", "heldout=0.3"]
    alone = train(data, tmp_path / "alone", options)
    command = ["train", str(data), *options, "--out", str(tmp_path / "both"), "--json"]
    with launch(["-m", "selfplay", *command]) as processes:
        codes, said = ended(processes)
    assert codes == [0, 0], said
    assert "note: 2 processes learn together" in said[0][1]
    assert said[1][0] == ""
    *batches, summary = (json.loads(line) for line in said[0][0].splitlines())
    assert summary["heldout_accuracy"] == alone.heldout_accuracy
    assert summary["policy"].startswith(str(tmp_path / "both"))
    for one, two in zip(alone.batches, batches, strict=True):
        assert two["metrics"]["loss"] == pytest.approx(one["loss"], rel=1e-3)
        assert two["metrics"]["accuracy"] == one["accuracy"]
    left, right = (load_file(tmp_path / name / HEAD) for name in ("alone", "both"))
    for name, weight in left.items():
        torch.testing.assert_close(right[name], weight, atol=2e-5, rtol=1e-3)
