"""Curves of a grid's runs by round: read from the ledgers, written as CSV, drawn by arm."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from selfplay.ledger import Ledger
from selfplay.paths import LEDGER

Curve: TypeAlias = dict[int, float]
"""By round."""
Curves: TypeAlias = Mapping[str, Curve]
"""Of one run, by metric."""


def curves_of(directory: Path, names: Sequence[str]) -> dict[str, Curve]:
    """The metrics of one run, by round."""
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        metrics = ledger.metrics()
    return {name: {m.round: m.value for m in metrics if m.name == name} for name in names}


def band(curves: Sequence[Curve]) -> tuple[list[int], NDArray[np.float64]]:
    """The rounds that all curves have, and their values there: shape (seeds, rounds)."""
    rounds = sorted(set.intersection(*(set(curve) for curve in curves)))
    return rounds, np.array([[curve[t] for t in rounds] for curve in curves])


def write_curves(arms: Mapping[str, Sequence[Curves]], path: Path) -> None:
    """Every point as one line: arm, seed, metric, round, value."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["arm", "seed", "metric", "round", "value"])
        for arm, runs in arms.items():
            for seed, run in enumerate(runs):
                for name, curve in run.items():
                    writer.writerows([arm, seed, name, t, round(v, 6)] for t, v in curve.items())


def draw(
    arms: Mapping[str, Sequence[Curves]], panels: Sequence[tuple[str, str]], path: Path
) -> None:
    """A panel for each (metric, title): means over the seeds, with their range, by round."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # Ids are hashed with a salt and there is no date, so that equal curves give an equal file.
    with mpl.rc_context({"svg.hashsalt": path.stem, "font.size": 9}):
        figure = Figure(figsize=(10, 3.6), layout="constrained")
        drawn = figure.subplots(1, len(panels), sharey=True)
        for axes, (metric, title) in zip(drawn, panels, strict=True):
            for i, (arm, runs) in enumerate(arms.items()):
                rounds, values = band([run[metric] for run in runs])
                # Dashes of different lengths, so that lines upon each other can all be seen.
                (line,) = axes.plot(rounds, values.mean(axis=0), label=arm, dashes=(6, i))
                lows, highs = values.min(axis=0), values.max(axis=0)
                axes.fill_between(rounds, lows, highs, color=line.get_color(), alpha=0.1)
            axes.set(title=title, xlabel="round", ylim=(0, 1))
        figure.legend(*drawn[-1].get_legend_handles_labels(), loc="outside right upper")
        figure.savefig(path, metadata={"Date": None})
