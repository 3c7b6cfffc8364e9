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
from meta.sandbox.nursery import READY

_ROOT = str(Path(__file__).resolve().parents[2])
_START = (
    f"import sys; sys.path.insert(0, {_ROOT!r}); from meta.sandbox.nursery import main; "
    f"sys.path.remove({_ROOT!r}); main()"
)
_WATCH_SECONDS = 0.1
_MOST_FILES = 1000
_BLOCK = 512  # bytes in the unit of st_blocks
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
        return self._ask({"start": order}, descriptors)

    def end(self, process: int) -> int:
        """The exit code of a process that is killed unless it has ended. Raises SandboxError."""
        return self._ask({"end": process}, ())

    def _ask(self, request: dict[str, Any], descriptors: Sequence[int]) -> int:
        try:
            with self._lock:
                socket.send_fds(self._channel, [json.dumps(request).encode()], descriptors)
                reply = self._channel.recv(100)
        except OSError as error:
            raise SandboxError(f"the sandbox's parent process is gone: {error}") from error
        if not reply:
            raise SandboxError("the sandbox's parent process has ended; is memory short?")
        return int(reply)


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
    exit_code: int | None = None
    """None until `end`; negative: the signal that ended it."""
    timeout: bool = False
    """It was ended by the clock."""
    over: str = ""
    """The limit it was ended at by its parent, other than time: `output` or `disk`."""
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
        if self.exit_code is None:
            self.exit_code = self.nursery.end(self.process)

    def check_started(self) -> None:
        """Raises SandboxError unless the process, now ended, was confined before anything else."""
        self.ended()
        if not self.said.startswith(READY):
            found = self.said.decode(errors="replace") or f"exit code {self.exit_code}"
            raise SandboxError(f"the sandbox did not start: {found}")

    @property
    def out_of_time(self) -> bool:
        """Ended by the clock, or by the kernel for its processor time."""
        return self.timeout or self.exit_code == -signal.SIGXCPU

    def too_much_on_disk(self, limits: Limits) -> bool:
        """Does the folder hold more than it may?"""
        used = files = 0
        for entry in os.scandir(self.folder):
            try:
                used += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
            except FileNotFoundError:  # a file can go while they are being looked at
                continue
            files += 1
        return files > _MOST_FILES or used > limits.disk << 20


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
        started = Jail(nursery, process, folder, status)
        stack.callback(started.end)
        yield started


def collect(source: int, speaker: Jail, jails: Sequence[Jail], limits: Limits) -> None:
    """Reads what `speaker` writes to `source` until it ends, or a limit ends all of `jails`."""
    watched = started = time.monotonic()
    poll = select.poll()
    poll.register(source, select.POLLIN)
    speaking = True
    while speaking or not speaker.ended(_WATCH_SECONDS):
        if speaking and poll.poll(_WATCH_SECONDS * 1000):
            part = os.read(source, 1 << 16)
            speaking = bool(part)
            speaker.output += part
        now = time.monotonic()
        if now - watched > _WATCH_SECONDS:
            watched = now
            for one in jails:
                one.over = one.over or ("disk" if one.too_much_on_disk(limits) else "")
        if len(speaker.output) > limits.output << 10:
            speaker.over = "output"
        speaker.timeout = now - started > limits.wall_seconds
        if speaker.timeout or any(one.over for one in jails):
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
