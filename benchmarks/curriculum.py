"""The ablation grid `configs/ablations/curriculum.yaml`: does the creator earn its place?"""

from __future__ import annotations

from benchmarks.grid import compared
from benchmarks.runner import Measurement


def measure() -> Measurement:
    """Runs what of the grid has not run yet, and compares its arms."""
    return compared("curriculum", "")
