"""What monitors look at, and what a statistic is.

A statistic measures prompt by prompt: a *row* has one entry for each response to it. A prompt is
worth the mean of its row, since responses to one prompt are alike, and a round the mean of its
prompts. NaN is missing: a response that cannot be measured is left out, never counted as 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from selfplay.core.types import Group, Prompt, Verdict
from selfplay.core.words import words

FloatArray: TypeAlias = NDArray[np.float64]
Row: TypeAlias = NDArray[Any]
Side: TypeAlias = Literal["up", "down", "both"]
"""Where an alarm lies: above the reference, below it, or on either side."""


@dataclass(frozen=True, eq=False)
class Seen:
    """Judged groups, and what a trusted judge says of the same responses."""

    groups: Sequence[Group]
    trusted: Sequence[Sequence[Verdict]] = ()
    """For each group one verdict for each response, missing where nobody trusted was asked; empty:
    nobody was asked about anything."""
    scale: tuple[float, float] = (0.0, 1.0)
    """Lowest and highest reward that the groups' judge gives; infinite where it has no bounds."""
    trusted_scale: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        sizes = [len(group.responses) for group in self.groups]
        found = [len(verdicts) for verdicts in self.trusted]
        if found and found != sizes:
            raise ValueError(f"trusted verdicts for {found} responses of groups of {sizes}")

    @property
    def judgings(self) -> frozenset[str]:
        """The judgings that the rewards come from: one, but where clusters have their own."""
        return frozenset(group.fingerprint for group in self.groups) - {""}

    def rewards(self) -> list[FloatArray]:
        """The judge's rewards, NaN where missing, rescaled to [0, 1] where their scale is finite.

        Groups that are not judged have none.
        """
        return [
            _rescaled(group.rewards, self.scale)
            if group.verdicts
            else np.full(len(group.responses), np.nan)
            for group in self.groups
        ]

    def truths(self) -> list[FloatArray]:
        """The trusted judge's rewards, in the same way."""
        if not self.trusted:
            return [np.full(len(group.responses), np.nan) for group in self.groups]
        return [
            _rescaled(
                np.array([np.nan if v.reward is None else v.reward for v in verdicts]),
                self.trusted_scale,
            )
            for verdicts in self.trusted
        ]


Measure: TypeAlias = Callable[[Seen], list[Row]]


def as_measured(rows: Sequence[Row]) -> list[FloatArray]:
    """The rows themselves: they are values already."""
    return list(rows)


@dataclass(frozen=True)
class Statistic:
    """A quantity of responses whose mean is watched."""

    measure: Measure
    """A row for each group; a function of that round alone."""
    side: Side
    scored: bool = False
    """It reads rewards, so what it says of a prompt is compared under one judging alone."""
    beyond: float | None = None
    """Where set, a value on the near side of it is no alarm, however much it drifted."""
    limit: float | None = None
    """Where set, a round whose mean is at least this is an alarm, drifted or not."""
    pooled: Callable[[Sequence[Row]], list[FloatArray]] = as_measured
    """From the rows of the reference *and* of the rounds compared with it to their values. It must
    not depend on the order of the rows, or the test of a drift would not be one."""


def whole(prompt: Prompt) -> str:
    """All that a prompt says."""
    return prompt.text


def asked_last(prompt: Prompt) -> str:
    """What the user says last, without the turns before and the system's message."""
    told = [message.content for message in prompt.messages if message.role == "user"]
    return told[-1] if told else prompt.text


def of_texts(
    function: Callable[[str, str], float], asked_of: Callable[[Prompt], str] = whole
) -> Measure:
    """Measures a response by its text and its prompt's: `function(text, asked_of(prompt))`."""

    def measure(seen: Seen) -> list[Row]:
        return [
            np.array([function(response.text, asked) for response in group.responses])
            for group in seen.groups
            for asked in (asked_of(group.prompt),)
        ]

    return measure


@lru_cache(maxsize=4096)
def said(text: str) -> tuple[str, ...]:
    """The words of a text; several statistics ask for those of one round."""
    return tuple(words(text))


def comparable(rows: Sequence[Row], judgings: Sequence[str], among: Set[str]) -> list[Row]:
    """The rows, missing where a prompt was judged in another way than one of `among`."""
    return [
        row if judging in among else np.full(len(row), np.nan)
        for row, judging in zip(rows, judgings, strict=True)
    ]


def means(rows: Sequence[FloatArray]) -> FloatArray:
    """What each prompt is worth: the mean of what is known of its row, NaN where nothing is.

    Shape (P,).
    """
    values = np.concatenate([*rows, np.empty(0)])
    prompts = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    is_known = np.isfinite(values)
    counts = np.bincount(prompts[is_known], minlength=len(rows))
    sums = np.bincount(prompts[is_known], values[is_known], minlength=len(rows))
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _rescaled(rewards: FloatArray, scale: tuple[float, float]) -> FloatArray:
    low, high = scale
    bounded = np.isfinite(low) and np.isfinite(high) and high > low
    return (rewards - low) / (high - low) if bounded else rewards
