"""The SQLite connection: how it is opened, its transactions, and what its errors mean.

WAL mode: one writer, any number of readers at the same time, and a `kill -9` leaves the last
committed state. `synchronous=NORMAL` may lose the last commits to a power cut, never consistency.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selfplay.core.errors import DataError, LedgerError, ResourceError, SelfplayError
from selfplay.ledger.schema import MIGRATIONS, check_version, migrate

BUSY_SECONDS = 10.0
QUICK_CHECK_BYTES = 64 * 2**20
"""A larger file is not walked at opening: a damaged page is then reported when it is read."""

_KEPT = "Everything committed before is kept"
_MEANINGS: dict[int, tuple[type[SelfplayError], str]] = {
    sqlite3.SQLITE_FULL: (
        ResourceError,
        f"no space left on the disk. {_KEPT}: free some space and run the same command again",
    ),
    sqlite3.SQLITE_IOERR: (
        ResourceError,
        (
            f"the disk failed to read or write. {_KEPT}: check the disk and its free space, "
            "then run the same command again"
        ),
    ),
    sqlite3.SQLITE_READONLY: (
        ResourceError,
        (
            f"it is open for reading only. {_KEPT}: make the run directory writable and run the "
            "same command again"
        ),
    ),
    sqlite3.SQLITE_CANTOPEN: (
        ResourceError,
        (
            "it cannot be opened: make the run directory readable and writable, or copy it to "
            "where it is"
        ),
    ),
    sqlite3.SQLITE_PERM: (
        ResourceError,
        "access is denied: make the run directory readable and writable",
    ),
    sqlite3.SQLITE_NOMEM: (
        ResourceError,
        f"no memory left. {_KEPT}: free some memory and run the same command again",
    ),
    sqlite3.SQLITE_BUSY: (
        LedgerError,
        (
            f"another process is writing to it. {_KEPT}: wait for that process or stop it. Where "
            "there is none, its file system gives no locks: put the run on a local disk"
        ),
    ),
    sqlite3.SQLITE_CORRUPT: (
        LedgerError,
        (
            "the file is damaged or cut short: restore it from a copy (together with its -wal "
            "file, if the copy has one), or start a new run"
        ),
    ),
    sqlite3.SQLITE_NOTADB: (
        LedgerError,
        (
            "expected an SQLite database, found another kind of file: check the path, restore it "
            "from a copy, or start a new run"
        ),
    ),
    sqlite3.SQLITE_CONSTRAINT: (
        LedgerError,
        (
            "what is written contradicts what is there (written twice, or refers to something "
            "that was never written). Nothing of it was kept"
        ),
    ),
}


_NO_LOCKS = (
    LedgerError,
    (
        "its file system gives no locks or no shared memory, which a ledger needs: put the run "
        "directory on a local disk, or have the network file system mounted with locks"
    ),
)
_NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
_EXTENDED: dict[int, tuple[type[SelfplayError], str]] = dict.fromkeys(
    (
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOLFS,
        sqlite3.SQLITE_IOERR_LOCK,
        sqlite3.SQLITE_IOERR_UNLOCK,
        sqlite3.SQLITE_IOERR_RDLOCK,
        sqlite3.SQLITE_IOERR_CHECKRESERVEDLOCK,
        sqlite3.SQLITE_IOERR_SHMLOCK,
        sqlite3.SQLITE_IOERR_SHMMAP,
        sqlite3.SQLITE_IOERR_SHMOPEN,
        sqlite3.SQLITE_IOERR_SHMSIZE,
    ),
    _NO_LOCKS,
)
"""Codes that say more than their last eight bits."""
_NOT_TEXT = "Could not decode to UTF-8"
"""How Python's sqlite3 begins to say, without a code, that a text is none."""


