"""What a run was made with: libraries, threads, processes, device.

Bit-exact repetition needs the same.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from solver.learning.team import world_size

PACKAGES = (
    "selfplay-engine",
    "torch",
    "transformers",
    "trl",
    "peft",
    "accelerate",
    "numpy",
    "reasoning-gym",
    "math-verify",
)


def environment() -> dict[str, str | int]:
    """Versions of what computes, the threads of torch, and the machine's kind."""
    import torch

    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count() or 0,
        "threads": torch.get_num_threads(),
        "processes": world_size(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        **{package: installed(package) for package in PACKAGES},
    }


def changes(then: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """What differs between the environment of a run's beginning and this one, in words."""
    keys = sorted(then.keys() | now.keys())
    return [
        f"{key} {then.get(key, 'unknown')}, and this is {now.get(key, 'unknown')}"
        for key in keys
        if then.get(key) != now.get(key)
    ]


def installed(package: str) -> str:
    """The version of an installed distribution, or `absent`."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
