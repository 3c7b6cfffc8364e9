"""The ablation grid `configs/ablations/curriculum.yaml`: does the creator earn its place?"""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.runner import Measurement
from selfplay.ablation import AblationConfig, cells, results, run_cells
from selfplay.config import load_config

RUNS = Path("runs") / "ablations" / "curriculum"


def measure() -> Measurement:
    """Runs what of the grid has not run yet, and compares its arms."""
    config = load_config("ablations/curriculum", [], AblationConfig).config
    grid = cells(config, RUNS)
    for done, cell in enumerate(run_cells(grid, os.cpu_count() or 1), start=1):
        print(f"{done}/{len(grid)}  {cell.arm}, seed {cell.seed}", flush=True)
    return Measurement(
        title=config.title,
        question=config.question,
        rows=[arm.row(config.reference) for arm in results(config, grid)],
        notes=(
            "`selfplay ablate curriculum`. Mean ± half the 95 % interval (Student's t) over "
            f"{config.seeds} seeds; differences are paired within a seed. Accuracy is on the same "
            "512 held-out items over all levels, in every run."
        ),
    )
