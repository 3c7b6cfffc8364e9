"""A hand-made run whose prompts, responses and families are known, for exports."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from selfplay.core.gym import puzzle_prompt
from selfplay.core.types import (
    Comparison,
    Composition,
    Estimate,
    Group,
    Lineage,
    Message,
    Prompt,
    Puzzle,
    Response,
    Verdict,
    user,
)
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER

PUZZLE = puzzle_prompt(
    Puzzle("chain_sum", (("num_digits", 1), ("num_terms", 2)), 7), Lineage(seed=7)
)
HARDER = puzzle_prompt(
    Puzzle("chain_sum", (("num_digits", 2), ("num_terms", 3)), 8),
    Lineage((PUZZLE.id,), "harder", "", 8, 1, 1, "judge-a"),
)
POEM = Prompt(
    (Message("system", "You are terse."), Message("user", "Write a poem on the evening tide")),
    task="write",
    extra={"source": "ours", "levels": [1, 2], "note": None},
)
LONGER = Prompt(
    user("Write two stanzas on the evening tide, and | name “every” colour\nof it"),
    task="write",
    lineage=Lineage((POEM.id,), "deepen", "org/writer", 1, 1, 1, "judge-a"),
)
LONGER_AGAIN = Prompt(
    user("Write two stanzas on the evening tide and name “every” colour of it"),
    task="write",
    lineage=Lineage((POEM.id,), "deepen", "org/writer", 2, 2, 1, "judge-a"),
)
TALK = Prompt(
    (Message("user", "Which river?"), Message("assistant", "The Rhine."), Message("user", "Why?")),
    task="talk",
)
SUM = Prompt(
    user("A baker sells twelve loaves in the morning and nine in the afternoon. How many loaves?"),
    task="words",
    answer="21",
)
ASKED = (PUZZLE, POEM, TALK, SUM, HARDER, LONGER, LONGER_AGAIN)
"""In the order of their first round."""


def judged(asked: Prompt, *rewards: float | None, t: int = 1) -> Group:
    empty = np.array([], np.int32)
    responses = tuple(
        Response(f"answer {i} of round {t} to {asked.id}", empty, None, "stop")
        for i in range(len(rewards))
    )
    verdicts = tuple(
        Verdict.missing("no answer found") if reward is None else Verdict(reward)
        for reward in rewards
    )
    return Group(asked, responses, "train", t - 1, verdicts, "judge-a")


def estimate(asked: Prompt, value: float, t: int) -> Estimate:
    return Estimate(asked.id, "gap", value, 2, t, t - 1, "judge-a")


def write_run(directory: Path) -> Path:
    """Two rounds; the run directory."""
    directory.mkdir(parents=True, exist_ok=True)
    settings = {"model": {"path": "/home/someone/tiny"}}
    with Ledger.create(directory / LEDGER, settings, {}) as ledger:
        first = [PUZZLE, POEM, TALK, SUM]
        ledger.add_composition(1, Composition(tuple(first)))
        answers = [
            judged(PUZZLE, 0.0, 1.0, 0.5),
            judged(POEM, 0.25, None, 0.75),
            judged(TALK, 1.0, 0.0),
            judged(SUM, 0.0, 0.0),
        ]
        ledger.add_groups(1, "train", 0, answers)
        compared = [Comparison(1, 0, 0.75, "judge-b"), Comparison(0, 2, 0.5, "judge-b")]
        ledger.add_comparisons(1, "train", 0, [compared, [Comparison(0, 2, 0.125, "judge-b")]])
        with ledger.commit(1, "evaluate") as stage:
            stage.metrics = {"heldout/greedy": 0.25}
        second = (HARDER, LONGER, LONGER_AGAIN, PUZZLE)
        values = (estimate(PUZZLE, 0.5, 2), estimate(POEM, 0.25, 2), estimate(SUM, 0.0, 2))
        ledger.add_composition(2, Composition(second, values))
        ledger.add_groups(
            2,
            "train",
            0,
            [
                judged(HARDER, 0.0, 0.0, 1.0, t=2),
                judged(LONGER, 0.5, 0.125, t=2),
                judged(LONGER_AGAIN, 0.5, 0.5, t=2),
                judged(PUZZLE, 1.0, 1.0, t=2),
            ],
        )
        with ledger.commit(2, "evaluate") as stage:
            stage.metrics = {"heldout/greedy": 0.5}
    return directory
