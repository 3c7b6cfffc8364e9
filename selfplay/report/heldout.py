"""Held-out accuracy of two policies on the same prompts: the difference with its interval.

The interval is the normal 95 % one of the mean paired difference over prompts. It says how far the
difference would move with other held-out prompts; what another seed of the run would give is
another question, which an ablation answers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from selfplay.analysis.status import HELDOUT, Standing
from selfplay.ledger import survey
from selfplay.ledger.reading import reading
from selfplay.stages.evaluation import GREEDY, SAMPLED

Z = 1.959964
"""Of 95 %, two-sided."""
MINUS = "\u2212"


@dataclass(frozen=True)
class Difference:
    """After minus before, on the prompts that both answered."""

    asked: str
    """How: `greedy`, `sampled`, …"""
    before: float
    after: float
    low: float
    high: float
    prompts: int

    @property
    def change(self) -> float:
        """Of the accuracy."""
        return self.after - self.before

    @property
    def shown(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0

    def as_dict(self) -> dict[str, Any]:
        """For the page."""
        return {**asdict(self), "change": self.change, "shown": self.shown}


def signed(value: float) -> str:
    """With its sign, the typographic one, and three decimals."""
    return f"{value:+.3f}".replace("-", MINUS)


def asked_words(label: str) -> str:
    """How the held-out prompts were asked, in words, of an evaluation's name."""
    own = label.removeprefix(HELDOUT)
    found = re.fullmatch(r"t(\d+(?:\.\d+)?)", "t1" if label == SAMPLED else own)
    return f"temperature {found[1]}" if found else own


def paired(asked: str, before: Mapping[str, float], after: Mapping[str, float]) -> Difference:
    """From the mean reward of each prompt, by id; one or more of which are in both."""
    common = sorted(before.keys() & after.keys())
    changes = [after[id_] - before[id_] for id_ in common]
    mean = fmean(changes)
    half = Z * stdev(changes) / math.sqrt(len(changes)) if len(changes) > 1 else math.inf
    return Difference(
        asked,
        fmean(before[id_] for id_ in common),
        fmean(after[id_] for id_ in common),
        mean - half,
        mean + half,
        len(common),
    )


def label_of(*standings: Standing) -> str | None:
    """The way of asking to tell a story by: greedy, else sampled, else what all have; or None."""
    found = [set(values) for each in standings for values in each.evaluations.values()]
    common = set.intersection(*found) if found else set()
    preferred = [label for label in (GREEDY, SAMPLED) if label in common]
    return next(iter([*preferred, *sorted(common)]), None)


def gain(directory: Path, found: Standing) -> Difference | None:
    """Last against first evaluation of a run; None with fewer than two."""
    label = label_of(found)
    if label is None or len(found.evaluations) < 2:
        return None
    rounds = min(found.evaluations), max(found.evaluations)
    return _between((directory, rounds[0]), (directory, rounds[1]), label)


def against(first: Path, before: Standing, second: Path, after: Standing) -> Difference | None:
    """The last evaluation of one run against that of another; None without common prompts."""
    label = label_of(before, after)
    if label is None or not before.evaluations or not after.evaluations:
        return None
    ends = max(before.evaluations), max(after.evaluations)
    return _between((first, ends[0]), (second, ends[1]), label)


def _between(before: tuple[Path, int], after: tuple[Path, int], label: str) -> Difference | None:
    rewards = []
    for directory, t in (before, after):
        with reading(directory) as database:
            rewards.append(survey.heldout_rewards(database, t, label))
    if not rewards[0].keys() & rewards[1].keys():
        return None
    return paired(label.removeprefix(HELDOUT), rewards[0], rewards[1])
