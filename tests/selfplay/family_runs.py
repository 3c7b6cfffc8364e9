"""A hand-made run directory whose families are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from selfplay.core.types import (
    Composition,
    Estimate,
    Group,
    Lineage,
    Prompt,
    Purpose,
    Rejection,
    Response,
    Verdict,
    user,
)
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER

STRANGER = "feedfacefeedface"
"""A parent that is in no run."""


def prompt(text: str, operator: str = "original", t: int = 0, *parents: str) -> Prompt:
    lineage = Lineage(parents, operator, "writer" if parents else "", 7, t, t, "judge-a")
    return Prompt(user(text), task="numbers" if "sum" in text else "words", lineage=lineage)


APPLES = prompt("Count the apples, 50% of them")
SUM = prompt("What is the sum of 1 and 2?")
HELD = prompt("A held-out sum", "heldout")
IMPORTED = prompt("Brought from elsewhere", "imported", 0, STRANGER)
PEARS = prompt("Count the pears", "rarer", 1, APPLES.id)
CROSSED = prompt("Count pears, then the sum", "crossover", 2, PEARS.id, SUM.id)
DEEP = prompt("Count, sum and square", "deepen", 3, CROSSED.id, APPLES.id)
PROBED = prompt("Only probed", "rarer", 2, APPLES.id)


def group(
    asked: Prompt, rewards: list[float | None], purpose: Purpose = "train", version: int = 0
) -> Group:
    empty = np.array([], np.int32)
    responses = tuple(Response(f"answer {i}", empty, None, "stop") for i in range(len(rewards)))
    verdicts = tuple(
        Verdict.missing("no answer found") if reward is None else Verdict(reward)
        for reward in rewards
    )
    return Group(asked, responses, purpose, version, verdicts, "judge-a")


def estimate(asked: Prompt, value: float, t: int, metric: str = "gap") -> Estimate:
    return Estimate(asked.id, metric, value, 2, t, t - 1, "judge-a")


def write_run(directory: Path) -> Path:
    """Three rounds of made-up groups; the run directory."""
    directory.mkdir(parents=True, exist_ok=True)
    with Ledger.create(directory / LEDGER, {"model": {"path": "tiny"}}, {}) as ledger:
        ledger.admit([APPLES, SUM])
        ledger.add_prompts([HELD, IMPORTED, PROBED])
        turned = Rejection("rarer", SUM.id, "too long: over 9 tokens")
        rounds = [
            Composition((PEARS, SUM), (), (turned, turned)),
            Composition(
                (CROSSED, APPLES, PEARS),
                (estimate(PEARS, 0.5, 2), estimate(SUM, 0.25, 2)),
                (Rejection("rarer", APPLES.id, "duplicate"),),
            ),
            Composition((DEEP,), (estimate(PEARS, 0.0, 3), estimate(CROSSED, 1.0, 3))),
        ]
        answers = [
            [group(PEARS, [0.0, 0.0, 1.0]), group(SUM, [1.0, 1.0])],
            [group(CROSSED, [0.0, 1.0]), group(APPLES, [None, 1.0]), group(PEARS, [1.0, 1.0])],
            [group(DEEP, [0.0, 0.0])],
        ]
        for t, (composition, groups) in enumerate(zip(rounds, answers, strict=True), start=1):
            ledger.add_composition(t, composition)
            ledger.add_groups(t, "train", 0, groups)
            with ledger.commit(t, "judge") as stage:
                stage.metrics = {"reward": t / 4, "mixed": 0.5}
    return directory
