"""Where a run stands, read from its directory alone; works on live, crashed and finished runs."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from selfplay.ledger import EndingEntry, Ledger
from selfplay.ledger.lock import holder
from selfplay.paths import LEDGER, model_directory
from selfplay.process.heartbeat import Beat, read_heartbeat
from selfplay.review.rubrics import RubricHistory
from selfplay.stages.evaluation import GREEDY, SAMPLED
from selfplay.stopping.concluding import spent_hours, spent_money, spent_tokens

HELDOUT = "heldout/"


@dataclass(frozen=True)
class Standing:
    """A run's figures."""

    directory: str
    state: str
    """`running`, `stopped` (goes on when started again) or `finished`."""
    holder: str | None
    """The process that owns the run now."""
    round: int
    rounds: int
    stage: str
    """The last stage committed."""
    prompts: int
    rejected: Mapping[str, int]
    """Children turned down, by reason."""
    tokens: int
    """Generated, evaluation included."""
    training_tokens: int
    """Generated for training and estimates: what `token_budget` counts."""
    seconds: Mapping[str, float]
    """Wall-clock time by stage."""
    learning_bytes: int | None
    """Most memory that a learning stage took (CUDA: its tensors; CPU: the whole process)."""
    metrics: Mapping[str, float]
    """The newest value of every metric."""
    alarms: int
    """Alarms of all rounds."""
    reviews: Mapping[str, int]
    """Reviews of the rubric, by outcome."""
    rubric: int | None
    """The version in force; None without a rubric."""
    evaluations: Mapping[int, Mapping[str, float]]
    """Held-out accuracy by round and by how the prompts were asked."""
    ceiling: Mapping[str, float]
    """Held-out accuracy of the same model trained supervised on right solutions, where known."""
    hours: float = 0.0
    """Wall-clock time of all processes: what `hour_budget` counts."""
    money: float | None = 0.0
    """What models behind servers took; None where some of it is not known."""
    ending: EndingEntry | None = None
    """Why the run has ended before its last round; None where it has not."""
    beat: Beat | None = None
    """What the process that plays the run, or was killed playing it, said last."""
    fork: Mapping[str, Any] | None = None
    """What the run was forked from; None where it was not."""

    @property
    def gains(self) -> list[Gain]:
        """First against newest accuracy: greedy, sampled, and each at its best temperature."""
        if len(self.evaluations) < 2:
            return []
        first = self.evaluations[min(self.evaluations)]
        last = self.evaluations[max(self.evaluations)]
        rows = [
            Gain(name, first[label], last[label], self.ceiling.get(label))
            for name, label in (("greedy", GREEDY), ("sampled, T=1", SAMPLED))
            if label in first and label in last
        ]
        common = first.keys() & last.keys()
        if len(common) > len(rows):
            best = max(self.ceiling.values(), default=None)
            before, after = (max(found[label] for label in common) for found in (first, last))
            rows.append(Gain("best temperature", before, after, best))
        return rows

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        ending = self.ending._asdict() if self.ending else None
        return {**asdict(self), "ending": ending, "gains": [asdict(gain) for gain in self.gains]}


@dataclass(frozen=True)
class Gain:
    """Held-out accuracy before and after, asked in one way."""

    asked: str
    before: float
    after: float
    ceiling: float | None

    @property
    def closed(self) -> float | None:
        """Share of the distance from the first policy to the ceiling; None without a ceiling."""
        if self.ceiling is None or self.ceiling <= self.before:
            return None
        return (self.after - self.before) / (self.ceiling - self.before)


def standing(directory: Path) -> Standing:
    """Reads a run.

    Args:
        directory: the run's; it may be live.

    Returns:
        Its figures.

    Raises:
        LedgerError: there is no readable ledger in the directory.
    """
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        settings, stages, owner = ledger.settings, ledger.stages(), holder(directory)
        metrics = ledger.metrics()
        evaluations: dict[int, dict[str, float]] = {}
        for metric in metrics:
            if metric.name.startswith(HELDOUT) and metric.name.count("/") == 1:
                evaluations.setdefault(metric.round, {})[metric.name] = metric.value
        seconds: dict[str, float] = defaultdict(float)
        tokens, peaks = 0, []
        for cost in ledger.costs():
            tokens += cost.tokens_out
            if cost.peak_bytes is not None:
                peaks.append(cost.peak_bytes)
            if cost.role == "stage":
                seconds[cost.stage] += cost.seconds
        done = [t for t, stage in stages if stage == "record"]
        whole = max(done, default=-1)
        present = RubricHistory(tuple(ledger.rubrics())).in_force
        spent = spent_tokens(ledger, whole)
        ending = ledger.ending(whole)
        return Standing(
            directory=str(directory),
            state="running" if owner else _state(settings, whole, ending),
            holder=owner,
            round=max(done, default=0),
            rounds=settings["rounds"],
            stage=stages[-1][1] if stages else "none",
            prompts=ledger.archive_size(),
            rejected=dict(Counter(rejection.reason for rejection in ledger.rejections())),
            tokens=tokens,
            training_tokens=spent,
            seconds=dict(seconds),
            learning_bytes=max(peaks, default=None),
            metrics={metric.name: metric.value for metric in metrics},
            alarms=len(ledger.alarms()),
            reviews=dict(Counter(review.outcome for review in ledger.reviews())),
            rubric=present.version if present else None,
            evaluations=evaluations,
            ceiling=ceiling(settings),
            hours=spent_hours(ledger),
            money=spent_money(ledger),
            ending=ending,
            beat=read_heartbeat(directory),
            fork=ledger.fork,
        )


def digest(directory: Path) -> str:
    """The fingerprint of all that a run has made: ledger content and policy weights.

    Args:
        directory: the run's; equal runs share it, whenever and wherever they were played.

    Returns:
        Hexadecimal digits.

    Raises:
        LedgerError: there is no readable ledger in the directory.
    """
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        return ledger.digest()


def _state(settings: Mapping[str, Any], whole: int, ending: EndingEntry | None) -> str:
    return "finished" if whole >= settings["rounds"] or ending is not None else "stopped"


def ceiling(settings: Mapping[str, Any]) -> dict[str, float]:
    """What `quality.json` in the model's directory says of its ceiling.

    Empty without that file, where it is another one of that name, or when it was measured on other
    held-out prompts than the run's.
    """
    path = model_directory(settings["model"]["path"]) / "quality.json"
    if not path.is_file():
        return {}
    try:
        quality = json.loads(path.read_text())
        asked = {key: settings["evaluation"]["source"].get(key) for key in quality["held_out"]}
        if asked != quality["held_out"] or settings["spaces"] != quality["spaces"]:
            return {}
        found = {metric_of(asked): shares["all"] for asked, shares in quality["ceiling"].items()}
        return {name: float(share) for name, share in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def metric_of(asked: str) -> str:
    """The evaluation's name for what `quality.json` calls `greedy` or `temperature 0.5`."""
    if asked == "greedy":
        return GREEDY
    temperature = float(asked.removeprefix("temperature "))
    return SAMPLED if temperature == 1.0 else f"{HELDOUT}t{temperature:g}"
