"""Drawing from pools of a thousand to ten million prompts, writing what was scored, making room."""

from __future__ import annotations

import resource
import statistics
import time
import tracemalloc
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from benchmarks.runner import Cell, Measurement
from creator.estimators.evidence import Evidence
from creator.estimators.table import ESTIMATORS
from creator.pool import table as retention
from creator.pool.dropping import dropped
from creator.pool.pool import Pool
from creator.pool.records import UNSEEN, Snapshot
from creator.samplers.candidates import Candidates, filled
from creator.samplers.table import SAMPLERS
from selfplay.core.components import chosen
from selfplay.core.types import Now

SIZES = tuple(10**power for power in range(3, 8))
DRAWN_BY = ("proportional", "rank", "plr", "softmax", "greedy", "thompson", "stratified")
DRAWS, RESPONSES, TASKS = 256, 8, 8
EXACT = 10**4
"""The largest pool whose distribution is checked, since each single draw looks at all of it."""
SINGLES, BINS = 5000, 20
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
            f"pool from its records, index included. The budget at 10⁶ is {BUDGET_MS:.0f} ms. "
            f"`p of χ²` compares {SINGLES} single draws with the formula of the sampler, worked "
            f"out apart from it, in {BINS} bins of equal probability: a wrong sampler has p near "
            "0. "
            "Replacement is timed in a full pool: 256 newcomers come in and as many prompts go."
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
    rows = [row_of(name, pool, opened, rng) for name in DRAWN_BY]
    return rows + [replacement_row(name, pool, rng) for name in retention.REPLACEMENTS]


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
        "rate": successes / RESPONSES,
        "policy": 1,
        "judging": 0,
        "successes": successes,
        "failures": RESPONSES - successes,
    }
    for name, column in columns.items():
        records[name][visited] = column
    tasks = tuple(f"task {i}" for i in range(TASKS))
    return Snapshot(records, tasks, ("original",), ("judge",), np.zeros(TASKS))


def row_of(name: str, pool: Pool, opened: float, rng: np.random.Generator) -> dict[str, Cell]:
    """Draws and updates by one sampler, against NumPy's own draw."""
    sampler = chosen(name, SAMPLERS).build()
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
        "p of χ²": agreement(name, sampler, pool.candidates(Now(200, 2, "judge")), rng),
        "process peak, GiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


def replacement_row(name: str, pool: Pool, rng: np.random.Generator) -> dict[str, Cell]:
    """What newcomers to a full pool cost, by who makes room for them."""
    size = len(pool)
    wide = retention.CellsOptions(per_cell=size) if name == "cells" else None
    replacement = chosen(name, retention.REPLACEMENTS, wide)
    options = retention.PoolOptions(capacity=size, replacement=replacement)
    times = [
        clock(partial(make_room, pool, options, Now(300 + t, 2, "judge"), rng))
        for t in range(1 + FEW_REPEATS)
    ]
    return {
        "prompts": f"{size:,}",
        "replacement": name,
        "256 in, 256 out, ms": spread([found.wall for found in times[1:]]),
        "CPU, ms": spread([found.cpu for found in times[1:]]),
    }


def make_room(
    pool: Pool, options: retention.PoolOptions, now: Now, rng: np.random.Generator
) -> None:
    """Newcomers come into a pool, and those go that it has no room for."""
    held = len(pool)
    ids = rng.integers(0, 2**64, DRAWS, dtype=np.uint64)
    pool.add(ids, rng.integers(TASKS, size=DRAWS))
    replacement = options.replacement.build()
    pool.remove(dropped(pool.contents(now, held), pool.tasks, options, replacement))


def agreement(name: str, sampler: Any, found: Candidates, rng: np.random.Generator) -> Cell:
    """p-value of single draws under the sampler's formula; empty where it has none."""
    shares_P = formula(name, found) if len(found) <= EXACT else None
    if shares_P is None:
        return ""
    order = np.argsort(shares_P)
    ends = np.cumsum(shares_P[order])
    bins_P = np.empty(len(found), np.int64)
    bins_P[order] = np.minimum(((ends - shares_P[order] / 2) * BINS).astype(np.int64), BINS - 1)
    drawn = [int(sampler(found, 1, rng)[0]) for _ in range(SINGLES)]
    seen = np.bincount(bins_P[drawn], minlength=BINS)
    due = SINGLES * np.bincount(bins_P, weights=shares_P, minlength=BINS)
    used = due > 0
    statistic = float(((seen - due)[used] ** 2 / due[used]).sum())
    impossible = bool((shares_P[drawn] == 0).any())
    return 0.0 if impossible else float(chi2.sf(statistic, int(used.sum()) - 1))


def formula(name: str, found: Candidates) -> NDArray[np.float64] | None:
    """The probabilities of a first draw, with the defaults; None where there is no formula."""
    scores_P = filled(found.scores_P).astype(np.float64)
    ages_P = np.maximum(np.asarray(found.ages_P, np.float64), 0)
    _, inverse, counts = np.unique(-scores_P, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    # Equal scores share their ranks' weights; a score of 0 has none.
    weights = [(1 / np.arange(b - n + 1, b + 1)).mean() for n, b in zip(counts, last, strict=True)]
    ranked_P = np.where(scores_P > 0, np.array(weights)[inverse], 0.0)
    ranked_P /= ranked_P.sum()
    softened_P = np.where(scores_P > 0, np.exp(scores_P), 0.0)
    shares = {
        "proportional": scores_P / scores_P.sum(),
        "rank": ranked_P,
        "plr": 0.7 * ranked_P + 0.3 * ages_P / ages_P.sum(),
        "softmax": softened_P / softened_P.sum(),
    }
    return shares.get(name)


def play(pool: Pool, sampler: Any, now: Now, rng: np.random.Generator) -> None:
    """One round of the pool: draw, score, estimate, write."""
    rows = pool.draw(sampler, DRAWS, now, rng)
    rewards_PG = (rng.random((len(rows), RESPONSES)) < 0.5).astype(np.float64)
    evidence = Evidence(rewards_PG, now.round, state=pool.state(rows, now))
    estimator = chosen("learnability", ESTIMATORS).build()
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
