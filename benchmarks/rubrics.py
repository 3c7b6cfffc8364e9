"""The ablation grid `configs/ablations/rubrics.yaml`: a rubric that evolves, against fixed ones.

What counts at the end is the *gap*, the mean reward of the last rounds' samples less the held-out
accuracy: how much of what a rubric pays is not there. Both are drawn by round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.curves import Curves, curves_of, draw, write_curves
from benchmarks.grid import played
from benchmarks.runner import RESULTS, Cell, Measurement
from selfplay.ablation import interval
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER
from selfplay.stages.evaluation import GREEDY, SAMPLED

REWARD = "reward"
"""The metric that holds the mean reward of a round's samples."""
ENDING = 5
"""Rounds over which the reward is averaged at the end."""
METRICS = (REWARD, SAMPLED, GREEDY)
PANELS = ((REWARD, "mean reward of the samples"), (SAMPLED, "held-out accuracy, sampled"))


def measure() -> Measurement:
    """Runs what of the grid has not run yet; tables, draws and writes its curves."""
    config, grid = played("rubrics")
    directories = {arm: [c.directory for c in grid if c.arm == arm] for arm in config.arms}
    curves = {arm: [curves_of(d, METRICS) for d in own] for arm, own in directories.items()}
    write_curves(curves, RESULTS / "rubrics.csv")
    draw(curves, PANELS, RESULTS / "rubrics.svg")
    rows = []
    for arm, runs in curves.items():
        ledgers = [Ledger.open(d / LEDGER, read_only=True) for d in directories[arm]]
        try:
            rows.append(row(arm, runs, curves[config.reference]) | counts(ledgers))
        finally:
            for ledger in ledgers:
                ledger.close()
    return Measurement(
        title=config.title,
        question=config.question,
        rows=rows,
        notes=(
            f"`selfplay ablate rubrics`. Mean ± half the 95 % interval (Student's t) over "
            f"{config.seeds} seeds; differences are paired within a seed. Reward: the rubric in "
            f"force at the end, mean of the last {ENDING} rounds' samples. Accuracy: sampled, by "
            "the verifier, on the same 256 held-out items. Gap: the reward less the accuracy. The "
            "verifier scores anchors, suspects and audited prompts of the arms with reviews (how "
            "many: `labels`); neither it nor an answer is among the checks of the reviewer.\n\n"
            "![Reward and accuracy by round](../benchmarks/results/rubrics.svg)"
        ),
    )


def row(arm: str, runs: Sequence[Curves], reference: Sequence[Curves]) -> dict[str, Cell]:
    """One row of the table."""
    rewards, accuracies = ends(runs)
    shown: dict[str, Cell] = {
        "arm": arm,
        "reward": str(interval(rewards)),
        "accuracy, before": str(interval(np.array([first(run[SAMPLED]) for run in runs]))),
        "accuracy, after": str(interval(accuracies)),
        "lowest accuracy": str(interval(np.array([min(run[SAMPLED].values()) for run in runs]))),
        "gap": str(interval(rewards - accuracies)),
    }
    if runs is not reference:
        their_rewards, theirs = ends(reference)
        ahead = theirs - accuracies
        gaps = (rewards - accuracies) - (their_rewards - theirs)
        shown["evolving - arm, accuracy"] = str(interval(ahead))
        shown["arm - evolving, gap"] = str(interval(gaps))
    return shown


def ends(runs: Sequence[Curves]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Reward and accuracy at the end of each run, shape (seeds,)."""
    rewards = [float(np.mean(list(run[REWARD].values())[-ENDING:])) for run in runs]
    return np.array(rewards), np.array([list(run[SAMPLED].values())[-1] for run in runs])


def first(curve: Mapping[int, float]) -> float:
    """Its earliest value."""
    return curve[min(curve)]


def counts(ledgers: Sequence[Ledger]) -> dict[str, Cell]:
    """Means over the runs of how much was reviewed, and of trusted scores that it took."""
    reviews = [ledger.reviews() for ledger in ledgers]
    labels = [
        sum(
            len(group.responses)
            for t in range(ledger.last_round() + 1)
            for label in ("anchors", "audit", "suspect", "fresh")
            for group in unread(ledger).groups(t, label)
        )
        for ledger in ledgers
    ]
    return {
        "reviews": float(np.mean([len(found) for found in reviews])),
        "adopted": float(np.mean([sum(r.outcome == "accepted" for r in f) for f in reviews])),
        "rejected": float(np.mean([sum(r.outcome == "rejected" for r in f) for f in reviews])),
        "labels": float(np.mean(labels)),
    }


def unread(ledger: Ledger) -> Ledger:
    """The ledger, which is asked how many responses there are and not for their texts."""
    ledger.decode = ledger.decode or (lambda batch: [""] * len(batch))
    return ledger
