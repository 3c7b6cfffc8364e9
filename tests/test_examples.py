"""The Slurm example, with a stand-in for Slurm: it requeues what was asked to leave, only that."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "examples" / "slurm" / "selfplay.sbatch"
RUN = """#!/bin/bash
echo "$@" > {place}/arguments
trap 'kill "$!"; exit 130' TERM
touch {place}/started
{body}
"""


def stand_ins(place: Path, body: str) -> dict[str, str]:
    """A `selfplay` and an `scontrol` of our own, first on the path."""
    place.mkdir()
    (place / "selfplay").write_text(RUN.format(place=place, body=body))
    (place / "scontrol").write_text(f'#!/bin/bash\necho "$@" > {place}/requeued\n')
    for name in ("selfplay", "scontrol"):
        (place / name).chmod(0o755)
    return os.environ | {"PATH": f"{place}:{os.environ['PATH']}", "SLURM_JOB_ID": "7"}


@pytest.mark.parametrize("code", [0, 2, 8])
def test_a_run_that_ends_by_itself_ends_the_job_with_its_code(code: int, tmp_path: Path) -> None:
    environment = stand_ins(tmp_path / "bin", f"exit {code}")
    command = ["bash", str(SCRIPT), "my.yaml", "runs/mine", "rounds=5"]
    assert subprocess.run(command, env=environment, check=False).returncode == code
    assert not (tmp_path / "bin" / "requeued").exists()
    told = (tmp_path / "bin" / "arguments").read_text()
    assert told == "run my.yaml rounds=5 --out runs/mine --json\n"


def test_a_run_that_is_asked_to_leave_is_requeued(tmp_path: Path) -> None:
    environment = stand_ins(tmp_path / "bin", "sleep 60 & wait")
    command = ["bash", str(SCRIPT), "my.yaml", "runs/mine"]
    with subprocess.Popen(command, env=environment) as job:
        while not (tmp_path / "bin" / "started").exists():
            time.sleep(0.02)
        time.sleep(0.2)
        job.send_signal(signal.SIGTERM)
        assert job.wait() == 0
    assert (tmp_path / "bin" / "requeued").read_text() == "requeue 7\n"
