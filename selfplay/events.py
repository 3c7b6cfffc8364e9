"""What a run tells whoever watches it, and who watches: progress bars, statistics, logs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from selfplay.core.notices import stir


@dataclass(frozen=True)
class Progress:
    """A stage got a chunk further. All of it up to here is committed."""

    round: int
    stage: str
    done: int
    total: int
    tokens: int = 0
    """Generated in this chunk."""


Listener: TypeAlias = Callable[[Progress], None]
"""Is told of progress while it is made. It may raise to leave: all of it up to there is kept."""


def nobody(progress: Progress) -> None:
    """The listener that takes no notice."""


@dataclass(frozen=True)
class StageDone:
    """A stage was committed."""

    round: int
    stage: str
    seconds: float
    metrics: Mapping[str, float] = field(default_factory=dict)


Event: TypeAlias = Progress | StageDone


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
