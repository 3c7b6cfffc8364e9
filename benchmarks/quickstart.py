"""What `make run` shows: the embedded game as it ships, before and after."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.runner import Measurement
from selfplay.analysis.status import standing
from selfplay.build import open_game
from selfplay.config import load_config
from selfplay.loop import play


def measure() -> Measurement:
    """Plays the tiny configuration once, seed 0, with both cores."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        with open_game(load_config("tiny", []), Path(folder)) as game:
            for _ in play(game):
                pass
        minutes = (time.perf_counter() - began) / 60
        gains = standing(Path(folder)).gains
    return Measurement(
        title="The embedded game",
        question="What does `selfplay run tiny` reach, and how long does it take?",
        rows=[
            {
                "held-out accuracy": gain.asked,
                "before": round(gain.before, 3),
                "after": round(gain.after, 3),
                "ceiling": round(gain.ceiling or 0.0, 3),
                "way to the ceiling, %": round(100 * (gain.closed or 0.0)),
            }
            for gain in gains
        ],
        notes=(
            f"One run, seed 0, {minutes:.1f} minutes without installing. The ceiling is the same "
            "model trained supervised on right answers over the whole range (quality.json)."
        ),
    )
