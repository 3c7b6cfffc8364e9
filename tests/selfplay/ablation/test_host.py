from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from selfplay.ablation.host import GIB, Host, Memory, available_bytes, process_bytes
from selfplay.core.errors import ConfigError

LINUX = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="reads /proc")  # noqa: PTH112


def sleeping(mib: int = 0) -> subprocess.Popen[str]:
    source = f"held = bytearray({mib} << 20); print('held', flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", source],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.communicate("\n")


def test_gpus_are_handed_out_one_to_a_run_and_again_where_runs_share_them() -> None:
    host = Host(threads=2, gpus=("0", "3"), per_gpu=2)
    devices = [place["CUDA_VISIBLE_DEVICES"] for place in host.places(8)]
    assert devices == ["0", "3", "0", "3"]
    assert {place["OMP_NUM_THREADS"] for place in host.places(8)} == {"2"}
    assert [place["CUDA_VISIBLE_DEVICES"] for place in host.places(1)] == ["0"]
    assert (host.at_a_time(8), host.at_a_time(3), Host().at_a_time(8)) == (4, 3, 8)


def test_without_named_gpus_runs_see_what_there_is() -> None:
    assert all("CUDA_VISIBLE_DEVICES" not in place for place in Host().places(3))
    assert len(Host().places(3)) == 3


def test_threads_come_out_of_the_processors() -> None:
    cpus = os.cpu_count() or 1
    assert Host(threads=1).most == cpus
    assert Host(threads=cpus + 1).most == 1
    assert Host(gpus=("0",)).most == 1


@pytest.mark.parametrize("wrong", [{"threads": 0}, {"per_gpu": 0}, {"memory_gib": 0.0}])
def test_nothing_to_run_on_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        Host(**wrong)  # type: ignore[arg-type]


@LINUX
def test_the_largest_run_seen_is_what_the_next_one_has_to_find() -> None:
    memory = Memory(1.0, available=lambda: 300 * 2**20)
    process = memory.start(lambda: sleeping(mib=200))
    try:
        sizes = process_bytes(process.pid)
        assert sizes["VmHWM"] >= sizes["VmRSS"] > 200 * 2**20
        assert memory.fits()
        assert not Memory(400 * 2**20, available=lambda: 300 * 2**20).fits()
    finally:
        end(process)


@LINUX
def test_a_run_waits_until_another_has_made_room() -> None:
    memory = Memory(float(GIB), available=lambda: 0.0)
    first = memory.start(sleeping)
    started: list[subprocess.Popen[str]] = []
    waiting = threading.Thread(target=lambda: started.append(memory.start(sleeping)))
    waiting.start()
    time.sleep(0.3)
    assert not started
    end(first)
    memory.ended(first.pid)
    waiting.join()
    assert len(started) == 1
    end(started[0])


@LINUX
def test_what_is_available_is_less_than_what_there_is() -> None:
    assert 0 < available_bytes() < os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
