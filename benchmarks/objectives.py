"""The ablation grid `configs/ablations/objectives.yaml`: what does each objective do?"""

from __future__ import annotations

from benchmarks.grid import compared
from benchmarks.runner import Measurement


def measure() -> Measurement:
    """Runs what of the grid has not run yet, and compares every objective with no training."""
    return compared(
        "objectives",
        "`no_training` has the accuracies before; all arms start from there, generate 12,000 "
        "tokens and learn at one rate (5e-4, four steps a round) with default options: a "
        "comparison of defaults at tiny scale, not of what each could reach.",
    )
