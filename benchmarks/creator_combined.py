"""The grid `configs/ablations/creator_combined.yaml`: additions to the choice of parents."""

from __future__ import annotations

from benchmarks.creator import with_tokens
from benchmarks.runner import Measurement


def measure() -> Measurement:
    """Runs what of the grid has not run yet, and compares its arms."""
    return with_tokens("creator_combined")
