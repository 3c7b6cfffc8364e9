"""The run's database: the bus between stages and the single source of truth of a run."""

from selfplay.ledger.entries import (
    AlarmEntry,
    AnchorEntry,
    CostEntry,
    EndingEntry,
    MetricEntry,
    PolicyEntry,
    ReviewEntry,
    ReviewOutcome,
    RubricEntry,
    RubricStatus,
    StageRecord,
    UsageEntry,
)
from selfplay.ledger.ledger import Ledger
from selfplay.ledger.lock import RunLock, holder

__all__ = [
    "AlarmEntry",
    "AnchorEntry",
    "CostEntry",
    "EndingEntry",
    "Ledger",
    "MetricEntry",
    "PolicyEntry",
    "ReviewEntry",
    "ReviewOutcome",
    "RubricEntry",
    "RubricStatus",
    "RunLock",
    "StageRecord",
    "UsageEntry",
    "holder",
]
