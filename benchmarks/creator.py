"""The ablation grid `configs/ablations/creator.yaml`: estimators and samplers, at equal tokens.

Besides what every arm reaches, how many generated tokens it takes to fixed held-out accuracies.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np

from benchmarks.grid import compared, played
from benchmarks.runner import Cell, Measurement
from selfplay.ablation import interval
from selfplay.core.types import GENERATED
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER
from selfplay.stages.evaluation import SAMPLED

LEVELS = (0.3, 0.45, 0.6)
"""Held-out accuracies, sampled at temperature 1; the policy starts at 0.14."""


def measure() -> Measurement:
    """Runs what of the grid has not run yet, and compares its arms."""
    return with_tokens("creator")


def with_tokens(name: str) -> Measurement:
    """A grid's arms, with the tokens that each took to the accuracies of `LEVELS`."""
    measured = compared(
        name,
        "Tokens to an accuracy: generated for training and estimates until the held-out accuracy, "
        "taken every 5 rounds and interpolated, first is there; in parentheses how many seeds got "
        "there where not all did.",
    )
    _, grid = played(name)
    for row in measured.rows:
        directories = [cell.directory for cell in grid if cell.arm == row["arm"]]
        row |= {f"tokens to {level}": spent(directories, level) for level in LEVELS}
    return measured


def spent(directories: Sequence[Path], level: float) -> Cell:
    """Mean and interval of the tokens that the runs took to the accuracy `level`."""
    tokens = [tokens_to(directory, level) for directory in directories]
    reached = np.array([count for count in tokens if count is not None])
    if not reached.size:
        return "–"
    some = "" if len(reached) == len(tokens) else f" ({len(reached)} of {len(tokens)})"
    found = interval(reached)
    half = "" if np.isnan(found.half) else f" ± {found.half:,.0f}"
    return f"{found.mean:,.0f}{half}{some}"


def tokens_to(directory: Path, level: float) -> float | None:
    """Tokens generated until the run's accuracy first was `level`; None where it never was."""
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        entries = ledger.metrics()
    generated: dict[int, float] = {}
    for entry in entries:
        if entry.name == GENERATED:
            generated[entry.round] = generated.get(entry.round, 0.0) + entry.value
    rounds = sorted({0, *generated})
    total = dict(zip(rounds, accumulate(generated.get(t, 0.0) for t in rounds), strict=True))
    curve = sorted((e.round, e.value) for e in entries if e.name == SAMPLED)
    before = (0.0, -np.inf)
    for t, accuracy in curve:
        now = (total[t], accuracy)
        if accuracy >= level:
            if not np.isfinite(before[1]):
                return now[0]
            share = (level - before[1]) / (now[1] - before[1])
            return before[0] + share * (now[0] - before[0])
        before = now
    return None
