"""The grid `configs/ablations/creator_parts.yaml`: what is lost when a part is left out."""

from __future__ import annotations

from benchmarks.grid import compared
from benchmarks.runner import Measurement


def measure() -> Measurement:
    """Runs what of the grid has not run yet, and compares its arms."""
    return compared(
        "creator_parts",
        "Every arm generates 30,000 tokens, a fifth of those of `curriculum`. What evolution "
        "brings shows at that length; of the choice of parents, which `curriculum` finds to help, "
        "of memory and of the choice of operators nothing is shown.",
    )
