"""The ledger's own rows, for what is not a core type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

RubricStatus: TypeAlias = Literal[
    "proposed", "accepted", "rejected", "rolled_back", "frozen", "thawed"
]
"""The version accepted last is in force. `proposed` candidates wait for the gate. `frozen` and
`thawed` say of the whole run whether reviews may change anything; the version that they name is the
one in force."""
ReviewOutcome: TypeAlias = Literal["accepted", "rejected", "none"]


@dataclass
class StageRecord:
    """What the body of `Ledger.commit` may say about its stage."""

    round: int
    stage: str
    metrics: dict[str, float] = field(default_factory=dict)
    """By name; NaN where a metric cannot be computed."""


class MetricEntry(NamedTuple):
    """One number of one stage."""

    round: int
    stage: str
    name: str
    value: float
    """NaN when it could not be computed."""


class CostEntry(NamedTuple):
    """What one piece of work took. Costs vary between equal runs: the digest leaves them out."""

    round: int
    stage: str
    role: str
    seconds: float
    tokens_in: int
    tokens_out: int
    peak_bytes: int | None = None
    """Most memory in use at once; None where it was not measured."""


class UsageEntry(NamedTuple):
    """What one piece of work took of one model behind a server; left out of the digest."""

    round: int
    stage: str
    """The label of the groups, or the stage, that it was for."""
    role: str
    """`judge`, `trusted`, `rewriter` or `reviewer`."""
    model: str
    server: str
    requests: int
    retries: int
    cached: int
    tokens_in: int
    tokens_out: int
    unmetered: int
    """Answers whose tokens the server did not say; the counts of tokens leave them out."""
    unanswered: int
    money: float | None
    """In the prices' currency; None where it is not known."""


class RubricEntry(NamedTuple):
    """One event in the life of a rubric version."""

    version: int
    parent: int | None
    """The version it was made from; None for the first."""
    text: str
    """The rubric as YAML."""
    status: RubricStatus
    reason: str
    round: int


class AnchorEntry(NamedTuple):
    """One trusted score of one response."""

    prompt_id: str
    response: str
    score: float
    scorer: str
    origin: str
    """`core` or `suspect`."""
    alarm: str
    version: int
    """Of the anchor set that it came with."""
    round: int


class AlarmEntry(NamedTuple):
    """One alarm of one round."""

    round: int
    monitor: str
    action: str
    text: str
    value: float
    reference: float
    p: float
    suspects: tuple[tuple[int, int], ...]
    """(group, response): positions among the round's training groups."""


class ReviewEntry(NamedTuple):
    """What became of a review of the rubric."""

    round: int
    cause: str
    """What triggered it."""
    outcome: ReviewOutcome
    version: int | None
    """Of the candidate; None without one."""
    reason: str
    tokens: int
    """What the reviewer took, in tokens of language models."""
    decision: Mapping[str, Any] | None
    """The gate's figures; None where it was not asked."""


class EndingEntry(NamedTuple):
    """Why the run ends, or once ended, with a round before its last one."""

    round: int
    cause: str
    """`tokens`, `hours` or `money`, the budget that is spent; or a stop condition's name."""
    reason: str
    """In words, with figures."""
    lifted: bool = False
    """The run has gone on since, under a larger budget or another condition."""


class PolicyEntry(NamedTuple):
    """One policy version."""

    version: int
    round: int
    sha256: str
    """Of its weights."""
    saved: bool
    """Whether its directory exists."""
