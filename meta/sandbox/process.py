"""Sandboxed processes seen from outside: started, watched, ended, cleaned up after.

Each gets a fresh folder, an environment made for it, and no input but its job. All of this is safe
in several threads at once.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from meta.sandbox.limits import Limits
from meta.sandbox.nursery import READY, Ending

_ROOT = str(Path(__file__).resolve().parents[2])
_START = (
    f"import sys; sys.path.insert(0, {_ROOT!r}); from meta.sandbox.nursery import main; "
    f"sys.path.remove({_ROOT!r}); main()"
)
_WATCH_SECONDS = 0.1
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",  # else the order of a set, and with it a verdict, would be drawn
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


class SandboxError(Exception):
    """The sandbox itself failed on one run: nothing is known of the code."""


class Nursery:
    """The process that forks the sandboxed ones; it ends with this object."""

    def __init__(self, packages: bool) -> None:
        """Starts it. `packages`: whether installed packages can be imported. Raises OSError."""
        base: str = getattr(sys, "_base_executable", sys.executable)
        self._python = [sys.executable] if packages else [base, "-S"]
        self._lock = threading.Lock()
        self._spawn()

    def _spawn(self) -> None:
        self._channel, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            self._process = subprocess.Popen(
                [*self._python, "-s", "-P", "-B", "-c", _START, str(other.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(other.fileno(),),
                env=_environment(),
                start_new_session=True,
            )
        self._close = weakref.finalize(self, _close, self._channel, self._process)

    def start(self, order: dict[str, Any], descriptors: Sequence[int]) -> int:
        """The id of a process that does as ordered. Raises SandboxError or OSError."""
        with self._lock:
            if self._process.poll() is not None:
                self._close()
                self._spawn()
        return int(self._ask({"start": order}, descriptors))

    def end(self, process: int) -> Ending:
        """How a process ended that is killed unless it has ended. Raises SandboxError."""
        return Ending(**json.loads(self._ask({"end": process}, ())))

    def _ask(self, request: dict[str, Any], descriptors: Sequence[int]) -> bytes:
        try:
            with self._lock:
                socket.send_fds(self._channel, [json.dumps(request).encode()], descriptors)
                reply = self._channel.recv(1000)
        except OSError as error:
            raise SandboxError(f"the sandbox's parent process is gone: {error}") from error
        if not reply:
            raise SandboxError("the sandbox's parent process has ended; is memory short?")
        return reply


def _close(channel: socket.socket, process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):  # the other end may be gone
        channel.shutdown(socket.SHUT_RDWR)  # for copies that a fork of this process holds, too
    channel.close()
    process.wait()


@dataclass
class Jail:
    """One sandboxed process."""

    nursery: Nursery
    process: int
    folder: Path
    status: int
    """Where the process says that it is confined; at its end when it has ended."""
    seconds: int
    """The processor time that it may take."""
    ending: Ending | None = None
    """None until `end`."""
    timeout: bool = False
    """It was ended by the clock."""
    over: str = ""
    """The limit it was ended at by its parent, other than time: `output`."""
    output: bytearray = field(default_factory=bytearray)
    said: bytes = b""

    def ended(self, wait_seconds: float = 0.0) -> bool:
        """Has it ended by itself, within this time?"""
        poll = select.poll()
        poll.register(self.status, select.POLLIN)
        deadline = time.monotonic() + wait_seconds
        while poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            part = os.read(self.status, 1000)
            if not part:
                return True
            self.said = self.said or part
            if time.monotonic() > deadline:  # a process that keeps talking has not ended
                break
        return False

    def end(self) -> None:
        """Kills whatever is left of it."""
        if self.ending is None:
            self.ending = self.nursery.end(self.process)

    @property
    def exit_code(self) -> int:
        """Negative: the signal that ended it; 0 before `end`."""
        return self.ending.exit_code if self.ending else 0

    def check(self) -> None:
        """Raises SandboxError if nothing is known of the code from this process, now ended.

        It was not confined before anything else, or somebody killed it, such as a kernel that is
        short of memory. It cannot have killed itself: the system-call filter refuses that.
        """
        self.ended()
        if not self.said.startswith(READY):
            found = self.said.decode(errors="replace") or f"exit code {self.exit_code}"
            raise SandboxError(f"the sandbox did not start: {found}")
        if self._killed and not self.out_of_time and self.ending and not self.ending.ours:
            raise SandboxError(
                "a process of the sandbox was killed from outside (signal 9); is memory short?"
            )

    @property
    def _killed(self) -> bool:
        return self.exit_code == -signal.SIGKILL

    @property
    def out_of_time(self) -> bool:
        """Ended by the clock, or by the kernel for its processor time."""
        spent = self._killed and self.ending is not None and self.ending.seconds >= self.seconds
        return self.timeout or self.exit_code == -signal.SIGXCPU or spent


@contextmanager
def jail(
    nursery: Nursery,
    role: str,
    job: Any,
    limits: Limits,
    pipes: tuple[int, ...] = (),
    stdin: int | None = None,
    stdout: int | None = None,
) -> Iterator[Jail]:
    """A started process that has its job; it and its folder are gone afterwards.

    Args:
        nursery: forks it.
        role: one of `nursery.ROLES`.
        job: handed over as JSON.
        limits: what it may use.
        pipes: further descriptors that it gets.
        stdin: its standard input; none when None.
        stdout: its standard output; thrown away when None.

    Raises:
        SandboxError, OSError: it could not be started.
    """
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="sandbox-")).resolve()
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        status, said = os.pipe()
        stack.callback(os.close, status)
        order = {"role": role, "folder": str(folder), "limits": asdict(limits)}
        with (
            os.fdopen(said, "wb"),
            unnamed_file(json.dumps(job).encode()) as written,
            Path(os.devnull).open("r+b", buffering=0) as nothing,
        ):
            streams = [nothing.fileno() if fd is None else fd for fd in (stdin, stdout)]
            process = nursery.start(order, [*streams, written.fileno(), said, *pipes])
        started = Jail(nursery, process, folder, status, limits.seconds)
        stack.callback(started.end)
        yield started


def collect(source: int, speaker: Jail, limits: Limits) -> None:
    """Reads what `speaker` writes to `source` until it ends, or is to be ended at a limit."""
    started = time.monotonic()
    poll = select.poll()
    poll.register(source, select.POLLIN)
    speaking = True
    while speaking or not speaker.ended(_WATCH_SECONDS):
        if speaking and poll.poll(_WATCH_SECONDS * 1000):
            part = os.read(source, 1 << 16)
            speaking = bool(part)
            speaker.output += part
        if len(speaker.output) > limits.output << 10:
            speaker.over = "output"
        speaker.timeout = time.monotonic() - started > limits.wall_seconds
        if speaker.timeout or speaker.over:
            break


@contextmanager
def unnamed_file(content: bytes) -> Iterator[IO[bytes]]:
    """A file without a name, to be read from its beginning."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        yield file


def _environment() -> dict[str, str]:
    """None of the caller's variables, but for where the interpreter's libraries are."""
    libraries = {k: os.environ[k] for k in ("LD_LIBRARY_PATH",) if k in os.environ}
    return _ENVIRONMENT | libraries
