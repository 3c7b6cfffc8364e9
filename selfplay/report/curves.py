"""What was measured round after round, as series that a chart can hold.

A series of more than `LIMIT` points is thinned: each point is then the mean of neighbouring rounds,
and the page says of how many. What cannot be computed (NaN) is a gap.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from selfplay.ledger import MetricEntry, journal
from selfplay.lineage.reading import reading
from selfplay.summary import HELDOUT, standing

LIMIT = 300
"""Points of a series."""


@dataclass(frozen=True)
class Series:
    """One line of a chart."""

    name: str
    rounds: tuple[float, ...]
    values: tuple[float | None, ...]
    width: int = 1
    """Rounds that a point is the mean of."""

    @classmethod
    def of(cls, name: str, points: Sequence[tuple[int, float]]) -> Series:
        """The series through `points` (round, value), in the order of rounds, thinned."""
        width = math.ceil(len(points) / LIMIT) or 1
        slices = [points[i : i + width] for i in range(0, len(points), width)]
        return cls(
            name,
            tuple(short(fmean(t for t, _ in part)) or 0.0 for part in slices),
            tuple(_mean([value for _, value in part]) for part in slices),
            width,
        )


@dataclass(frozen=True)
class Chart:
    """Some series over the rounds."""

    title: str
    note: str
    series: tuple[Series, ...]
    levels: Mapping[str, float] = field(default_factory=dict)
    """Horizontal lines, by name."""

    def as_dict(self) -> dict[str, Any]:
        """For the page."""
        return asdict(self)


@dataclass(frozen=True)
class Plan:
    """Which metrics a chart shows."""

    title: str
    note: str
    metrics: tuple[str, ...]
    """`stage/name`, in order."""


PLANS = (
    Plan(
        "Reward in training",
        "Mean reward of a round's training groups, and the share of them whose rewards differ: "
        "only those teach. The prompts change from round to round, so a level curve can hide "
        "progress.",
        ("judge/reward", "judge/mixed"),
    ),
    Plan(
        "Difficulty of what is asked",
        "Mean over a round's prompts: 0 is the easiest level of every attribute, 1 the hardest.",
        ("compose/difficulty",),
    ),
    Plan("Length of responses", "Tokens, mean of a round.", ("attempt/length",)),
    Plan(
        "How far the policy moved",
        "Divergence from the policy before the step (kl) and from the reference "
        "(kl_reference); entropy in nats.",
        ("learn/kl", "learn/kl_reference", "learn/entropy"),
    ),
    Plan("Loss", "Of the learning stage.", ("learn/loss",)),
)
HELDOUT_TITLE = "Held-out accuracy"
HELDOUT_NOTE = (
    "On tasks that are never trained on, by how they were asked. Dashed: the same model trained "
    "supervised on right answers, where that is known."
)


def short(value: float) -> float | None:
    """Six significant digits, which no chart can tell from more; None for what is not finite."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _mean(values: Iterable[float]) -> float | None:
    known = [value for value in values if math.isfinite(value)]
    return short(fmean(known)) if known else None


def points_by_metric(entries: Iterable[MetricEntry]) -> dict[str, list[tuple[int, float]]]:
    """(round, value) of each metric, named `stage/name`."""
    found: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for entry in entries:
        found[f"{entry.stage}/{entry.name}"].append((entry.round, entry.value))
    return dict(found)


def is_accuracy(name: str) -> bool:
    """Whether a metric, named `stage/name`, is a held-out accuracy over all tasks."""
    own = name.removeprefix("evaluate/")
    return own.startswith(HELDOUT) and own.count("/") == 1


def planned(plan: Plan, points: Mapping[str, Sequence[tuple[int, float]]]) -> Chart | None:
    """The chart, with the metrics that the run has; None where it has none of them."""
    series = [Series.of(n.split("/", 1)[1], points[n]) for n in plan.metrics if n in points]
    return Chart(plan.title, plan.note, tuple(series)) if series else None


def curves(directory: Path) -> dict[str, Any]:
    """The charts of a run, and every metric for the page's own choice.

    Raises:
        LedgerError: there is no readable ledger.
    """
    with reading(directory) as database:
        points = points_by_metric(journal.metrics(database, None))
    accuracies = [
        Series.of(name.split("/", 2)[2], rows) for name, rows in points.items() if is_accuracy(name)
    ]
    levels = {k.removeprefix(HELDOUT): v for k, v in standing(directory).ceiling.items()}
    heldout = Chart(HELDOUT_TITLE, HELDOUT_NOTE, tuple(accuracies), levels)
    charts = [heldout] if accuracies else []
    charts += [chart for plan in PLANS if (chart := planned(plan, points)) is not None]
    return {
        "charts": [chart.as_dict() for chart in charts],
        "metrics": [asdict(Series.of(name, rows)) for name, rows in sorted(points.items())],
    }
