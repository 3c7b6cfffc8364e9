"""What a run tells whoever watches it: progress bars, statistics and logs consume these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


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
