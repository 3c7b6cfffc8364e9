"""The story of a run in three sentences, each made from figures of its ledger.

What was asked, what came of it on held-out tasks, what happened to the criteria and what it took.
A change is called one only where its interval leaves out 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfplay.ledger import census
from selfplay.ledger.census import ROOTS
from selfplay.lineage.reading import reading
from selfplay.report.heldout import Difference, gain
from selfplay.summary import Standing, standing


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
                "seconds": sum(self.standing.seconds.values()),
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
    with reading(directory) as database:
        born = census.born(database)
    evolved = {row.operator: 0 for row in born if row.operator not in ROOTS}
    for row in born:
        if row.operator in evolved:
            evolved[row.operator] += row.prompts
    sentences = (
        prompts_sentence(found, evolved),
        gain_sentence(difference),
        f"{_criteria(found)}; {_effort(found)}.",
    )
    return Narrative(sentences, found, difference)


def prompts_sentence(found: Standing, evolved: dict[str, int]) -> str:
    """How far the run is, and where its prompts come from."""
    made = sum(evolved.values())
    if made:
        busiest = max(evolved, key=lambda name: evolved[name])
        whence = (
            f"{made:,} of them evolved by {_count(len(evolved), 'operator')} (most by {busiest})"
        )
    else:
        whence = "none of them evolved"
    return (
        f"The run is {found.state} at round {found.round:,} of {found.rounds:,}, with "
        f"{_count(found.prompts, 'prompt')} in its archive, {whence}."
    )


def gain_sentence(difference: Difference | None) -> str:
    """What the held-out tasks say."""
    if difference is None:
        return "The held-out tasks have not been asked twice yet, so no gain can be told."
    d = difference
    ends = f"from {d.before:.3f} to {d.after:.3f}"
    interval = (
        f"by {d.change:+.3f} on the same {_count(d.prompts, 'prompt')}, "
        f"95\u00a0% interval {d.low:+.3f} to {d.high:+.3f}"
    )
    if not d.shown:
        return (
            f"Held-out accuracy ({d.asked}) is not shown to have changed: {ends}, {interval}, "
            "which includes 0."
        )
    word = "rose" if d.change > 0 else "fell"
    return f"Held-out accuracy ({d.asked}) {word} {ends}: {interval}."


def _criteria(found: Standing) -> str:
    alarms = _count(found.alarms, "alarm") if found.alarms else "no alarm"
    said = f"Monitors raised {alarms}"
    reviews = sum(found.reviews.values())
    if reviews:
        adopted = found.reviews.get("accepted", 0)
        changed = f"{adopted} of which changed the rubric" if adopted else "none changed the rubric"
        said += f", there were {_count(reviews, 'review')}, {changed}"
    if found.rubric is not None:
        said += f", and rubric version {found.rubric} is in force"
    return said


def _effort(found: Standing) -> str:
    seconds = sum(found.seconds.values())
    said = f"the work took {duration(seconds)}"
    if seconds > 0:
        longest = max(found.seconds, key=lambda stage: found.seconds[stage])
        said += f", {found.seconds[longest] / seconds:.0%} of that in the stage '{longest}'"
    return f"{said}, and {_count(found.tokens, 'generated token')}"


def duration(seconds: float) -> str:
    """In the unit that people would use."""
    for unit, size in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
