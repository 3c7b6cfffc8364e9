"""Anchors for tests: prompts whose good responses are short and whose bad ones are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from meta.anchors.anchors import Anchor, AnchorSet, Origin, PartName, part_of
from meta.rubrics.rubric import Criterion, Rubric
from selfplay.core.types import Group, Prompt, Response, Verdict, user


def criterion(
    id_: str, check: str, weight: float = 1.0, sign: str = "reward", **params: Any
) -> Any:
    return Criterion(id_, f"About {id_}.", weight, sign=sign, check=check, params=params)


def rubric(*criteria: Criterion, version: int = 1) -> Rubric:
    return Rubric(criteria, "trusted", version)


SHORT = rubric(criterion("short", "length", unit="words", maximum=3))
LONG = rubric(criterion("long", "length", unit="words", minimum=30))


def prompt(i: int, task: str = "default") -> Prompt:
    return Prompt(user(f"question {i}"), task, answer=str(7 * i + 100))


def prompts_in(part: PartName, count: int) -> list[Prompt]:
    """The first prompts of a part."""
    found: list[Prompt] = []
    i = 0
    while len(found) < count:
        if part_of(prompt(i).id) == part:
            found.append(prompt(i))
        i += 1
    return found


def anchor(asked: Prompt, text: str, score: float, origin: Origin = "core") -> Anchor:
    alarm = "length" if origin == "suspect" else ""
    return Anchor(asked, text, score, "verifier", origin, alarm)


def anchors(
    count: int,
    part: PartName,
    texts: Callable[[int, np.random.Generator], list[tuple[str, float]]],
    seed: int = 0,
) -> AnchorSet:
    """For each of the part's prompts, the texts and scores that `texts` draws."""
    rng = np.random.default_rng(seed)
    return AnchorSet().append(
        anchor(asked, text, score)
        for i, asked in enumerate(prompts_in(part, count))
        for text, score in texts(i, rng)
    )


def brief_and_rambling(i: int, rng: np.random.Generator) -> list[tuple[str, float]]:
    """Good responses of a few words, bad ones of many; one in ten of each is the other way."""
    found = []
    for j in range(4):
        good = j % 2 == 0
        few = good if rng.random() < 0.9 else not good
        count = int(rng.integers(1, 4) if few else rng.integers(12, 40))
        words = [f"w{int(rng.integers(100))}" for _ in range(count)]
        found.append((" ".join([*words, f"r{i}-{j}"]), float(good)))
    return found


def group(asked: Prompt, texts: list[str], rewards: list[float | None]) -> Group:
    none = np.array([], np.int32)
    responses = tuple(Response(text, none, None, "recorded") for text in texts)
    verdicts = [Verdict.missing("none") if r is None else Verdict(r) for r in rewards]
    return Group(asked, responses, "train", 0).judged(verdicts, "judge")
