"""The run's clock: wall time of its processes, noted in the ledger as they go.

A note is a cost of the role `wall`, written after an event when enough time has passed, and with
every round. So a process that is killed loses at most the time since its last event.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from selfplay.events import Event, StageDone
from selfplay.ledger import Ledger

WALL = "wall"
"""The role under which costs hold wall time."""
SECONDS = 30.0
"""Between two notes within a round."""


class Clock:
    """Notes the time since `since`, a reading of `time.perf_counter`."""

    def __init__(self, ledger: Ledger, since: float) -> None:
        self._ledger, self._noted = ledger, since

    def note(self, t: int, stage: str) -> None:
        """Writes the time since the last note."""
        now = time.perf_counter()
        self._ledger.add_cost(t, stage, WALL, now - self._noted)
        self._noted = now

    def timed(self, events: Iterable[Event]) -> Iterator[Event]:
        """The same events, the time between them noted."""
        for event in events:
            over = isinstance(event, StageDone) and event.stage == "record"
            if over or time.perf_counter() - self._noted >= SECONDS:
                self.note(event.round, event.stage)
            yield event
