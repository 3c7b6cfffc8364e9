"""A circuit breaker: a server that answers nobody is left alone for a while (Nygard, Release It!).

What counts is a request that was given up after all of its attempts, and an answer sets the count
back. Single attempts would not do: as many as are under way fail at one stroke when a server is
started anew, which the retries are there to sit out. So an outage shorter than the retries' waits
costs nothing, and a longer one costs those waits once, side by side, for all requests together.

Closed, every request is sent. After `limit` given up in a row it is open: no request is sent, and
those under way give up. After `rest` seconds it is half open: one request is sent, once, and its
answer closes the breaker, or opens it for another `rest`.

Left out: rates in place of a run of failures, growing rests, a state shared between processes.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from selfplay.core.models.failure import Failure


class Breaker:
    """The state of one server, over all requests of this process to it."""

    def __init__(
        self, limit: int, rest: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Starts closed.

        Args:
            limit: requests given up in a row that open it; 0: nothing does.
            rest: seconds.
            clock: seconds since any moment.
        """
        self._limit, self._rest, self._clock = limit, rest, clock
        self._given_up = 0
        self._until = 0.0
        self._last = ""

    @property
    def resting(self) -> bool:
        """Open or half open."""
        return 0 < self._limit <= self._given_up

    def refusal(self) -> Failure | None:
        """Why no request is sent now; None where one may be, which half open is the only one."""
        left = self._until - self._clock()
        if not self.resting or left <= 0:
            return None
        reason = f"server resting after {self._limit} failures"
        return Failure(reason, f"{reason}, for {left:.1f} s more; the last: {self._last}", True)

    def heard(self, outcome: object) -> None:
        """Counts a request's last outcome, an answer or a `Failure`."""
        if not (isinstance(outcome, Failure) and outcome.again):
            self._given_up = 0
            return
        self._given_up += 1
        self._last = outcome.detail
        if self.resting:
            self._until = self._clock() + self._rest
