"""Drawing from pools of a thousand to ten million prompts, and writing what was scored."""

from __future__ import annotations

import resource
import statistics
import time
import tracemalloc
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from benchmarks.runner import Cell, Measurement
from creator.estimators.evidence import Evidence
from creator.pool import UNSEEN, Pool, Snapshot
from creator.tables import estimators, samplers
from selfplay.core.components import chosen
from selfplay.core.types import Now

SIZES = tuple(10**power for power in range(3, 8))
SAMPLERS = ("proportional", "rank", "plr", "softmax", "greedy", "thompson", "stratified")
DRAWS, RESPONSES, TASKS = 256, 8, 8
REPEATS, FEW_REPEATS = 9, 3
"""Rounds measured; few of them beyond a million prompts."""
BUDGET_MS = 50.0
"""What a million prompts may take, draws and updates together."""


class Times(NamedTuple):
    """Of one piece of work, in milliseconds."""

    wall: float
    cpu: float


def measure(sizes: Sequence[int] = SIZES) -> Measurement:
    """One row for each size and sampler."""
    return Measurement(
        title="Pool",
        question=(
            f"What does it take to draw {DRAWS} prompts without replacement and to write {DRAWS} "
            "estimates back, and how much memory does a prompt need?"
        ),
        rows=[row for size in sizes for row in rows_of(size)],
        notes=(
            f"Medians of {REPEATS} rounds ({FEW_REPEATS} at 10⁷) in one process and thread; ranges "
            "in brackets. `CPU` is the same without waiting for other processes. The "
            f"update estimates learnability from {RESPONSES} rewards a prompt, reads what was "
            "remembered and writes it back. `numpy` is `Generator.choice(N, 256, replace=False, "
            "p=scores / Σ)` on the same scores, alternating with the pool. `held` is the pool "
            "itself, `peak` adds what a draw and an update allocate on top. `open` restores the "
            f"pool from its records, index included. The budget at 10⁶ is {BUDGET_MS:.0f} ms."
        ),
    )


def rows_of(size: int) -> list[dict[str, Cell]]:
    """The measurements of one size."""
    rng = np.random.default_rng(size)
    snapshot = make_snapshot(size, rng)
    began = time.perf_counter()
    pool = Pool.restored(snapshot)
    opened = time.perf_counter() - began
    del snapshot
    return [row_of(name, pool, opened, rng) for name in SAMPLERS]


def make_snapshot(size: int, rng: np.random.Generator) -> Snapshot:
    """Prompts scored in past rounds, one in ten never."""
    records = np.full(size, UNSEEN)
    records["id"] = rng.permutation(size).astype(np.uint64) * np.uint64(2**64 // size)
    records["task"] = rng.integers(TASKS, size=size)
    visited = rng.random(size) < 0.9
    count = int(visited.sum())
    successes = rng.integers(0, RESPONSES + 1, count).astype(np.float32)
    values = rng.random(count, dtype=np.float32)
    columns: dict[str, Any] = {
        "value": np.where(successes * (RESPONSES - successes) > 0, values, 0),
        "count": RESPONSES,
        "seen": rng.integers(1, 100, count),
        "visits": 1,
        "policy": 1,
        "judging": 0,
        "successes": successes,
        "failures": RESPONSES - successes,
    }
    for name, column in columns.items():
        records[name][visited] = column
    return Snapshot(records, tuple(f"task {i}" for i in range(TASKS)), ("judge",), np.zeros(TASKS))


def row_of(name: str, pool: Pool, opened: float, rng: np.random.Generator) -> dict[str, Cell]:
    """Draws and updates by one sampler, against NumPy's own draw."""
    sampler = chosen(name, samplers.ROWS).build()
    ours: list[Times] = []
    numpys: list[Times] = []
    for t in range(1 + (REPEATS if len(pool) <= 10**6 else FEW_REPEATS)):
        now = Now(round=100 + t, policy_version=2, fingerprint="judge")
        ours.append(clock(partial(play, pool, sampler, now, rng)))
        numpys.append(clock(partial(numpys_draw, pool, rng)))
    tracemalloc.start()
    play(pool, sampler, Now(200, 2, "judge"), rng)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {
        "prompts": f"{len(pool):,}",
        "sampler": name,
        "256 draws + 256 updates, ms": spread([times.wall for times in ours[1:]]),
        "CPU, ms": spread([times.cpu for times in ours[1:]]),
        "numpy CPU, ms": spread([times.cpu for times in numpys[1:]]),
        "held, B/prompt": round(pool.nbytes / len(pool), 1),
        "peak, B/prompt": round((pool.nbytes + peak) / len(pool), 1),
        "open, s": round(opened, 3),
        "process peak, GiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


def play(pool: Pool, sampler: Any, now: Now, rng: np.random.Generator) -> None:
    """One round of the pool: draw, score, estimate, write."""
    rows = pool.draw(sampler, DRAWS, now, rng)
    rewards_PG = (rng.random((len(rows), RESPONSES)) < 0.5).astype(np.float64)
    evidence = Evidence(rewards_PG, now.round, state=pool.state(rows, now))
    estimator = chosen("learnability", estimators.ROWS).build()
    pool.update(rows, estimator(evidence, rng), now)


def numpys_draw(pool: Pool, rng: np.random.Generator) -> None:
    """What one would write without the pool: NumPy's weighted choice over all scores."""
    scores = np.nan_to_num(pool.values, nan=0.5).astype(np.float64)
    rng.choice(len(pool), DRAWS, replace=False, p=scores / scores.sum())


def clock(work: Callable[[], object]) -> Times:
    """How long it takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Times(1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu))


def spread(times: Sequence[float]) -> str:
    """Median, and the range in brackets."""
    return f"{statistics.median(times):.1f} ({min(times):.1f}–{max(times):.1f})"
