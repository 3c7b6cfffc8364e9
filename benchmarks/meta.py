"""The grid `configs/ablations/meta.yaml`: what is lost when a part of meta is left out."""

from __future__ import annotations

from benchmarks.grid import compared
from benchmarks.runner import Measurement


def measure() -> Measurement:
    """Runs what of the grid has not run yet, and compares its arms."""
    return compared(
        "meta",
        "The reward is the mean of the last rounds' samples, the gap what of it is more than the "
        "held-out accuracy. In every arm but `no_mixture` a response has to have the right form.",
    )
