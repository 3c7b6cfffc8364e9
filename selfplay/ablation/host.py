"""What runs of a grid may use of the machine: threads, GPUs, memory.

A run starts only when it would fit. It is taken to need as much memory as the largest run seen so
far had at its peak (before any: `memory_gib`), and the runs at work are taken to grow to that size.
With nothing at work the next run starts in any case, so a grid never waits for ever. The figures
are Linux's (/proc and, in a container, its cgroup); elsewhere nothing is held back.
"""

from __future__ import annotations

import math
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from selfplay.core.errors import require

GIB = 2**30
_PAUSE_SECONDS = 1.0
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Host:
    """What the runs of a grid share."""

    threads: int = 1
    """CPU threads of each run. Results may depend on it, so a grid keeps to one number."""
    gpus: tuple[str, ...] = ()
    """Devices as CUDA_VISIBLE_DEVICES names them, one to each run; none: runs see what there is."""
    per_gpu: int = 1
    """Runs on a GPU at a time."""
    memory_gib: float = 1.0
    """What a run is taken to need before one has been seen, GiB."""

    def __post_init__(self) -> None:
        require(self.threads >= 1, "threads", "1 or more", self.threads)
        require(self.per_gpu >= 1, "per_gpu", "1 or more", self.per_gpu)
        require(self.memory_gib > 0, "memory", "above 0", self.memory_gib)

    @property
    def most(self) -> int:
        """Runs at a time that the processors, and the GPUs where some are named, have room for."""
        by_cpu = max((os.cpu_count() or 1) // self.threads, 1)
        return min(by_cpu, len(self.gpus) * self.per_gpu) if self.gpus else by_cpu

    def at_a_time(self, workers: int | None) -> int:
        """Runs at a time where `workers` are asked for, None for as many as there is room for."""
        if workers is None:
            return self.most
        return min(workers, len(self.gpus) * self.per_gpu) if self.gpus else workers

    def places(self, workers: int) -> list[dict[str, str]]:
        """For each run that may be at work at a time, what its environment says of its share."""
        count = str(self.threads)
        own = {
            **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), count),
            "TOKENIZERS_PARALLELISM": "false",
        }
        if not self.gpus:
            return [own] * workers
        handed = [gpu for _ in range(self.per_gpu) for gpu in self.gpus]
        return [own | {"CUDA_VISIBLE_DEVICES": gpu} for gpu in handed[:workers]]


class Memory:
    """Starts processes when there is room for them."""

    def __init__(self, expected: float, available: Callable[[], float] | None = None) -> None:
        """Takes what a process is expected to need, bytes, and who says what is available."""
        self._largest = expected
        self._available = available or available_bytes
        self._at_work: set[int] = set()
        self._door = threading.Lock()

    def start(self, start: Callable[[], subprocess.Popen[str]]) -> subprocess.Popen[str]:
        """Waits until there is room, then starts the process. One at a time comes in."""
        with self._door:
            while self._at_work and not self.fits():
                time.sleep(_PAUSE_SECONDS)
            process = start()
            self._at_work.add(process.pid)
        return process

    def ended(self, pid: int) -> None:
        """The process is over."""
        self._at_work.discard(pid)

    def fits(self) -> bool:
        """Would one more process of the largest size fit, those at work grown to it?"""
        sizes = [process_bytes(pid) for pid in list(self._at_work)]
        self._largest = max([self._largest, *(size["VmHWM"] for size in sizes)])
        growth = sum(max(self._largest - size["VmRSS"], 0.0) for size in sizes)
        return self._available() - growth >= self._largest


def process_bytes(pid: int) -> Mapping[str, float]:
    """Memory that a process has (`VmRSS`) and had at most (`VmHWM`), bytes; 0 where unknown."""
    found = {"VmRSS": 0.0, "VmHWM": 0.0}
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return found
    for line in lines:
        name, _, rest = line.partition(":")
        if name in found:
            found[name] = float(rest.split()[0]) * 1024
    return found


def available_bytes() -> float:
    """Memory that a new process may take; infinite where nobody says."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return math.inf
    free = next((line for line in lines if line.startswith("MemAvailable:")), None)
    machine = float(free.split()[1]) * 1024 if free else math.inf
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = float((_CGROUP / "memory.current").read_text())
    except OSError:
        return machine
    return machine if limit == "max" else min(machine, float(limit) - used)
