"""One process owns a run: an operating-system lock on the file `lock` in its directory.

The system releases the lock when its process ends, however it ends; the file stays and names the
last holder. The lock binds on local disks and on network file systems that implement flock(2).
Where it cannot be had, nothing is played: two processes could then write one ledger.

Somebody may remove the file while it is held, and whoever came next would lock another one of its
name. So the directory itself is locked as well, where the system can do that, and a file that is no
longer the one of its name is taken anew.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO

from selfplay.core.errors import LedgerError, ResourceError

# `holder` takes the lock for a moment to see whether it is free; a starting run outlasts that.
_ATTEMPTS = 5
_PAUSE_SECONDS = 0.05
LOST = "a process whose lock file was removed"
"""Stands for the holder's name."""


class RunLock:
    """Owns a run directory for as long as the block lasts.

    Raises:
        LedgerError: on entry, another process owns it.
        ResourceError: on entry, the directory cannot be written, or its file system has no locks.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file: IO[str] | None = None
        self._folder: int | None = None

    def __enter__(self) -> RunLock:
        try:
            file = _path(self._directory).open("a+")
            if not _is_named(file, self._directory):  # removed by somebody, in between
                file.close()
                file = _path(self._directory).open("a+")
            self._folder = os.open(self._directory, os.O_RDONLY)
        except OSError as error:
            raise ResourceError(
                f"cannot lock the run {self._directory} ({error}); make the directory writable"
            ) from error
        try:
            acquired = _acquire(file.fileno()) and _acquire(self._folder, if_possible=True)
        except ResourceError:
            file.close()
            self.__exit__(None, None, None)
            raise
        if not acquired:
            name = _holder(file, self._folder) or "a process that has just left"
            file.close()
            self.__exit__(None, None, None)
            raise LedgerError(
                f"the run {self._directory} is in use by {name}; wait for that process, stop it, "
                "or choose another run directory"
            )
        self._file = file
        _describe(file)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            with suppress(OSError):  # what a full disk did not take of the holder's name
                self._file.close()
            self._file = None
        if self._folder is not None:
            os.close(self._folder)
            self._folder = None


def holder(directory: Path) -> str | None:
    """Who owns the run now, in words; None when no live process does, or nobody can tell."""
    try:
        folder = os.open(directory, os.O_RDONLY)
    except OSError:
        return None
    try:
        with _path(directory).open() as file:
            return _holder(file, folder)
    except FileNotFoundError:
        return None if _try(folder, fcntl.LOCK_SH, if_possible=True) else LOST
    except (OSError, ResourceError):
        return None
    finally:
        os.close(folder)


def _holder(file: IO[str], folder: int) -> str | None:
    if not _try(file.fileno(), fcntl.LOCK_SH):
        return _read(file)
    return None if _try(folder, fcntl.LOCK_SH, if_possible=True) else LOST


def _path(directory: Path) -> Path:
    return directory / "lock"


def _is_named(file: IO[str], directory: Path) -> bool:
    """Whether the open file is still the one of its name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), _path(directory).stat())
    except FileNotFoundError:
        return False


def _acquire(descriptor: int, *, if_possible: bool = False) -> bool:
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE_SECONDS)
        if _try(descriptor, fcntl.LOCK_EX, if_possible=if_possible):
            return True
    return False


def _try(descriptor: int, kind: int, *, if_possible: bool = False) -> bool:
    """Whether the lock is had; `if_possible`: or the file system has none for directories."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if not if_possible:
            raise ResourceError(
                f"the file system of the run directory gives no locks ({error.strerror}), so "
                "nothing keeps two processes from playing one run: choose a run directory on a "
                "local disk, or have the network file system mounted with locks (NFS: without "
                "nolock or local_lock)"
            ) from error
    return True


def _describe(file: IO[str]) -> None:
    """Writes who holds the lock; a full disk may have no room for it, which harms nobody."""
    with suppress(OSError):
        file.truncate(0)
        file.write(json.dumps(_self_description()))
        file.flush()


def _self_description() -> dict[str, str | int]:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return {"pid": os.getpid(), "host": socket.gethostname(), "since": since}


def _read(file: IO[str]) -> str:
    file.seek(0)
    try:
        found = json.loads(file.read())
        return f"process {found['pid']} on {found['host']} since {found['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        # The holder has the lock and has not written its name, or something else wrote here.
        return "a process that has not said its name"
