"""Who watches a run: a consumer of its events."""

from __future__ import annotations

from typing import Protocol

from selfplay.events import Event


class Watcher(Protocol):
    """Consumes the events of a run."""

    def see(self, event: Event) -> None:
        """Takes notice of one event."""

    def close(self) -> None:
        """The run is over or interrupted."""
