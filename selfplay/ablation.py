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

from selfplay.config import differences, load_config
from selfplay.core.errors import ConfigError, LedgerError, ResourceError, nearest
from selfplay.evaluation import GREEDY, SAMPLED
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER
from selfplay.settings import RunConfig
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
    game: str
    overrides: tuple[str, ...]

    @property
    def command(self) -> tuple[str, ...]:
        """The run as a user would start it."""
        run = (sys.executable, "-m", "selfplay", "run", self.game, *self.overrides)
        return (*run, "--out", str(self.directory), "--json")


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
            changes = (*config.common, *overrides, f"seed={seed}")
            found.append(Cell(arm, seed, out, config.game, changes))
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
    """Runs one cell to its end; one that is there already, with this configuration, is left alone.

    Raises:
        ResourceError: the run failed.
    """
    if is_finished(cell):
        return
    one_thread = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(
        cell.command, capture_output=True, text=True, env=os.environ | one_thread, check=False
    )
    if done.returncode:
        raise ResourceError(f"{cell.arm}, seed {cell.seed} failed: {done.stderr.strip()[-2000:]}")


def is_finished(cell: Cell) -> bool:
    """Is there a finished run of exactly this configuration?"""
    if not (cell.directory / LEDGER).is_file():
        return False
    wanted = load_config(cell.game, cell.overrides, RunConfig).as_dict()
    with Ledger.open(cell.directory / LEDGER, read_only=True) as ledger:
        same = not differences(ledger.settings, wanted, set())
    return same and standing(cell.directory).state == "finished"


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


@dataclass(frozen=True)
class ArmResult:
    """What one arm reached, and how far the reference is ahead of it."""

    arm: str
    values: Mapping[str, list[float]]
    """By outcome: one value for each seed, in order."""
    means: Mapping[str, Interval]
    ahead: Mapping[str, Interval]
    """By outcome: the reference less this arm, paired within seeds; empty for the reference."""
    training_tokens: float
    """Mean over the seeds."""

    def row(self, reference: str) -> dict[str, str | float]:
        """As one row of a table for people."""
        shown: dict[str, str | float] = {"arm": self.arm}
        for name, mean in self.means.items():
            shown[name] = str(mean)
            if name in self.ahead:
                shown[f"{reference} − arm, {name}"] = str(self.ahead[name])
        return shown | {"training tokens": self.training_tokens}


def results(config: AblationConfig, grid: Sequence[Cell]) -> list[ArmResult]:
    """The arms of a grid whose runs are all finished.

    Raises:
        LedgerError: a run is not.
        ConfigError: an outcome was not measured.
    """
    reference = config.reference or next(iter(config.arms))
    runs = {
        arm: [finished(cell.directory) for cell in grid if cell.arm == arm] for arm in config.arms
    }
    values = {
        arm: np.array([outcomes(found, config.outcomes) for found in standings])
        for arm, standings in runs.items()
    }
    ahead = {arm: values[reference] - values[arm] for arm in config.arms if arm != reference}
    return [
        ArmResult(
            arm=arm,
            values=dict(zip(config.outcomes, values[arm].T.tolist(), strict=True)),
            means=intervals(config.outcomes, values[arm]),
            ahead=intervals(config.outcomes, ahead[arm]) if arm in ahead else {},
            training_tokens=float(np.mean([found.training_tokens for found in standings])),
        )
        for arm, standings in runs.items()
    ]


def intervals(names: Sequence[str], values: NDArray[np.float64]) -> dict[str, Interval]:
    """An interval for each column of `values`, shape (seeds, outcomes)."""
    return {name: interval(values[:, k]) for k, name in enumerate(names)}


def finished(directory: Path) -> Standing:
    """The standing of a run that is over.

    Raises:
        LedgerError: it is not, so its newest evaluation is not its last.
    """
    found = standing(directory)
    if found.state != "finished":
        raise LedgerError(
            f"{directory} is {found.state} in round {found.round}, so there is nothing to compare "
            "yet; run the grid again"
        )
    return found
