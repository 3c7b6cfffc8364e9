"""An ablation grid: arms × seeds, run as separate processes, compared in pairs.

Every arm plays with the same seeds, so differences are taken within a seed and the interval is
Student's t of the paired differences. Runs are ordinary run directories: an interrupted grid goes
on where it stopped, and every figure can be traced to its ledger.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from selfplay.core.errors import ConfigError, ResourceError, nearest
from selfplay.evaluation import GREEDY, SAMPLED
from selfplay.summary import Standing, standing

LEVEL = 0.95


@dataclass(frozen=True)
class AblationConfig:
    """A grid of overrides × seeds."""

    game: str = "tiny"
    """The configuration that every arm starts from."""
    title: str = "Ablation"
    question: str = ""
    seeds: int = 10
    """Seeds 0 … n − 1."""
    common: list[str] = field(default_factory=list)
    """Overrides of every arm."""
    arms: dict[str, list[str]] = field(default_factory=dict)
    """Overrides by arm."""
    reference: str = ""
    """The arm that the others are subtracted from; the first one when empty."""
    outcomes: list[str] = field(default_factory=lambda: [SAMPLED, GREEDY])
    """Metrics of the last evaluation to compare."""

    def check(self, where: str) -> None:
        """Refuses a grid that cannot answer anything.

        Raises:
            ConfigError: no arms, no seeds, or an unknown reference arm.
        """
        if not self.arms or self.seeds < 1:
            raise ConfigError("an ablation needs `arms` (a name and its overrides each) and seeds")
        if self.reference and self.reference not in self.arms:
            raise ConfigError(f"reference: {nearest(self.reference, self.arms)}")


@dataclass(frozen=True)
class Cell:
    """One run of the grid."""

    arm: str
    seed: int
    directory: Path
    command: tuple[str, ...]


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval."""

    mean: float
    half: float
    """Half the width; NaN with fewer than two values."""

    def __str__(self) -> str:
        """`0.512 ± 0.010`."""
        return f"{self.mean:.3f} ± {self.half:.3f}"


def cells(config: AblationConfig, directory: Path) -> list[Cell]:
    """The runs of the grid, seed by seed, so that an interrupted grid has whole pairs."""
    found = []
    for seed in range(config.seeds):
        for arm, overrides in config.arms.items():
            out = directory / f"{arm}-{seed}"
            command = (
                *(sys.executable, "-m", "selfplay", "run", config.game, *config.common),
                *(*overrides, f"seed={seed}", "--out", str(out), "--json"),
            )
            found.append(Cell(arm, seed, out, command))
    return found


def run_cells(grid: Sequence[Cell], workers: int) -> Iterator[Cell]:
    """Runs the cells, `workers` at a time with one thread each; yields them as they finish.

    Raises:
        ResourceError: a run failed; the message ends with what it said.
    """
    pool = ThreadPoolExecutor(workers)
    futures = {pool.submit(run_cell, cell): cell for cell in grid}
    try:
        for future in as_completed(futures):
            future.result()
            yield futures[future]
    finally:
        pool.shutdown(cancel_futures=True)


def run_cell(cell: Cell) -> None:
    """Runs one cell to its end.

    Raises:
        ResourceError: the run failed.
    """
    one_thread = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(
        cell.command, capture_output=True, text=True, env=os.environ | one_thread, check=False
    )
    if done.returncode:
        raise ResourceError(f"{cell.arm}, seed {cell.seed} failed: {done.stderr.strip()[-2000:]}")


def interval(values: NDArray[np.float64]) -> Interval:
    """Mean and Student's t interval of `values`, shape (n,)."""
    if len(values) < 2:
        return Interval(float(values.mean()), float("nan"))
    from scipy.stats import t

    error = values.std(ddof=1) / np.sqrt(len(values))
    return Interval(float(values.mean()), float(t.ppf((1 + LEVEL) / 2, len(values) - 1) * error))


def outcomes(found: Standing, names: Sequence[str]) -> list[float]:
    """The newest evaluation's metrics."""
    last = found.evaluations[max(found.evaluations)]
    missing = [name for name in names if name not in last]
    if missing:
        raise ConfigError(f"outcomes: {nearest(missing[0], last)}")
    return [last[name] for name in names]


def table(config: AblationConfig, grid: Sequence[Cell]) -> list[dict[str, str | float]]:
    """One row for each arm: every outcome, the paired difference to the reference, the tokens."""
    reference = config.reference or next(iter(config.arms))
    standings: Mapping[str, list[Standing]] = {
        arm: [standing(cell.directory) for cell in grid if cell.arm == arm] for arm in config.arms
    }
    values = {
        arm: np.array([outcomes(found, config.outcomes) for found in runs])
        for arm, runs in standings.items()
    }
    rows = []
    for arm, runs in standings.items():
        row: dict[str, str | float] = {"arm": arm, "seeds": float(len(runs))}
        for k, name in enumerate(config.outcomes):
            row[name] = str(interval(values[arm][:, k]))
            if arm != reference:
                paired = values[reference][:, k] - values[arm][:, k]
                row[f"{reference} − arm, {name}"] = str(interval(paired))
        row["training tokens"] = float(np.mean([found.training_tokens for found in runs]))
        rows.append(row)
    return rows
