"""The story of a run in three sentences, each made from figures of its ledger.

What was asked, what came of it on held-out tasks, what happened to the criteria and what it took.
A change is called one only where its interval leaves out 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfplay.analysis.status import Standing, standing
from selfplay.ledger import Ledger, census
from selfplay.ledger.census import ROOTS
from selfplay.ledger.reading import reading
from selfplay.paths import LEDGER
from selfplay.report.heldout import Difference, gain, signed
from selfplay.report.rubric_timeline import monitors_on


@dataclass(frozen=True)
class Narrative:
    """What a reader should know first."""

    sentences: tuple[str, str, str]
    standing: Standing
    gain: Difference | None

    def as_dict(self) -> dict[str, Any]:
        """For the page."""
        return {
            "sentences": self.sentences,
            "standing": {
                "directory": self.standing.directory,
                "state": self.standing.state,
                "stage": self.standing.stage,
                "round": self.standing.round,
                "rounds": self.standing.rounds,
                "prompts": self.standing.prompts,
                "tokens": self.standing.tokens,
                "time": duration(sum(self.standing.seconds.values())),
                "alarms": self.standing.alarms,
            },
            "gain": self.gain.as_dict() if self.gain else None,
        }


def narrative(directory: Path) -> Narrative:
    """Reads a run.

    Raises:
        LedgerError: there is no readable ledger.
    """
    found = standing(directory)
    difference = gain(directory, found)
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        watched = monitors_on(ledger.settings)
    with reading(directory) as database:
        born = census.born(database)
    evolved = {row.operator: 0 for row in born if row.operator not in ROOTS}
    for row in born:
        if row.operator in evolved:
            evolved[row.operator] += row.prompts
    sentences = (
        prompts_sentence(found, evolved),
        gain_sentence(difference, found),
        f"{criteria_words(found, watched)}; {_effort(found)}.",
    )
    return Narrative(sentences, found, difference)


def prompts_sentence(found: Standing, evolved: Mapping[str, int]) -> str:
    """How far the run is, and where its prompts come from."""
    made = sum(evolved.values())
    if not made:
        whence = "none of them evolved"
    elif len(evolved) == 1:
        whence = f"{made:,} of them evolved by the operator '{next(iter(evolved))}'"
    else:
        busiest = max(evolved, key=lambda name: evolved[name])
        whence = f"{made:,} of them evolved by {len(evolved)} operators, mostly '{busiest}'"
    return f"{_progress(found)}; it has {_count(found.prompts, 'prompt')}, {whence}."


def _progress(found: Standing) -> str:
    done = f"{found.round:,} of {_count(found.rounds, 'round')}"
    if found.ending is not None:
        return f"The run ended after {done} ({found.ending.reason})"
    if found.state == "running":
        return f"The run is going on, {done} done"
    if found.state == "stopped":
        return f"The run stopped after {done} and can go on"
    return f"The run is finished, {done} done"


def gain_sentence(difference: Difference | None, found: Standing) -> str:
    """What the held-out tasks say."""
    if difference is None:
        return _no_gain(found)
    d = difference
    ends = f"from {d.before:.3f} to {d.after:.3f}"
    where = f"on the same {_count(d.prompts, 'prompt')}"
    interval = f"95\u00a0% interval {signed(d.low)} to {signed(d.high)}"
    if not d.shown:
        return (
            f"Held-out accuracy ({d.asked}) is not shown to have changed: {ends} {where}, "
            f"{signed(d.change)} ({interval}, which includes 0)."
        )
    word = "rose" if d.change > 0 else "fell"
    return f"Held-out accuracy ({d.asked}) {word} {ends} {where}, {signed(d.change)} ({interval})."


def _no_gain(found: Standing) -> str:
    if not found.evaluations:
        return "No held-out task was asked, so this run tells no gain."
    if len(found.evaluations) == 1:
        return "The held-out tasks were asked only once so far, so no gain can be told."
    return "The first and the last evaluation asked different prompts, so no gain can be told."


def criteria_words(found: Standing, watched: bool) -> str:
    """What became of the criteria; `watched`: monitors were on."""
    alarms = _count(found.alarms, "alarm") if found.alarms else "no alarm"
    said = f"Monitors raised {alarms}" if watched or found.alarms else "No monitor was on"
    reviews = sum(found.reviews.values())
    if reviews:
        said += f", {_reviews_words(reviews, found.reviews.get('accepted', 0))}"
    if found.rubric is not None:
        said += f", and version {found.rubric} of the rubric is in force"
    return said


def _reviews_words(reviews: int, adopted: int) -> str:
    if not adopted:
        return f"{_count(reviews, 'review')} left the rubric as it was"
    if reviews == adopted:
        return f"{_count(reviews, 'review')} changed the rubric"
    return f"{adopted:,} of {_count(reviews, 'review')} changed the rubric"


def _effort(found: Standing) -> str:
    seconds = sum(found.seconds.values())
    said = f"the work took {duration(seconds)}"
    if seconds > 0:
        longest = max(found.seconds, key=lambda stage: found.seconds[stage])
        share = f"{100 * found.seconds[longest] / seconds:.0f}\u00a0%"
        said += f", {share} of it in the stage '{longest}'"
    return f"{said}, for {_count(found.tokens, 'generated token')}"


def duration(seconds: float) -> str:
    """In the unit that people would use."""
    for unit, size in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} second{'s' * (f'{seconds:.0f}' != '1')}"


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
