"""How much of a round is neither generation, judging nor training."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np

from benchmarks.runner import Measurement
from selfplay.build import open_game
from selfplay.config import load_config
from selfplay.ledger import Ledger
from selfplay.loop import play

ROUNDS = 12
WARM_UP = 2
"""First rounds left out: libraries still import, caches are empty, nothing is evolved."""


def measure() -> Measurement:
    """The tiny round as it ships, and with ten times the prompts."""
    rows = [shares("tiny", []), shares("tiny, 10 × the tokens", ["creator.batch=640"])]
    return Measurement(
        title="Overhead of the game",
        question="What share of a round is spent outside of generation, judging and training?",
        rows=rows,
        notes=(
            f"Medians over {ROUNDS - WARM_UP} rounds, evaluation left out. `outside` is the "
            "creator, the ledger, saving the policy and the run loop; `worst` is the round with "
            "the largest share."
        ),
    )


def shares(name: str, overrides: list[str]) -> dict[str, str | float]:
    """Plays some rounds in a temporary directory and divides their time."""
    common = [f"rounds={ROUNDS}", "evaluation.every=1000", "evaluation.source.count=8"]
    common += ["prompts.count=800", "model.threads=2"]
    with tempfile.TemporaryDirectory() as folder:
        with open_game(load_config("tiny", [*common, *overrides]), Path(folder)) as game:
            for _ in play(game):
                pass
        with Ledger.open(Path(folder) / "ledger.db", read_only=True) as ledger:
            return divided(name, ledger)


def divided(name: str, ledger: Ledger) -> dict[str, str | float]:
    """Seconds by part, and the share of the rest."""
    parts: dict[int, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for cost in ledger.costs():
        if cost.round <= WARM_UP or cost.stage == "evaluate" or "/" in cost.stage:
            continue
        if cost.role == "stage":
            parts[cost.round]["round"] += cost.seconds
        else:
            parts[cost.round][cost.role] += cost.seconds
    named = {
        part: np.array([by_part[part] for by_part in parts.values()])
        for part in ("round", "generate", "judge", "train")
    }
    outside = 1 - (named["generate"] + named["judge"] + named["train"]) / named["round"]
    return {
        "round": name,
        **{f"{part}, s": round(float(np.median(found)), 4) for part, found in named.items()},
        "outside, %": round(100 * float(np.median(outside)), 2),
        "worst, %": round(100 * float(outside.max()), 2),
    }
