"""Alarms and reviews of a run, read from its ledger alone: live, crashed and finished runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meta.anchors import part_of
from selfplay.ledger import AlarmEntry, Ledger, ReviewEntry
from selfplay.paths import LEDGER


@dataclass(frozen=True)
class ReviewHistory:
    """What meta saw and did."""

    directory: Path
    alarms: tuple[AlarmEntry, ...]
    reviews: tuple[ReviewEntry, ...]
    anchors: Mapping[tuple[str, str], int]
    """Anchored responses by part and origin."""

    def rounds_of(self) -> dict[tuple[str, str], list[AlarmEntry]]:
        """The alarms by monitor and action, as they first came up."""
        found: dict[tuple[str, str], list[AlarmEntry]] = {}
        for alarm in self.alarms:
            found.setdefault((alarm.monitor, alarm.action), []).append(alarm)
        return found

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "alarms": [alarm._asdict() for alarm in self.alarms],
            "reviews": [review._asdict() for review in self.reviews],
            "anchors": [
                {"part": part, "origin": origin, "responses": n}
                for (part, origin), n in self.anchors.items()
            ],
        }


def review_history(directory: Path) -> ReviewHistory:
    """What meta saw and did in the run in `directory`, which may be live.

    Returns:
        Its alarms and reviews in order, and how many anchors it has.

    Raises:
        LedgerError: there is no readable ledger.
    """
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        newest = {(a.prompt_id, a.response): a.origin for a in ledger.anchors()}
        counts = Counter((part_of(id_), origin) for (id_, _), origin in newest.items())
        return ReviewHistory(
            directory, tuple(ledger.alarms()), tuple(ledger.reviews()), dict(sorted(counts.items()))
        )
