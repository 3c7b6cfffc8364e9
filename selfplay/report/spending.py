"""What a run took: wall-clock time by stage and round; requests, tokens and money of servers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from selfplay.ledger import journal
from selfplay.ledger.reading import reading
from selfplay.report.curves import Chart, Series
from selfplay.stages.costs import costs

K = TypeVar("K")
STAGE = "stage"
"""The role under which a whole stage is noted."""


def spending(directory: Path) -> dict[str, Any]:
    """Time, memory and servers of a run.

    Raises:
        LedgerError: there is no readable ledger.
    """
    with reading(directory) as database:
        entries = journal.costs(database)
    stages: dict[str, dict[str, float]] = {}
    by_round: dict[int, float] = defaultdict(float)
    work: dict[tuple[str, str], dict[str, float]] = {}
    for entry in entries:
        if entry.role == STAGE:
            row = stages.setdefault(entry.stage, {"seconds": 0.0, "rounds": 0})
            row["seconds"] += entry.seconds
            row["rounds"] += 1
            by_round[entry.round] += entry.seconds
        else:
            part = work.setdefault((entry.stage, entry.role), {"seconds": 0.0, "tokens": 0})
            part["seconds"] += entry.seconds
            part["tokens"] += entry.tokens_out
    series = Series.of("seconds", sorted(by_round.items()))
    return {
        "stages": [{"stage": name, **row} for name, row in _longest(stages)],
        "work": [{"what": w, "role": r, **row} for (w, r), row in _longest(work)],
        "peak": max((e.peak_bytes for e in entries if e.peak_bytes is not None), default=None),
        "chart": Chart("Time per round", "Seconds, all stages.", (series,)).as_dict(),
        "servers": [asdict(cost) for cost in costs(directory)],
    }


def _longest(rows: Mapping[K, dict[str, float]]) -> list[tuple[K, dict[str, float]]]:
    return sorted(rows.items(), key=lambda item: -item[1]["seconds"])
