"""What was measured round after round, as series that a chart can hold.

A series of more than `LIMIT` points is thinned: each point is then the mean of neighbouring rounds,
and the page says of how many. What cannot be computed (NaN) is a gap.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from selfplay.analysis.status import HELDOUT, standing
from selfplay.ledger import MetricEntry, journal
from selfplay.ledger.reading import reading
from selfplay.report.heldout import asked_words
from selfplay.review.rubrics import rubric_history

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
    """Horizontal lines, by the series that each belongs to."""

    def as_dict(self) -> dict[str, Any]:
        """For the page."""
        return asdict(self)


@dataclass(frozen=True)
class Plan:
    """Which metrics a chart shows."""

    title: str
    note: str
    metrics: Mapping[str, str]
    """What each is called, by `stage/name`, in order."""
    smallest: float = 0.0
    """What is nearer to 0 is rounding and shown as 0."""


REWARD_TITLE = "Reward in training"
PLANS = (
    Plan(
        REWARD_TITLE,
        "Mean reward of a round's training groups, and the share of them whose rewards differ: "
        "only those teach. The prompts change from round to round, so a level curve can hide "
        "progress.",
        {"judge/reward": "mean reward", "judge/mixed": "share of groups that teach"},
    ),
    Plan(
        "Difficulty of what is asked",
        "Mean over a round's prompts: 0 is the easiest level of every attribute, 1 the hardest.",
        {"compose/difficulty": "difficulty"},
    ),
    Plan("Length of responses", "Tokens, mean of a round.", {"attempt/length": "tokens"}),
    Plan(
        "How far the policy moved",
        "In nats: the KL divergence from the policy before the step, per response and told from "
        "a few responses, so single rounds say little; that from the reference, per response or, "
        "by the objective, per token; and the entropy per token.",
        {
            "learn/kl": "KL, policy before",
            "learn/kl_reference": "KL, reference",
            "learn/entropy": "entropy",
        },
    ),
    Plan(
        "Loss",
        "Of the learning stage. Policy gradients with a group's mean as baseline keep it near 0 "
        "whatever is learned.",
        {"learn/loss": "loss"},
        smallest=1e-6,
    ),
)
HELDOUT_TITLE = "Held-out accuracy"
HELDOUT_NOTE = "On tasks that are never trained on, answered greedily or sampled at a temperature."
CEILING_NOTE = " Dotted, in the same colours: the same model trained supervised on right answers."


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
    """The chart, with the metrics that the run has; None where it has none, or rounding alone."""
    series = [
        Series.of(words, [(t, 0.0 if abs(v) < plan.smallest else v) for t, v in points[name]])
        for name, words in plan.metrics.items()
        if name in points
    ]
    rounding = plan.smallest > 0 and not any(any(one.values) for one in series)
    return None if rounding or not series else Chart(plan.title, plan.note, tuple(series))


def rubric_note(directory: Path) -> str:
    """What charts of rewards say of rubrics that came into force on the way; empty without any.

    Raises:
        LedgerError: there is no readable ledger.
    """
    entries = rubric_history(directory).entries
    rounds = sorted({e.round for e in entries if e.status == "accepted" and e.round > 0})
    if not rounds:
        return ""
    when = f"after round {rounds[0]}"
    if len(rounds) > 1:
        when = f"{len(rounds)} times, first {when} and last after round {rounds[-1]}"
    return f" The rubric changed {when}: rewards before and after it do not compare."


def curves(directory: Path) -> dict[str, Any]:
    """The charts of a run, and every metric for the page's own choice.

    Raises:
        LedgerError: there is no readable ledger.
    """
    with reading(directory) as database:
        points = points_by_metric(journal.metrics(database, None))
    accuracies = [
        Series.of(asked_words(name.removeprefix("evaluate/")), rows)
        for name, rows in points.items()
        if is_accuracy(name)
    ]
    levels = {asked_words(name): value for name, value in standing(directory).ceiling.items()}
    note = HELDOUT_NOTE + CEILING_NOTE * bool(levels)
    heldout = Chart(HELDOUT_TITLE, note, tuple(accuracies), levels)
    charts = [heldout] if accuracies else []
    rubric = rubric_note(directory)
    for plan in PLANS:
        told = replace(plan, note=plan.note + rubric * (plan.title == REWARD_TITLE))
        chart = planned(told, points)
        charts += [chart] if chart is not None else []
    return {
        "charts": [chart.as_dict() for chart in charts],
        "metrics": [asdict(Series.of(name, rows)) for name, rows in sorted(points.items())],
    }
