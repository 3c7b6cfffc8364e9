"""Claims about the run's lock, across processes."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from selfplay.core.errors import LedgerError, ResourceError
from selfplay.ledger import RunLock, holder
from selfplay.ledger.lock import LOST

HOLDER = """
import sys
from pathlib import Path
from selfplay.ledger import RunLock

with RunLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_with_the_holders_name(
    tmp_path: Path, other: subprocess.Popen[str]
) -> None:
    with pytest.raises(LedgerError, match=f"in use by process {other.pid} on .* since "):
        RunLock(tmp_path).__enter__()
    assert f"process {other.pid} on " in (holder(tmp_path) or "")


def test_a_killed_holder_loses_the_lock(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    other.kill()
    other.wait()
    assert holder(tmp_path) is None
    with RunLock(tmp_path):
        assert f"process {os.getpid()} on " in (holder(tmp_path) or "")


def test_the_lock_is_released_at_the_end_of_its_block(tmp_path: Path) -> None:
    for _ in range(2):
        with RunLock(tmp_path):
            pass
        assert holder(tmp_path) is None


def test_a_directory_that_was_never_run_has_no_holder(tmp_path: Path) -> None:
    assert holder(tmp_path) is None


def test_a_holder_that_has_not_written_its_name_is_starting(tmp_path: Path) -> None:
    with RunLock(tmp_path):
        (tmp_path / "lock").write_text("")
        assert holder(tmp_path) == "a process that has not said its name"


def test_a_missing_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="make the directory writable"):
        RunLock(tmp_path / "none").__enter__()


def test_a_lock_whose_file_was_removed_still_binds(
    tmp_path: Path, other: subprocess.Popen[str]
) -> None:
    (tmp_path / "lock").unlink()
    assert holder(tmp_path) == LOST
    for _ in range(2):
        with pytest.raises(LedgerError, match=f"in use by {LOST}"):
            RunLock(tmp_path).__enter__()
        assert holder(tmp_path) == LOST
    other.kill()
    other.wait()
    with RunLock(tmp_path):
        assert f"process {os.getpid()} on " in (holder(tmp_path) or "")
    assert holder(tmp_path) is None


def test_a_file_system_without_locks_for_directories_has_the_files_alone(
    tmp_path: Path, other: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fcntl.flock

    def flock(descriptor: int, kind: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EBADF, "no lock for a directory")
        real(descriptor, kind)

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(LedgerError, match=f"in use by process {other.pid}"):
        RunLock(tmp_path).__enter__()
    other.kill()
    other.wait()
    with RunLock(tmp_path):
        pass
    assert holder(tmp_path) is None


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK])
def test_a_file_system_without_locks_is_named_and_nothing_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(file: object, kind: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(ResourceError, match=r"gives no locks .* local disk"):
        RunLock(tmp_path).__enter__()
    assert holder(tmp_path) is None


def test_a_disk_without_room_for_the_holders_name_is_no_fault_of_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json, "dumps", lambda *_, **__: _full())
    with RunLock(tmp_path):
        assert holder(tmp_path) == "a process that has not said its name"


def _full() -> str:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
