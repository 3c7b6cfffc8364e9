"""How much memory a piece of work takes at most, on the device where it runs."""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path

import torch

_PROCESS = Path("/proc/self")


class PeakMemory:
    """Counts from the moment it is made.

    On CUDA it is what tensors held at most. On the CPU it is the process's largest resident size,
    what was resident before included; where the system cannot count anew (all but Linux), its
    largest since the process began.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            return
        with contextlib.suppress(OSError):
            # proc_pid_clear_refs(5): 5 sets the peak back to what is resident now.
            (_PROCESS / "clear_refs").write_text("5")

    @property
    def bytes(self) -> int:
        """The peak so far."""
        if self._device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self._device))
        with contextlib.suppress(OSError):
            for line in (_PROCESS / "status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
