"""Who watches a run: a consumer of its events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from selfplay.core.notices import stir
from selfplay.events import Event, Progress


class Watcher(Protocol):
    """Consumes the events of a run."""

    def see(self, event: Event) -> None:
        """Takes notice of one event."""

    def close(self) -> None:
        """The run is over or interrupted."""


class Listening:
    """Hands every event to a function."""

    def __init__(self, watch: Callable[[Event], None]) -> None:
        self._watch = watch

    def see(self, event: Event) -> None:
        """As `Watcher.see`."""
        self._watch(event)

    def close(self) -> None:
        """As `Watcher.close`."""


class Place:
    """Remembers where a run stands, for a line about a long wait."""

    def __init__(self) -> None:
        self._newest: Event | None = None

    def see(self, event: Event) -> None:
        """As `Watcher.see`; what was done is no wait."""
        self._newest = event
        stir()

    def close(self) -> None:
        """As `Watcher.close`."""

    def words(self) -> str:
        """What was done last; empty before anything was."""
        event = self._newest
        if event is None:
            return ""
        share = f" {event.done:,}/{event.total:,}" if isinstance(event, Progress) else ""
        return f"round {event.round}, {event.stage}{share} was the last to be done"
