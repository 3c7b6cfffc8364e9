"""An ablation grid as a benchmark."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.runner import Measurement
from selfplay.ablation import AblationConfig, Cell, cells, results, run_cells
from selfplay.config import load_config
from selfplay.config.settings import RunConfig


def played(name: str) -> tuple[AblationConfig, list[Cell]]:
    """The grid `configs/ablations/<name>.yaml`, what had not run yet having run."""
    config = load_config(f"ablations/{name}", [], AblationConfig).config
    grid = cells(config, Path("runs") / "ablations" / name)
    for done, cell in enumerate(run_cells(grid, os.cpu_count() or 1), start=1):
        print(f"{done}/{len(grid)}  {cell.arm}, seed {cell.seed}", flush=True)
    return config, grid


def compared(name: str, notes: str) -> Measurement:
    """The grid's arms, each beside the one of reference."""
    config, grid = played(name)
    run = load_config(grid[0].game, grid[0].overrides, RunConfig).config
    items = run.evaluation.source.options.count
    return Measurement(
        title=config.title,
        question=config.question,
        rows=[arm.row(config.reference) for arm in results(config, grid)],
        notes=(
            f"`selfplay ablate {name}`. Mean ± half the 95 % interval (Student's t) over "
            f"{config.seeds} seeds; differences are paired within a seed. Accuracy is on the same "
            f"{items} held-out items over all levels, in every run. {notes}"
        ).rstrip(),
    )
