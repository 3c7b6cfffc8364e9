"""SIGINT and SIGTERM: the first asks the run to leave after its chunk, the second kills it.

Only the main thread of a process hears signals: a run that is played in another one goes on to its
end, or until the process is killed, which loses no more than the chunk in flight.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
LEAVING = (
    b"\nleaving after the chunk in flight; once more leaves at once "
    b"(nothing committed is lost either way)\n"
)
SHOW_CURSOR = b"\x1b[?25h"
"""Progress bars hide it."""


class LeavingError(Exception):
    """The run leaves because it was asked to."""


class Interruption:
    """Listens while its block runs; `requested` says whether to leave after the current chunk."""

    def __init__(self, opening: bool = False) -> None:
        """`opening`: nothing is under way yet that is worth a wait.

        A signal then raises KeyboardInterrupt where the program stands, until that is set back.
        """
        self.opening = opening
        self.requested = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._heard) for number in SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def leave_if_requested(self) -> None:
        """Raises `LeavingError` once a signal has come."""
        if self.requested:
            raise LeavingError

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if self.opening:
            raise KeyboardInterrupt
        if self.requested:
            if sys.stdout.isatty():
                os.write(sys.stdout.fileno(), SHOW_CURSOR)
            os._exit(128 + number)
        self.requested = True
        # Not `print`: it may be in the middle of a write, and is not reentrant.
        os.write(sys.stderr.fileno(), LEAVING)
