"""Under which labels the ledger keeps a round's groups, and what its estimates rest on."""

from __future__ import annotations

from selfplay.core.types import Group
from selfplay.ledger import Ledger

TRAIN = "train"
"""Label of the groups that a round learns from."""
BASELINE = "baseline"
"""Label of the groups that their rewards are calibrated against, where the solver asks for them."""
ESTIMATE = "probe"
"""Name of the probe by which the creator asks for fresh samples, to estimate from."""
GATE = "gate"
"""Name of the probe by which gates have children answered."""

ANCHORS = "anchors"
"""Label of the first policy's answers that the first anchors are made of."""
AUDIT = "audit"
"""Label of those training groups that the trusted judge scores as well."""
SUSPECT = "suspect"
"""Label of the training groups in which an alarm suspects something, for the trusted judge."""
FRESH = "fresh"
"""Label of the policy's new answers to the anchors' prompts, for the trusted judge."""
RESCORED = "rescored"
"""Label of earlier training groups, scored under the rubric that the round adopted."""
REVIEW = "review"
"""Name of the judging that the gate asks for: its k-th part stands under `review:k`."""


def judged_in(ledger: Ledger, t: int) -> list[Group]:
    """All judged groups of round t that say how its prompts, or earlier ones, fare."""
    return [*ledger.groups(t, f"{ESTIMATE}:0"), *ledger.groups(t, TRAIN)]


def estimated_from(ledger: Ledger, t: int) -> list[Group]:
    """The judged groups that the estimates of round t rest on.

    Those that the creator asked for itself, or those of the round before.
    """
    return ledger.groups(t, f"{ESTIMATE}:0") or last_judged(ledger, t - 1)


def last_judged(ledger: Ledger, t: int) -> list[Group]:
    """Round t's judged groups, under the rubric that is in force after it."""
    return ledger.groups(t, RESCORED) or ledger.groups(t, TRAIN)
