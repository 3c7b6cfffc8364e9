"""Rounds for the tests of monitors: made-up prompts, texts and rewards, with a given randomness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from meta.monitors.monitors import Monitor
from meta.monitors.seen import Seen
from meta.monitors.table import MONITORS, MonitorsOptions
from selfplay.core.components import chosen
from selfplay.core.types import Group, Prompt, Response, Verdict, user

WORDS = (
    *("we", "add", "take", "away", "two", "three", "apples", "boxes", "from", "each", "other"),
    *("so", "then", "there", "are", "left", "in", "all"),
)


def group(
    texts: Sequence[str],
    prompt: str = "How many apples are there in the box?",
    rewards: Sequence[float | None] = (),
    fingerprint: str = "one",
    tokens: Sequence[int] = (),
) -> Group:
    counts = tokens or [0] * len(texts)
    responses = tuple(
        Response(text, np.zeros(n, np.int32), None, "stop")
        for text, n in zip(texts, counts, strict=True)
    )
    found = Group(Prompt(user(prompt)), responses, "train", 0)
    return found.judged(verdicts(rewards), fingerprint) if rewards else found


def verdicts(rewards: Sequence[float | None]) -> tuple[Verdict, ...]:
    return tuple(Verdict.missing("not asked") if r is None else Verdict(r) for r in rewards)


def prose(rng: np.random.Generator, words: int = 20) -> str:
    """Words in random order; their number varies."""
    return " ".join(rng.choice(WORDS, size=int(rng.integers(words // 2, words * 2))))


def a_round(
    t: int,
    prompts: int = 24,
    n: int = 4,
    top: float = 0.5,
    wrong: float = 0.1,
    fingerprint: str = "one",
) -> Seen:
    """Prose with rewards of 0 or 1, and a trusted judge who says otherwise of a share `wrong`."""
    rng = np.random.default_rng([t, 7])
    rewards = (rng.random((prompts, n)) < top).astype(float)
    truths = np.where(rng.random((prompts, n)) < wrong, 1.0 - rewards, rewards)
    groups = [
        group([prose(rng) for _ in range(n)], f"question {t} {p}", rewards[p].tolist(), fingerprint)
        for p in range(prompts)
    ]
    return Seen(groups, [verdicts(row.tolist()) for row in truths])


def with_texts(seen: Seen, share: float, text: Any) -> tuple[Seen, set[tuple[int, int]]]:
    """The round with a share of its responses replaced by `text(old, prompt)`, and which."""
    rng = np.random.default_rng(11)
    planted: set[tuple[int, int]] = set()
    groups = []
    for p, found in enumerate(seen.groups):
        responses = list(found.responses)
        for g, response in enumerate(responses):
            if rng.random() < share:
                planted.add((p, g))
                responses[g] = replace(response, text=text(response.text, found.prompt))
        groups.append(replace(found, responses=tuple(responses)))
    return replace(seen, groups=groups), planted


def monitor(name: str, **options: Any) -> Monitor:
    choice = chosen(name, MONITORS, MONITORS[name].options(**options))
    return Monitor(name, choice.options, choice.build())


def watching(*names: str, **options: Any) -> MonitorsOptions:
    return MonitorsOptions(watch=tuple(chosen(name, MONITORS) for name in names), **options)