def explain(error: sqlite3.Error, path: Path) -> SelfplayError | None:
    """The error in the program's vocabulary; None when SQLite was merely misused."""
    code = getattr(error, "sqlite_errorcode", 0) or 0
    if str(error).startswith(_NOT_TEXT):
        code = sqlite3.SQLITE_CORRUPT
    found = _EXTENDED.get(code) or _MEANINGS.get(code & 0xFF)
    if found is None:
        return None
    kind, meaning = found
    return kind(f"{path}: {meaning} ({error})")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Errors of SQLite leave this block as errors of the program."""
    try:
        yield
    except sqlite3.Error as error:
        meaning = explain(error, path)
        if meaning is None:
            raise
        raise meaning from error
    except UnicodeEncodeError as error:
        raise DataError(
            f"{path}: expected text in valid Unicode, found a lone surrogate ({error}); "
            "repair the text where it comes from"
        ) from error


class Database:
    """An open ledger file."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.path = path
        self._connection = connection
        self._in_block = False
        self._unfinished = 0

    @classmethod
    def create(cls, path: Path, run: Iterable[tuple[str, str]]) -> None:
        """Makes a new file with the rows of its `run` table, whole or not at all.

        Raises:
            LedgerError: there is a file already.
            ResourceError: the directory cannot be written.
        """
        draft = _draft(path)
        with explained(path):
            connection = sqlite3.connect(draft, isolation_level=None)
            try:
                migrate(connection)
                connection.executemany("INSERT INTO run VALUES (?, ?)", run)
            finally:
                connection.close()
        draft.replace(path)

    @classmethod
    def open(
        cls, path: Path, *, read_only: bool = False, migrations: Sequence[str] = MIGRATIONS
    ) -> Database:
        """Opens a file. For writing its schema is brought up to date; for reading only, one of an
        older schema stays as it is, and a temporary copy that is up to date is read in its place.

        Raises:
            LedgerError: missing, no ledger, damaged, or of a newer schema.
            ResourceError: its place cannot be written (or, reading, not even read).
        """
        if not path.is_file():
            raise LedgerError(f"expected a ledger at {path}, found none; check the run directory")
        if not read_only:
            _check_writable(path)
        _check_whole(path)
        with explained(path):
            connection = sqlite3.connect(
                f"{path.resolve().as_uri()}?{_mode(path, read_only)}",
                uri=True,
                isolation_level=None,
                timeout=BUSY_SECONDS,
            )
            try:
                current = check_version(connection, str(path), migrations)
                if not read_only:
                    _prepare(connection, path, migrations)
                elif not current:
                    connection = _up_to_date(connection, migrations)
            except (sqlite3.Error, SelfplayError):
                connection.close()
                raise
        return cls(connection, path)

    def copy(self, path: Path, change: Callable[[Database], None]) -> None:
        """Copies the last committed state to a new file, changed, whole or not at all.

        A writer may go on meanwhile. References are not checked while `change` writes.

        Raises:
            LedgerError: there is a file already.
            ResourceError: the directory cannot be written, or the disk is full.
        """
        draft = _draft(path)
        with explained(path):
            connection = sqlite3.connect(draft, isolation_level=None)
            try:
                self._connection.backup(connection)
                # The draft's own WAL would stay behind when the draft gets its name.
                connection.execute("PRAGMA journal_mode=DELETE")
                change(Database(connection, path))
                connection.execute("VACUUM")
            finally:
                connection.close()
        draft.replace(path)

    def close(self) -> None:
        """Closes the file; what is not committed is dropped."""
        self._connection.close()

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with explained(self.path):
            return self._connection.execute(sql, values).fetchall()

    def stream(self, sql: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, a few at a time."""
        with explained(self.path):
            yield from self._connection.execute(sql, values)

    def define(self, name: str, function: Callable[[Any], Any]) -> None:
        """Makes a pure function of one value known to the queries of this connection."""
        self._connection.create_function(name, 1, function, deterministic=True)

    def write(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Executes a statement once for each of `rows`, within the transaction in progress.

        Raises:
            LedgerError: no transaction is in progress, or the rows contradict what is there.
            ResourceError: the disk is full, failing or read-only.
        """
        if not self._connection.in_transaction:
            raise LedgerError(f"{self.path}: expected a write inside of a transaction")
        with explained(self.path):
            self._connection.executemany(sql, rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes of the block are kept, or none. A block inside of another one joins it.

        Raises:
            LedgerError: an inner block failed, and its error was swallowed on the way out.
        """
        if self._in_block:
            self._unfinished += 1
            yield
            self._unfinished -= 1
            return
        with explained(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
        self._in_block, self._unfinished = True, 0
        try:
            yield
            if self._unfinished:
                raise LedgerError(f"{self.path}: a part of a transaction failed; nothing was kept")
            with explained(self.path):
                self._connection.execute("COMMIT")
        finally:
            self._in_block = False
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


def _draft(path: Path) -> Path:
    """Where a new file is made before it gets its name; nothing is there."""
    if path.exists():
        raise LedgerError(
            f"expected no ledger at {path}, found one; resume that run, or choose another "
            "run directory"
        )
    draft = path.with_name(path.name + ".new")
    _make_writable_directory(path.parent)
    # A journal that a killed process left behind would be played back into the new draft.
    for suffix in ("", "-journal", "-wal", "-shm"):
        draft.with_name(draft.name + suffix).unlink(missing_ok=True)
    return draft


def _up_to_date(old: sqlite3.Connection, migrations: Sequence[str]) -> sqlite3.Connection:
    """A copy of the last committed state in a temporary file of SQLite's, without a name."""
    copy = sqlite3.connect("", isolation_level=None)
    try:
        old.backup(copy)
        migrate(copy, migrations)
    except sqlite3.Error as error:
        copy.close()
        if (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _NO_ROOM:
            raise ResourceError(
                f"its schema is older, and a temporary copy to read cannot be made ({error}): "
                "make room in the temporary folder, or set SQLITE_TMPDIR to another one"
            ) from error
        raise
    old.close()
    return copy


def _prepare(connection: sqlite3.Connection, path: Path, migrations: Sequence[str]) -> None:
    """For writing."""
    if path.stat().st_size <= QUICK_CHECK_BYTES:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise LedgerError(f"{path}: {_MEANINGS[sqlite3.SQLITE_CORRUPT][1]} ({found})")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    migrate(connection, migrations)
    connection.execute("PRAGMA foreign_keys=ON")


def _check_whole(path: Path) -> None:
    """Refuses a file that ends within a page; whole pages that are missing SQLite notices."""
    try:
        with path.open("rb") as file:
            header = file.read(18)
    except OSError as error:
        raise ResourceError(f"cannot read {path} ({error}); make it readable") from error
    page = int.from_bytes(header[16:], "big")
    # The file format writes 65536, which does not fit there, as 1.
    is_sqlite = header.startswith(b"SQLite format 3\0") and page > 1
    if is_sqlite and not _has_wal(path) and path.stat().st_size % page:
        raise LedgerError(f"{path}: {_MEANINGS[sqlite3.SQLITE_CORRUPT][1]} (half a page)")


def _has_wal(path: Path) -> bool:
    wal = path.with_name(path.name + "-wal")
    return wal.exists() and wal.stat().st_size > 0


def _mode(path: Path, read_only: bool) -> str:
    if not read_only:
        return "mode=rw"
    # A WAL database needs its -shm file, which cannot be made where nothing can be written. With
    # nothing in -wal there is nothing to coordinate, and the main file alone is the whole database.
    return "mode=ro" if _has_wal(path) or os.access(path.parent, os.W_OK) else "immutable=1"


def _check_writable(path: Path) -> None:
    for place in (path, path.parent):
        if not os.access(place, os.W_OK):
            raise ResourceError(
                f"{path}: {place} is read-only; make it writable, or copy the run directory to "
                "where it is"
            )


def _make_writable_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResourceError(
            f"cannot make the run directory {directory} ({error}); choose another one"
        ) from error
    if not os.access(directory, os.W_OK):
        raise ResourceError(f"the run directory {directory} is read-only; choose another one")
