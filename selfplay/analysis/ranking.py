"""Ranks judged groups by informativeness, and says where the ranking is none because of ties."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from creator.estimators.evidence import Estimator, Evidence, evidence_of
from creator.estimators.table import ESTIMATORS
from creator.estimators.trial import REWARDS, lacking
from creator.scales import Scale, Scales, on_one_scale, unit
from selfplay.core.components import find_row, load_attribute
from selfplay.core.errors import ConfigError
from selfplay.core.seeding import Seed
from selfplay.core.types import Group
from selfplay.data.recorded import read_recorded, to_group

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


def rank_file(
    path: Path, layout: str = "groups", metrics: Sequence[str] | None = None
) -> list[Ranking]:
    """The prompts of a file of recorded groups, ranked as by `rank`.

    Args:
        path: JSON Lines with a prompt, its responses and their rewards each.
        layout: `groups`, or `gsm8k_solutions` for GSM8K's recorded answers.
        metrics: estimators by name; every one that reads rewards alone where none is named.

    Returns:
        A ranking by each metric, the most informative prompt first.

    Raises:
        ConfigError: a metric or layout is unknown, or a metric reads what groups do not hold.
        DataError: the file or a row cannot be used.
    """
    return rank([to_group(found) for found in read_recorded(path, layout)], metrics)


def rank(groups: Sequence[Group], metrics: Sequence[str] | None = None) -> list[Ranking]:
    """A ranking by each of the metrics, with its default options.

    Without metrics, by every one that reads rewards alone. Those that are named may also read
    tokens, log-probabilities and tasks, as far as they were recorded.

    Returns:
        A ranking for each metric, the most informative prompt first.

    Raises:
        ConfigError: a metric is unknown, or reads what groups do not hold.
    """
    evidence = recorded_evidence(on_one_scale(groups, recorded_scales(groups)))
    if not metrics:
        everyone = {name: metric_called(name) for name in ESTIMATORS}
        measures = {name: of for name, of in everyone.items() if not lacking(of, REWARDS)}
    else:
        measures = {name: metric_called(name) for name in metrics}
        for name, measure in measures.items():
            reason = lacking(measure, evidence)
            if reason:
                raise ConfigError(f"metric: groups cannot be ranked by '{name}': {reason}")
    return [rank_by(groups, evidence, name, measure) for name, measure in measures.items()]


def recorded_scales(groups: Sequence[Group]) -> Scales:
    """What recorded rewards are counted in: as they are where all are from 0 to 1, else spreads."""
    rewards = np.concatenate([np.zeros(0), *(group.rewards for group in groups)])
    if Scale().holds(rewards[np.isfinite(rewards)]):
        return unit
    return lambda prompts: [Scale("recorded", -math.inf, math.inf)] * len(prompts)


def metric_called(name: str) -> Estimator:
    """The estimator of that name, with its default options.

    Raises:
        ConfigError: there is none.
    """
    row = find_row(name, ESTIMATORS, "metric")
    metric: Estimator = load_attribute(row.factory)(row.options())
    return metric


def recorded_evidence(groups: Sequence[Group]) -> Evidence:
    """What estimators read of the groups: one row each, nothing remembered."""
    codes: dict[str, int] = {}
    tasks_P = [codes.setdefault(group.prompt.task, len(codes)) for group in groups]
    return evidence_of(groups, 0, np.array(tasks_P, dtype=np.int64))


def rank_by(groups: Sequence[Group], evidence: Evidence, name: str, metric: Estimator) -> Ranking:
    """The ranking by one metric; ties stay in the order of the groups."""
    values = metric(evidence, Seed(0, ("estimate", name)).numpy()).values_P.tolist()
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
