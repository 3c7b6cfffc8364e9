"""One process owns a run: an operating-system lock on the file `lock` in its directory.

The system releases the lock when its process ends, however it ends; the file stays and names the
last holder. The lock binds on local disks and on network file systems that implement flock(2).
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO

from selfplay.core.errors import LedgerError, ResourceError

# `holder` takes the lock for a moment to see whether it is free; a starting run outlasts that.
_ATTEMPTS = 5
_PAUSE_SECONDS = 0.05


class RunLock:
    """Owns a run directory for as long as the block lasts.

    Raises:
        LedgerError: on entry, another process owns it.
        ResourceError: on entry, the directory cannot be written.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file: IO[str] | None = None

    def __enter__(self) -> RunLock:
        try:
            file = _path(self._directory).open("a+")
        except OSError as error:
            raise ResourceError(
                f"cannot lock the run {self._directory} ({error}); make the directory writable"
            ) from error
        if not _acquire(file):
            name = _read(file)
            file.close()
            raise LedgerError(
                f"the run {self._directory} is in use by {name}; wait for that process, stop it, "
                "or choose another run directory"
            )
        file.truncate(0)
        file.write(json.dumps(_self_description()))
        file.flush()
        self._file = file
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def holder(directory: Path) -> str | None:
    """Who owns the run now, in words; None when no live process does."""
    try:
        file = _path(directory).open()
    except FileNotFoundError:
        return None
    with file:
        return None if _try(file, fcntl.LOCK_SH) else _read(file)


def _path(directory: Path) -> Path:
    return directory / "lock"


def _acquire(file: IO[str]) -> bool:
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE_SECONDS)
        if _try(file, fcntl.LOCK_EX):
            return True
    return False


def _try(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _self_description() -> dict[str, str | int]:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return {"pid": os.getpid(), "host": socket.gethostname(), "since": since}


def _read(file: IO[str]) -> str:
    file.seek(0)
    try:
        found = json.loads(file.read())
        return f"process {found['pid']} on {found['host']} since {found['since']}"
    except (json.JSONDecodeError, KeyError):
        # The holder has the lock and has not written its name yet.
        return "a process that is just starting"
