"""What a learning stage costs over a bare PyTorch loop, and what TRL's own trainers cost.

All three start from the same groups and tokens, alternate in one process on copies of one model,
and take one optimiser step. The stage is all of `Solver.learn`: pairs or advantages, padding, the
reference's log-probabilities, TRL's trainer as a loss and its metrics, the KL probe. TRL's part is
a trainer built on texts, and its `train()`.
"""

from __future__ import annotations

import copy
import cProfile
import gc
import pstats
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.learning_bare import LOOPS
from benchmarks.learning_case import (
    OPTIONS,
    SHAPES,
    Shape,
    at_version,
    make_groups,
    make_solver,
    write_model,
)
from benchmarks.learning_trl import TRAINERS
from benchmarks.runner import Cell, Measurement
from selfplay.core.seeding import Seed

REPEATS = 7

PARTS = {
    "reference": ("stage.py", ("reference_logps",)),
    "probe": ("stage.py", ("probe_start", "moved")),
    "values": ("heads.py", ("token_values",)),
    "padding": ("batches.py", ("padded_rows", "padded_labels", "response_mask")),
    "building the trainer": ("trl_loss.py", ("__init__",)),
}
"""Part of a stage → file and functions, whose time includes what they call."""


def measure() -> Measurement:
    """Medians of paired ratios over objectives and shapes."""
    torch.set_num_threads(1)
    rows: list[dict[str, Cell]] = []
    for shape in SHAPES:
        with tempfile.TemporaryDirectory() as scratch:
            model = write_model(Path(scratch) / "model", shape)
            rows += [compare(shape, model, objective) for objective in OPTIONS]
    return Measurement(
        title="Learning stage against a bare loop and against TRL",
        question="What does a learning stage on recorded responses cost on one CPU core?",
        rows=rows,
        notes=(
            "One optimiser step. Ratios are medians of paired ratios, with their ranges. 'TRL' "
            "is its own trainer on the same texts, building it included, since each round of a "
            "curriculum has new data; TRL 1.16 has no PPO. The last column is from one more stage "
            "under a profiler, in percent of that stage."
        ),
    )


def compare(shape: Shape, model: Path, objective: str, repeats: int = REPEATS) -> dict[str, Cell]:
    """One row: the stage, the bare loop and TRL, in turns."""
    solver, bare, plain = (make_solver(shape, model, objective) for _ in range(3))
    frozen = copy.deepcopy(bare.policy.module).requires_grad_(False)
    groups = make_groups(shape, solver)
    works: dict[str, Callable[[], Any]] = {
        "stage": lambda: solver.learn(at_version(groups, solver.version), Seed(solver.version)),
        "bare": lambda: LOOPS[objective](bare.policy, frozen, groups, shape),
    }
    if objective in TRAINERS:
        works["trl"] = lambda: TRAINERS[objective](plain.policy, frozen, groups, shape)
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for repeat in range(repeats + 1):
        # Each goes first in turn; the first round warms all up.
        turn = repeat % len(works)
        for name in [*works][turn:] + [*works][:turn]:
            took = timed(works[name])
            if repeat:
                seconds[name].append(took)
    return {
        "shape": shape.title,
        "objective": objective,
        "stage (s)": round(statistics.median(seconds["stage"]), 3),
        "bare loop (s)": round(statistics.median(seconds["bare"]), 3),
        "TRL (s)": round(statistics.median(seconds["trl"]), 3) if "trl" in seconds else "–",
        "stage / bare": ratios(seconds["stage"], seconds["bare"]),
        "stage / TRL": ratios(seconds["stage"], seconds["trl"]) if "trl" in seconds else "–",
        "of the stage": profiled(works["stage"]),
    }


def timed(work: Callable[[], Any]) -> float:
    """Seconds that it takes, the rubbish of others cleared away before."""
    gc.collect()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ratios(ours: list[float], theirs: list[float]) -> str:
    """Median of the paired ratios and their range."""
    found = [a / b for a, b in zip(ours, theirs, strict=True)]
    return f"{statistics.median(found):.2f} ({min(found):.2f}–{max(found):.2f})"


def profiled(work: Callable[[], Any]) -> str:
    """The shares of `PARTS` in it, in percent."""
    profile = cProfile.Profile()
    profile.runcall(work)
    stats: Any = pstats.Stats(profile)
    shares = {}
    for part, (file, functions) in PARTS.items():
        took = sum(
            cumulative
            for (path, _, name), (_, _, _, cumulative, _) in stats.stats.items()
            if path.endswith("/" + file) and name in functions and "solver" in path
        )
        shares[part] = 100 * took / stats.total_tt
    return ", ".join(f"{part} {share:.1f}" for part, share in shares.items() if share >= 0.05)
