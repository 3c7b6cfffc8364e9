"""The engine: math-verify in a process of its own, with limits that hold.

A comparison may never end or fill the memory (`9^{9^{9^9}}`), inside one call of C code that no
signal interrupts. So it is made in a child, which the kernel ends when it has used its seconds of
processor time or its memory: time on a busy machine takes no answer's points, and it works in any
thread. The child imports its libraries once and serves in forks of itself, so that one that is
ended costs little; it is started on first use and ends with this process.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import subprocess
import sys
import threading
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from selfplay.core.errors import DataError

WORKER = Path(__file__).with_name("engine_worker.py")
MEMORY = 2 << 30
"""Bytes of address space of the child."""
_START = 300.0
"""Seconds until the child must have imported its libraries, and may be starved for otherwise."""


class UnreadableError(DataError):
    """A gold answer that math-verify cannot parse."""


class Exceeded(Exception):  # noqa: N818 - what happened, not a fault
    """A comparison was ended at its limits, or failed on what it was given."""


class MathEngine:
    """Compares expressions; see the module."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._pid = 0

    def equal(self, gold: str, answer: str, seconds: int) -> bool | None:
        """Whether the LaTeX of an answer equals that of a gold answer; None if it is none.

        An answer that exceeds the limits is wrong, where the gold answer by itself does not.

        Raises:
            UnreadableError: the gold answer cannot be parsed.
            DataError: the gold answer exceeds the limits by itself.
            TimeoutError: the child was ended from outside.
        """
        with self._lock:
            try:
                return self._asked(gold, answer, seconds)
            except Exceeded:
                return self._blamed(gold, seconds)

    def _blamed(self, gold: str, seconds: int) -> bool:
        """False, when the gold answer can be compared with something simple."""
        try:
            self._asked(gold, "0", seconds)
        except Exceeded as error:
            raise DataError(f"the gold answer '{gold[:80]}' exceeds {error}") from error
        return False

    def _asked(self, gold: str, answer: str, seconds: int) -> bool | None:
        child = self._running()
        assert child.stdin is not None
        request = json.dumps({"gold": gold, "answer": answer, "seconds": seconds}) + "\n"
        try:
            child.stdin.write(request.encode())
            child.stdin.flush()
            reply = self._reply(child, 20.0 * seconds + _START)
        except BrokenPipeError:
            reply = b""
        said = json.loads(reply) if reply else {"error": "outside"}
        if said["error"] == "outside":
            self.close()
            raise TimeoutError("the process that compares mathematics was ended from outside")
        if said["error"] == "limits":
            raise Exceeded(f"{seconds} s of processor time, or {MEMORY >> 20} MiB")
        if said["error"] == "gold":
            raise UnreadableError(f"math-verify cannot parse the gold answer '{gold[:200]}'")
        if said["error"]:
            raise Exceeded(f"what math-verify can do: {said['error']}")
        return None if said["equal"] is None else bool(said["equal"])

    @staticmethod
    def _reply(child: subprocess.Popen[bytes], patience: float) -> bytes:
        """A line; nothing when the child ended, or did not answer in time."""
        assert child.stdout is not None
        ready, _, _ = select.select([child.stdout], [], [], patience)
        return child.stdout.readline() if ready else b""

    def _running(self) -> subprocess.Popen[bytes]:
        """The child of this process; a fork starts one of its own."""
        if self._child is None or self._pid != os.getpid() or self._child.poll() is not None:
            if self._pid == os.getpid():
                self.close()
            command = [sys.executable, "-P", str(WORKER), str(MEMORY)]
            pipe = subprocess.PIPE
            self._child = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL
            )
            self._pid = os.getpid()
        return self._child

    def close(self) -> None:
        """Ends the child, if it runs."""
        child, self._child = self._child, None
        if child is None or self._pid != os.getpid():
            return
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
        child.kill()
        child.wait()


@lru_cache(maxsize=1)
def math_engine() -> MathEngine:
    """The engine of this process: one for all verifiers, for a child takes 100 MB."""
    engine = MathEngine()
    atexit.register(engine.close)
    return engine
