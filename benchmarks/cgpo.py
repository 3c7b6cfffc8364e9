"""The ablation grid `configs/ablations/cgpo.yaml`: do constraints hold where a reward is exploited?

The reward of all arms but one is a proxy that is known to be exploitable. Its mean over the round's
samples and the verifier's accuracy on held-out items are drawn side by side for every arm.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.grid import played
from benchmarks.runner import RESULTS, Measurement
from selfplay.ablation import interval
from selfplay.evaluation import GREEDY, SAMPLED
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER

PROXY = "reward"
"""The metric that holds the mean reward of a round's samples."""
ENDING = 5
"""Rounds at either end over which the proxy is averaged: a round has 64 prompts."""
OTHER_REWARD = "rloo_verified"
"""The arm whose reward is not the proxy."""
DRAWN = ("rloo", "ppo", "crpg_form_only", "crpg", "crraft", "codpo")

Curve: TypeAlias = dict[int, float]
"""By round."""


def measure() -> Measurement:
    """Runs what of the grid has not run yet; tables, draws and writes its curves."""
    config, grid = played("cgpo")
    curves = {
        arm: [curves_of(cell.directory) for cell in grid if cell.arm == arm] for arm in config.arms
    }
    write_curves(curves, RESULTS / "cgpo.csv")
    draw(curves, RESULTS / "cgpo.svg")
    return Measurement(
        title=config.title,
        question=config.question,
        rows=[row(arm, runs) for arm, runs in curves.items()],
        notes=(
            "The proxy gives two thirds for an answer that ends on 0, 5 or a vowel, and one third "
            "for the right answer. Mean ± half the 95 % interval (Student's t) over "
            f"{config.seeds} seeds; proxy over the first and last {ENDING} rounds; accuracy by the "
            "verifier on the same 256 held-out items in every run, before and after. One judge of "
            "the mixture is that verifier, on the training prompts; `crpg_form_only` has the judge "
            "of the form alone.\n\n"
            "![Proxy and accuracy by round](../benchmarks/results/cgpo.svg)"
        ),
    )


def curves_of(directory: Path) -> dict[str, Curve]:
    """Proxy, accuracy and violations of one run, by round."""
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        metrics = ledger.metrics()
    return {
        name: {m.round: m.value for m in metrics if m.name == name}
        for name in (PROXY, SAMPLED, GREEDY, "violations")
    }


def row(arm: str, runs: Sequence[Mapping[str, Curve]]) -> dict[str, str | float]:
    """One row of the table."""
    shown: dict[str, str | float] = {"arm": arm}
    trained = bool(runs[0][PROXY]) and arm != OTHER_REWARD
    for when, rounds in (("first", slice(None, ENDING)), ("last", slice(-ENDING, None))):
        means = np.array([np.mean(list(run[PROXY].values())[rounds]) for run in runs if trained])
        shown[f"proxy, {when} rounds"] = str(interval(means)) if trained else "–"
    for name in (SAMPLED, GREEDY):
        values = [list(run[name].values()) for run in runs]
        shown[f"{name}, before"] = str(interval(np.array([found[0] for found in values])))
        shown[f"{name}, after"] = str(interval(np.array([found[-1] for found in values])))
    return shown


def band(curves: Sequence[Curve]) -> tuple[list[int], NDArray[np.float64]]:
    """The rounds that all curves have, and their values there: shape (seeds, rounds)."""
    rounds = sorted(set.intersection(*(set(curve) for curve in curves)))
    return rounds, np.array([[curve[t] for t in rounds] for curve in curves])


def write_curves(curves: Mapping[str, Sequence[Mapping[str, Curve]]], path: Path) -> None:
    """Every point as one line: arm, seed, metric, round, value."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["arm", "seed", "metric", "round", "value"])
        for arm, runs in curves.items():
            for seed, run in enumerate(runs):
                for name, curve in run.items():
                    writer.writerows([arm, seed, name, t, round(v, 6)] for t, v in curve.items())


def draw(curves: Mapping[str, Sequence[Mapping[str, Curve]]], path: Path) -> None:
    """Two panels, proxy and accuracy by round: means over the seeds, with their range."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # Ids are hashed with a salt and there is no date, so that equal curves give an equal file.
    with mpl.rc_context({"svg.hashsalt": "cgpo", "font.size": 9}):
        figure = Figure(figsize=(9, 3.6), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        titles = ((PROXY, "proxy: mean reward of the samples"), (SAMPLED, "held-out accuracy"))
        for axes, (metric, title) in zip(panels, titles, strict=True):
            for arm in (arm for arm in DRAWN if arm in curves):
                rounds, values = band([run[metric] for run in curves[arm]])
                (line,) = axes.plot(rounds, values.mean(axis=0), label=arm)
                axes.fill_between(
                    rounds,
                    values.min(axis=0),
                    values.max(axis=0),
                    color=line.get_color(),
                    alpha=0.2,
                )
            axes.set(title=title, xlabel="round", ylim=(0, 1))
        panels[1].legend(frameon=False)
        figure.savefig(path, metadata={"Date": None})
