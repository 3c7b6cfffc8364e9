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


def judged_in(ledger: Ledger, t: int) -> list[Group]:
    """All judged groups of round t that say how its prompts, or earlier ones, fare."""
    return [*ledger.groups(t, f"{ESTIMATE}:0"), *ledger.groups(t, TRAIN)]


def estimated_from(ledger: Ledger, t: int) -> list[Group]:
    """The judged groups that the estimates of round t rest on.

    Those that the creator asked for itself, or those of the round before.
    """
    return ledger.groups(t, f"{ESTIMATE}:0") or ledger.groups(t - 1, TRAIN)
