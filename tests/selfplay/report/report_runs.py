"""A hand-made run that has something for every part of a report, hostile texts among it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from selfplay.config import load_config
from selfplay.config.settings import RunConfig
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
from selfplay.ledger import AlarmEntry, Ledger, ReviewEntry
from selfplay.paths import LEDGER
from tests.selfplay.rubric_runs import CALM, NUMBER, SHORT, version

HOSTILE = (
    '</script><script>window.harmed=1</script><img src=x onerror="window.harmed=2">'
    "<svg onload=window.harmed=3> <!-- ]]> ${window.harmed=4} \u2028 \u202e"
)
HELDOUT = 40
GREEDY = "heldout/greedy"


def prompt(text: str, operator: str = "original", t: int = 0, *parents: str) -> Prompt:
    return Prompt(user(text), task="words", lineage=Lineage(parents, operator, "", 7, t, t))


APPLES = prompt("Count the apples")
PEARS = prompt(f"Count the pears {HOSTILE}", "rarer", 1, APPLES.id)
PLUMS = prompt("Count the plums, then the pears", "deepen", 2, PEARS.id)
FIGS = prompt("Count figs, plums and pears", "deepen", 3, PLUMS.id, APPLES.id)


def group(asked: Prompt, rewards: list[float], purpose: Purpose = "train") -> Group:
    empty = np.array([], np.int32)
    responses = tuple(
        Response(f"answer {i} {HOSTILE}", empty, None, "stop") for i in range(len(rewards))
    )
    verdicts = tuple(Verdict(r, scores={HOSTILE: r}, violations=(HOSTILE,)) for r in rewards)
    return Group(asked, responses, purpose, 0, verdicts, "judge-a")


def write_run(directory: Path, *overrides: str, right: int = 30) -> Path:
    """Three rounds; of 40 held-out prompts 10 were right before and `right` are after."""
    directory.mkdir(parents=True)
    settings = load_config("tiny", ["rounds=3", *overrides], RunConfig).as_dict()
    with Ledger.create(directory / LEDGER, settings, {"python": "3"}) as ledger:
        heldout = [prompt(f"Held out {i}", "heldout") for i in range(HELDOUT)]
        ledger.admit([APPLES])
        ledger.add_prompts(heldout)
        evaluate(ledger, 0, heldout, 10)
        asked = [(APPLES, PEARS), (PLUMS, PEARS), (FIGS, PLUMS)]
        for t, prompts in enumerate(asked, 1):
            ask(ledger, t, prompts)
            if t == len(asked):
                evaluate(ledger, t, heldout, right)
            record(ledger, t)
        review(ledger)
    return directory


def evaluate(ledger: Ledger, t: int, heldout: list[Prompt], right: int) -> None:
    groups = [group(p, [float(i < right)], "evaluate") for i, p in enumerate(heldout)]
    ledger.add_groups(t, GREEDY, 0, groups)
    with ledger.commit(t, "evaluate") as stage:
        stage.metrics = {GREEDY: right / HELDOUT}


def play(ledger: Ledger, t: int, prompts: tuple[Prompt, ...]) -> None:
    ask(ledger, t, prompts)
    record(ledger, t)


def ask(ledger: Ledger, t: int, prompts: tuple[Prompt, ...]) -> None:
    estimates = (Estimate(PEARS.id, "gap", 0.25 * t, 2, t, t, "judge-a"),) if t > 1 else ()
    turned = (Rejection("rarer", APPLES.id, HOSTILE),)
    ledger.add_composition(t, Composition(prompts, estimates, turned))
    ledger.add_groups(t, "train", 0, [group(p, [0.0, 1.0]) for p in prompts])
    with ledger.commit(t, "judge") as stage:
        stage.metrics = {"reward": t / 4, "mixed": 0.5}
    ledger.add_cost(t, "attempt", "stage", 2.0, 0, 100)


def record(ledger: Ledger, t: int) -> None:
    with ledger.commit(t, "record"):
        pass


def review(ledger: Ledger) -> None:
    first, second = version(1, SHORT), version(2, SHORT, CALM)
    ledger.add_rubric(1, None, first, "accepted", "the run starts with it", 0)
    ledger.add_rubric(2, 1, second, "proposed", "shouting pays", 2)
    ledger.add_rubric(2, 1, second, "accepted", f"alarm | better {HOSTILE}", 2)
    ledger.add_rubric(3, 2, version(3, NUMBER), "rejected", "not shown to be better", 3)
    ledger.add_alarms([AlarmEntry(2, "gap", "review", HOSTILE, 0.8, 0.5, 1e-4, ())])
    ledger.add_review(ReviewEntry(2, "alarm", "accepted", 2, HOSTILE, 0, {}))
