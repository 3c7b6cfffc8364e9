"""Reviewers: who proposes a new rubric. They propose; the gate decides.

A reviewer sees the part `propose` of the anchors and nothing of the two others, which `Evidence`
refuses to hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from meta.anchors.anchors import Part
from meta.rubrics.rubric import Rubric
from selfplay.core.errors import DataError
from selfplay.core.seeding import Seed
from selfplay.core.types import Group

Explain: TypeAlias = Callable[[Sequence[Group]], Sequence[Sequence[str]]]
"""For each group, for each response, what the judge wrote (`meta.reviewers.rationales`)."""


@dataclass(frozen=True)
class PastEdit:
    """What became of a candidate of an earlier review."""

    version: int
    words: tuple[str, ...]
    """What it changed, as `meta.rubrics.diff` says it."""
    outcome: str
    """`held`, `rolled_back` or `rejected`."""
    reason: str
    """Why it was accepted or not, with the gate's figures."""


@dataclass(frozen=True)
class Evidence:
    """What a reviewer is shown."""

    rubric: Rubric
    """The rubric in force, for the prompts that the rest is about."""
    anchors: Part
    """The part `propose`: trusted scores."""
    rollouts: Sequence[Group] = ()
    """Groups of the policy with the judge's verdicts."""
    alarms: tuple[str, ...] = ()
    """What the monitors say."""
    state: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Training state: metrics by name, oldest round first."""
    past: tuple[PastEdit, ...] = ()
    """Oldest first."""
    explain: Explain | None = None
    """Reads why the judge scored as it did out of the replies that stand with its verdicts; None
    where it cannot."""
    max_tokens: int | None = None
    """What the review may take, in tokens of language models; None: as it is configured."""
    suspects: Sequence[tuple[int, int]] = ()
    """Responses that alarms point at, as (group, response) positions in `rollouts`."""

    def __post_init__(self) -> None:
        self.anchors.require("propose", "a reviewer")
        sizes = [len(group.responses) for group in self.rollouts]
        strays = [s for s in self.suspects if not _within(s, sizes)]
        if strays:
            raise DataError(f"evidence: no rollout is at the suspect's position {strays[0]}")


def _within(place: tuple[int, int], sizes: Sequence[int]) -> bool:
    group, response = place
    return 0 <= group < len(sizes) and 0 <= response < sizes[group]


@dataclass(frozen=True)
class Proposal:
    """A candidate, or why there is none."""

    rubric: Rubric | None
    """Its version is the next after the rubric in force; who keeps versions may number it anew."""
    reason: str
    """What was changed and on what grounds; or why nothing was."""
    tokens: int = 0
    """What it took, in tokens of language models."""


class Reviewer(Protocol):
    """Proposes a rubric."""

    def propose(self, evidence: Evidence, seed: Seed) -> Proposal:
        """A candidate or none; the same for the same evidence and seed."""
