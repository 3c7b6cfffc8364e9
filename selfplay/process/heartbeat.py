"""The heartbeat file: what the process that plays a run says of itself, every few seconds.

A thread writes it, so that a long stage is told from a dead process: `at` stands still when the
process hangs or is gone, `progressed` when it lives and gets nowhere. The file is replaced at once,
never written in place, and is taken away when the run is left in order; after a `kill -9` it stays
and says when the process was last alive.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from selfplay.events import Event, Progress
from selfplay.paths import HEARTBEAT

SECONDS = 5.0
"""Between two beats."""
SILENT = 600.0
"""Seconds without a beat, or without progress, from which on something is wrong."""
WINDOW = 60.0
"""Seconds that the speed is taken over."""


@dataclass(frozen=True)
class Beat:
    """One beat. Times are UTC, in ISO 8601."""

    pid: int
    host: str
    round: int | None
    """Of the newest event; None before the first."""
    stage: str
    done: int
    """Items of the stage, of `total`."""
    total: int
    tokens_per_second: float
    """Generated in the last minute."""
    since: str
    """When the process began to play."""
    progressed: str
    """When the newest event came."""
    at: str

    @property
    def silence(self) -> float:
        """Seconds since the beat."""
        return age(self.at)

    @property
    def standstill(self) -> float:
        """Seconds since there was progress."""
        return age(self.progressed)


def age(moment: str) -> float:
    """Seconds since then."""
    return (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()


def read_heartbeat(directory: Path) -> Beat | None:
    """The newest beat of a run; None where no process plays it or none has begun.

    None too where the file is not a beat: a machine that lost its power may leave it empty, and
    another release may write another one.
    """
    try:
        return Beat(**json.loads((directory / HEARTBEAT).read_text()))
    except (OSError, ValueError, TypeError):
        return None


class Heartbeat:
    """A `Watcher` that keeps the file; its thread ends with `close`, or with the process."""

    def __init__(self, directory: Path, seconds: float = SECONDS) -> None:
        """Begins to beat.

        Args:
            directory: of the run.
            seconds: between two beats.
        """
        self._path, self._seconds = directory / HEARTBEAT, seconds
        self._since = self._progressed = _now()
        self._event: Event | None = None
        self._tokens: deque[tuple[float, int]] = deque()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._write()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    def see(self, event: Event) -> None:
        """Notes progress for the next beat."""
        with self._lock:
            self._event, self._progressed = event, _now()
            if isinstance(event, Progress) and event.tokens:
                self._tokens.append((time.monotonic(), event.tokens))

    def close(self) -> None:
        """Stops, and takes the file away."""
        self._over.set()
        self._thread.join()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._over.wait(self._seconds):
            self._write()

    def _write(self) -> None:
        """Writes if it can: a full disk is the run's to tell of, at its next commit."""
        draft = self._path.with_suffix(".partial")
        with suppress(OSError):
            draft.write_text(json.dumps(asdict(self._present())))
            draft.replace(self._path)

    def _present(self) -> Beat:
        with self._lock:
            event = self._event
            return Beat(
                pid=os.getpid(),
                host=socket.gethostname(),
                round=event.round if event else None,
                stage=event.stage if event else "starting",
                done=event.done if isinstance(event, Progress) else 1,
                total=event.total if isinstance(event, Progress) else 1,
                tokens_per_second=self._speed(),
                since=self._since,
                progressed=self._progressed,
                at=_now(),
            )

    def _speed(self) -> float:
        """Tokens a second of the events in the window; those before it are dropped."""
        start = time.monotonic() - WINDOW
        while self._tokens and self._tokens[0][0] < start:
            self._tokens.popleft()
        span = min(WINDOW, age(self._since))
        return sum(tokens for _, tokens in self._tokens) / span if span else 0.0


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
