"""A run's rounds to its trackers: each once, however often the run was stopped.

What every tracker has got is noted in a file after each round. A process that goes on hands over
the rounds that are missing, from the ledger, before it plays; so a tracker that joins late gets the
whole run. The ledger stays the source of truth: trackers are never read.
"""

from __future__ import annotations

import json
import math
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path

from selfplay.core.places import writing
from selfplay.events import Event, StageDone
from selfplay.ledger import Ledger
from selfplay.paths import TRACKING
from selfplay.tracking.trackers import Log, Tracker

MARKS = "marks.json"


class Tracked:
    """A `Watcher` that hands rounds to trackers."""

    def __init__(self, trackers: Mapping[str, Tracker], ledger: Ledger, directory: Path) -> None:
        """Opens the logs and hands over the rounds that they lack.

        Args:
            trackers: by name.
            ledger: of the run.
            directory: of the run.
        """
        self._ledger, self._opened = ledger, trackers
        self._trackers = dict(trackers)
        self._place = directory / TRACKING
        self._id, self._next = self._marks()
        for name, tracker in trackers.items():
            with writing(self._place):
                self._place.mkdir(exist_ok=True)
            begin = self._next.get(name, 0)
            called = directory.resolve().name
            tracker.open(Log(self._id, called, self._place, ledger.settings, begin))
            for t in range(begin, self._recorded()):
                if name in self._trackers:
                    self._hand(name, t)

    def see(self, event: Event) -> None:
        """Hands over a round when it is recorded."""
        if isinstance(event, StageDone) and event.stage == "record":
            for name in list(self._trackers):
                self._hand(name, event.round)

    def close(self) -> None:
        """Closes the logs, also of those that have failed."""
        for name, tracker in self._opened.items():
            try:
                tracker.close()
            except OSError as error:
                print(f"note: {name} was not closed in order: {error}", file=sys.stderr)

    def _hand(self, name: str, t: int) -> None:
        metrics = {n: x for n, x in self._ledger.round_metrics(t).items() if math.isfinite(x)}
        try:
            self._trackers[name].log(t, metrics)
        except OSError as error:
            # The next process hands over what this one could not.
            print(
                f"note: {name} gets no more metrics until the run goes on: {error}", file=sys.stderr
            )
            del self._trackers[name]
            return
        self._next[name] = t + 1
        draft = self._place / f"{MARKS}.partial"
        with writing(draft):
            draft.write_text(json.dumps({"id": self._id, "next": self._next}))
            draft.replace(self._place / MARKS)

    def _marks(self) -> tuple[str, dict[str, int]]:
        """The log's id and the first round that each tracker lacks."""
        try:
            found = json.loads((self._place / MARKS).read_text())
            return str(found["id"]), {str(name): int(t) for name, t in found["next"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            # None yet, or a damaged one: the trackers get a log of their own from the beginning.
            return uuid.uuid4().hex[:12], {}

    def _recorded(self) -> int:
        """Rounds that are recorded, round 0 included."""
        return self._ledger.last_round() + 1 if self._ledger.stage_done(0, "record") else 0
