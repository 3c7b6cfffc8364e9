"""Stop conditions, each in two verbs: what it measures of a round, and why the run should end.

All of them read the ledger alone. A round that is being decided on has been asked and judged, but
neither learned from nor reviewed nor evaluated; so plateaus and alarms are those of the rounds
before it. A metric that is missing or NaN counts as if there were none.

Source of the plateau: patience and a least improvement, Prechelt, 1998, "Early stopping – but
when?". Left out: tests of significance between evaluations, which are paired and autocorrelated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from creator.diversity import distinct_ngrams, effective_clusters, embedding_spread
from selfplay.core.errors import ConfigError, nearest
from selfplay.core.types import Prompt
from selfplay.ledger.entries import AlarmEntry
from selfplay.stopping.table import AlarmOptions, DiversityOptions, PlateauOptions

Embed: TypeAlias = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to unit vectors, shape (N, D)."""


class Course(Protocol):
    """How the run has gone: its ledger."""

    def oldest(self, stage: str, name: str, last: int, count: int) -> list[tuple[int, float]]:
        """Rounds and values of a metric's first `count` up to round `last`, without NaN."""

    def newest(self, stage: str, name: str, last: int, count: int) -> list[tuple[int, float]]:
        """Rounds and values of the last `count`, by round."""

    def highest(self, stage: str, name: str, last: int) -> float | None:
        """The highest value up to round `last`; None without any."""

    def stage_metrics(self, t: int, stage: str) -> dict[str, float]:
        """The numbers of one stage, by name."""

    def alarms(self) -> list[AlarmEntry]:
        """All alarms, oldest first."""


class Condition(Protocol):
    """Something that may end a run."""

    def measure(self, prompts: Sequence[Prompt]) -> dict[str, float]:
        """What it needs to know of a round's prompts, as metrics of the deciding stage."""

    def reason(self, course: Course, t: int) -> str:
        """Why the run should end with round `t`, whose measures are kept; empty: it should not."""


class Plateau:
    """The best of the newest evaluations is no better than the best before them."""

    def __init__(self, options: PlateauOptions, embed: Embed) -> None:
        """Takes its options; nothing is embedded."""
        self._options = options

    def measure(self, prompts: Sequence[Prompt]) -> dict[str, float]:
        """Nothing: evaluations are there."""
        return {}

    def reason(self, course: Course, t: int) -> str:
        """As `Condition.reason`.

        Raises:
            ConfigError: the evaluation of the first policy has no such metric, so none will.
        """
        options = self._options
        place = "evaluate", options.metric
        known = course.stage_metrics(0, "evaluate")
        if options.metric not in known:
            raise ConfigError(
                f"stop: plateau: expected a metric of the evaluations, found '{options.metric}'; "
                f"{nearest(options.metric, known)}. The run goes on with the same command and "
                "`stop` as it should be"
            )
        newest = course.newest(*place, t - 1, options.evaluations)
        before = course.highest(*place, newest[0][0] - 1) if newest else None
        best = max((value for _, value in newest), default=math.nan)
        if before is None or best >= before + options.gain:
            return ""
        return (
            f"{options.metric} has not risen by {options.gain:g} in {options.evaluations} "
            f"evaluations: {best:.3f} at best, {before:.3f} before"
        )


class Diversity:
    """Round after round, the prompts are less varied than a share of what they were at first."""

    def __init__(self, options: DiversityOptions, embed: Embed) -> None:
        """Takes its options, and what embeds texts where meanings are compared."""
        self._options, self._embed = options, embed

    @property
    def _name(self) -> str:
        return f"diversity/{self._options.measure}"

    def measure(self, prompts: Sequence[Prompt]) -> dict[str, float]:
        """How varied they are; NaN where that cannot be said."""
        texts = [prompt.text for prompt in prompts]
        if self._options.measure == "distinct":
            return {self._name: distinct_ngrams(texts)}
        spread = self._options.measure == "spread"
        return {
            self._name: (embedding_spread if spread else effective_clusters)(self._embed(texts))
        }

    def reason(self, course: Course, t: int) -> str:
        """As `Condition.reason`."""
        options = self._options
        place = "conclude", self._name, t, options.rounds
        first, newest = course.oldest(*place), course.newest(*place)
        if len(newest) < options.rounds or first[-1][0] >= newest[0][0]:
            return ""
        usual = sum(value for _, value in first) / len(first)
        most = max(value for _, value in newest)
        if most >= options.share * usual:
            return ""
        return (
            f"{self._name} has been below {options.share:g} of its first value for "
            f"{options.rounds} rounds: {most:.3f} at most, {usual:.3f} at first"
        )


class Alarmed:
    """The monitors have raised an alarm in each of the newest rounds."""

    def __init__(self, options: AlarmOptions, embed: Embed) -> None:
        """Takes its options; nothing is embedded."""
        self._options = options

    def measure(self, prompts: Sequence[Prompt]) -> dict[str, float]:
        """Nothing: alarms are there."""
        return {}

    def reason(self, course: Course, t: int) -> str:
        """As `Condition.reason`."""
        options = self._options
        alarms = [
            alarm
            for alarm in course.alarms()
            if alarm.round < t and (not options.monitors or alarm.monitor in options.monitors)
        ]
        rounds = {alarm.round for alarm in alarms}
        if not rounds.issuperset(range(t - options.rounds, t)):
            return ""
        times = f" {options.rounds} rounds in a row" if options.rounds > 1 else ""
        return f"alarm{times}, last in round {alarms[-1].round}: {alarms[-1].text}"
