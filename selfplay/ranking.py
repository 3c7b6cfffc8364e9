"""Ranks judged groups by informativeness, and says where the ranking is none because of ties."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from creator.config import ESTIMATORS
from creator.estimate import Metric, estimate
from selfplay.core.components import find_row, load_attribute
from selfplay.core.types import Group

EXCERPT = 80


@dataclass(frozen=True)
class Place:
    """Where one prompt stands."""

    rank: int
    """1 for the most informative; equal values share the best rank of theirs."""
    tied: int
    """Prompts that share this value."""
    value: float
    prompt_id: str
    text: str

    @property
    def excerpt(self) -> str:
        """The prompt's beginning, on one line."""
        line = " ".join(self.text.split())
        return line if len(line) <= EXCERPT else line[: EXCERPT - 1] + "…"

    def as_dict(self, metric: str) -> dict[str, str | int | float]:
        """For JSON."""
        return {
            "metric": metric,
            "rank": self.rank,
            "tied": self.tied,
            "value": self.value,
            "prompt_id": self.prompt_id,
            "prompt": self.text,
        }


@dataclass(frozen=True)
class Ranking:
    """All prompts by one metric, the most informative first."""

    metric: str
    places: list[Place]
    unknown: int
    """Prompts whose value cannot be computed from what was recorded."""

    def describe(self) -> str:
        """How many prompts, distinct values and ties."""
        values = len({place.value for place in self.places})
        largest = max((place.tied for place in self.places), default=0)
        ties = (
            f"{values} distinct values; the largest tie has {largest} prompts"
            if largest > 1
            else "no ties"
        )
        unknown = f"; {self.unknown} prompts without enough rewards left out" * bool(self.unknown)
        return f"{len(self.places)} prompts, {ties}{unknown}"


def rank(groups: Sequence[Group], metrics: Sequence[str] | None = None) -> list[Ranking]:
    """A ranking by each of the metrics (None: every one there is, with its default options).

    Raises:
        ConfigError: a metric is unknown.
    """
    rankings = []
    for name in metrics or list(ESTIMATORS):
        row = find_row(name, ESTIMATORS, "metric")
        metric: Metric = load_attribute(row.factory)(row.options())
        rankings.append(rank_by(groups, name, metric))
    return rankings


def rank_by(groups: Sequence[Group], name: str, metric: Metric) -> Ranking:
    """The ranking by one metric; ties stay in the order of the groups."""
    values = [made.value for made in estimate(groups, name, metric, 0)]
    known = [i for i, value in enumerate(values) if not math.isnan(value)]
    tied = Counter(values[i] for i in known)
    order = sorted(known, key=lambda i: -values[i])
    first: dict[float, int] = {}
    for place, i in enumerate(order, start=1):
        first.setdefault(values[i], place)
    places = [
        Place(
            first[values[i]],
            tied[values[i]],
            values[i],
            groups[i].prompt.id,
            groups[i].prompt.text,
        )
        for i in order
    ]
    return Ranking(name, places, len(values) - len(known))
