"""The ablation grid `configs/ablations/cgpo.yaml`: do constraints hold where a reward is exploited?

The reward of all arms but one is a proxy that is known to be exploitable. Its mean over the round's
samples and the verifier's accuracy on held-out items are drawn side by side for every arm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.curves import Curve, curves_of, draw, write_curves
from benchmarks.grid import played
from benchmarks.runner import RESULTS, Measurement
from selfplay.ablation import interval
from selfplay.stages.evaluation import GREEDY, SAMPLED

PROXY = "reward"
"""The metric that holds the mean reward of a round's samples."""
ENDING = 5
"""Rounds at either end over which the proxy is averaged: a round has 64 prompts."""
OTHER_REWARD = "rloo_verified"
"""The arm whose reward is not the proxy."""
METRICS = (PROXY, SAMPLED, GREEDY, "violations")
PANELS = ((PROXY, "proxy: mean reward of the samples"), (SAMPLED, "held-out accuracy"))
DRAWN = ("rloo", "ppo", "crpg_form_only", "crpg", "crraft", "codpo")


def measure() -> Measurement:
    """Runs what of the grid has not run yet; tables, draws and writes its curves."""
    config, grid = played("cgpo")
    curves = {
        arm: [curves_of(cell.directory, METRICS) for cell in grid if cell.arm == arm]
        for arm in config.arms
    }
    write_curves(curves, RESULTS / "cgpo.csv")
    shown = {arm: curves[arm] for arm in DRAWN if arm in curves}
    draw(shown, PANELS, RESULTS / "cgpo.svg")
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
