"""The run's database: the bus between stages and the single source of truth of a run."""

from selfplay.ledger.entries import (
    CostEntry,
    MetricEntry,
    PolicyEntry,
    RubricEntry,
    RubricStatus,
    StageRecord,
)
from selfplay.ledger.ledger import Ledger
from selfplay.ledger.lock import RunLock, holder

__all__ = [
    "CostEntry",
    "Ledger",
    "MetricEntry",
    "PolicyEntry",
    "RubricEntry",
    "RubricStatus",
    "RunLock",
    "StageRecord",
    "holder",
]
