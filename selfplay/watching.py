"""Who watches a run: a consumer of its events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from selfplay.events import Event


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
