"""The process that sandboxed processes are forked from: it saves each of them Python's start.

It is started with an empty environment, has one thread, holds nothing of the game's, and runs no
unknown code itself: it forks, and the child closes what it must not have, locks itself up and only
then does its part. `ready` on the status pipe says that the confinement holds; anything else there,
or nothing, is a failure of the sandbox. That pipe's end is the process's end.

Requests come one at a time over a socket: `{"start": order}` with descriptors (standard input,
standard output, job, status, then the role's pipes) is answered by a process id, `{"end": id}`
kills what is left of that process and is answered by an `Ending` in JSON.
"""

from __future__ import annotations

import _sitebuiltins
import atexit
import bisect  # noqa: F401 - as the next ones: what solutions and tests tend to import
import builtins
import collections  # noqa: F401
import copy  # noqa: F401
import gc
import heapq  # noqa: F401
import importlib
import itertools
import json
import math  # noqa: F401
import os
import random
import re  # noqa: F401
import select
import shutil
import signal
import socket
import statistics  # noqa: F401
import string  # noqa: F401
import sys
import threading
import typing  # noqa: F401
import unittest  # noqa: F401
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from meta.sandbox import candidate, tester
from meta.sandbox.confine import confine
from meta.sandbox.limits import Limits

READY = b"ready"
_LARGEST_REQUEST = 1 << 16
_MOST_DESCRIPTORS = 8
_LEAVING_SECONDS = 5.0
_FLAGS, _EXITING = 6, 0x4
"""Of `/proc/PID/stat`: the field after the name that has the kernel's flags, and PF_EXITING."""


@dataclass(frozen=True)
class Ending:
    """How a process ended."""

    exit_code: int
    """Negative: the signal that ended it."""
    seconds: float
    """Processor time that it took."""
    ours: bool
    """It was still there, and was killed when its end was asked for."""


def run_program(job: dict[str, Any]) -> None:
    """Runs a program as if it had been started by its name."""
    main = sys.modules["__main__"]
    main.__dict__.clear()
    main.__dict__.update(__name__="__main__", __builtins__=__builtins__)
    compiled = compile(job["code"], "program.py", "exec", dont_inherit=True)
    exec(compiled, main.__dict__)  # noqa: S102


ROLES: dict[str, Callable[..., None]] = {
    "program": run_program,
    "candidate": candidate.serve,
    "tester": tester.serve,
}


def main() -> None:
    """Serves requests until the other end closes; in a forked process, does its part instead."""
    # What the module `site` gives, which is not imported: programs do end with exit().
    builtins.exit, builtins.quit = (_sitebuiltins.Quitter(name, "") for name in ("exit", "quit"))
    if "site" in sys.modules:  # there are packages, and this one takes long
        with suppress(ImportError):
            importlib.import_module("numpy")
    gc.freeze()  # else the first collection in a child would copy all that it shares
    forked = serve(socket.socket(fileno=int(sys.argv[1])))
    if forked is not None:
        _leave(forked)


def serve(channel: socket.socket) -> Callable[[], None] | None:
    """Answers requests; returns what to do in each process that it forks, and at the end None."""
    folders: dict[int, str] = {}
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, _LARGEST_REQUEST, _MOST_DESCRIPTORS)
        if not message:
            for process, folder in folders.items():  # of a judge that was killed
                _ended(process)
                shutil.rmtree(folder, ignore_errors=True)
            return None
        request = json.loads(message)
        if "end" in request:
            folders.pop(request["end"], None)
            channel.send(json.dumps(asdict(_ended(request["end"]))).encode())
            continue
        parent, process = os.getpid(), os.fork()
        if not process:
            channel.detach()
            return lambda: _become(request["start"], descriptors, parent)
        for descriptor in descriptors:
            os.close(descriptor)
        folders[process] = request["start"]["folder"]
        channel.send(str(process).encode())


def _leave(part: Callable[[], None]) -> None:
    """Does a part, then what an interpreter does at its end, but for taking itself apart.

    That takes longer than all the rest, and the kernel does it at once.
    """
    code = 1
    with suppress(BaseException):
        try:
            part()
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        for thread in threading.enumerate():
            if thread is not threading.main_thread() and not thread.daemon:
                thread.join()
        atexit._run_exitfuncs()
        sys.stdout.flush()
    os._exit(code & 0xFF)


def _ended(process: int) -> Ending:
    """Kills a process that may have ended by itself; what came first."""
    try:
        if _leaving(process):
            _wait(process, _LEAVING_SECONDS)
        ended, status, used = os.wait4(process, os.WNOHANG)
        if not ended:
            os.kill(process, signal.SIGKILL)
            _, status, used = os.wait4(process, 0)
    except ChildProcessError:  # it was forked by a nursery that is no more, and is gone with it
        return Ending(-signal.SIGKILL, 0.0, ours=False)
    code = os.waitstatus_to_exitcode(status)
    return Ending(code, used.ru_utime + used.ru_stime, ours=not ended)


def _leaving(process: int) -> bool:
    """Whether the kernel takes it apart already: its pipes are closed well before it can be reaped.

    Else one that was killed from outside would seem to be killed by us.
    """
    try:
        status = Path(f"/proc/{process}/stat").read_text(errors="replace")
    except OSError:
        return False
    return bool(int(status.rpartition(")")[2].split()[_FLAGS]) & _EXITING)


def _wait(process: int, seconds: float) -> None:
    """Returns once a child has ended, at the latest after this time."""
    descriptor = os.pidfd_open(process)
    try:
        select.select([descriptor], [], [], seconds)
    finally:
        os.close(descriptor)


def _become(order: dict[str, Any], descriptors: list[int], parent: int) -> None:
    stdin, stdout, written, status, *pipes = descriptors
    _keep(written, status, *pipes, stdin=stdin, stdout=stdout)
    with os.fdopen(written, encoding="utf-8") as file:
        job = json.load(file)
    os.environ.update(HOME=order["folder"], TMPDIR=order["folder"])
    sys.argv[:] = ["program.py"]
    try:
        confine(Limits(**order["limits"]), order["folder"], parent)
    except OSError as error:
        os.write(status, repr(error).encode())
        raise SystemExit(1) from error
    random.seed(0)  # what code draws, and so its verdict, is the same each time
    os.write(status, READY)
    ROLES[order["role"]](job, *pipes)


def _keep(*kept: int, stdin: int, stdout: int) -> None:
    """Takes the standard streams, and closes every other descriptor that is not kept."""
    os.dup2(stdin, 0)
    os.dup2(stdout, 1)
    edges = [2, *sorted(kept), os.sysconf("SC_OPEN_MAX")]
    for low, high in itertools.pairwise(edges):
        os.closerange(low + 1, high)
    sys.stdin = open(0, encoding="utf-8", errors="replace")  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", errors="replace")  # noqa: SIM115
