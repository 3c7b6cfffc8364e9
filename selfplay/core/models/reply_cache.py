"""Replies of model servers, kept in a file, so that the same question is not paid for twice.

The file is an SQLite database (WAL: any number of processes may share it) with one row for each
request. The key is a hash of the address and the whole request: model, messages, sampling, `n`,
seed and every further field such as `response_format`. A rubric stands in the messages that ask
for a judgement, and so in the key. The seed is part of it even where the server is not sent one:
else equal chats, which are to draw differently, would get one reply. The server's API key is not.

A reply is committed as soon as it is there. After a power cut the last ones may be missing and are
asked for again; nothing else can be lost. Weights behind an address can change without its name:
then take another file.

Left out: a bound on the size (delete the file to clear it) and ages.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from selfplay.core.errors import DataError, ResourceError, SelfplayError

APPLICATION_ID = 0x53504C43
"""Marks an SQLite file as a cache of replies: `SPLC`."""
_VERSION = 1
"""Of the layout and of the keys."""
_BUSY_SECONDS = 30.0

_CREATE = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS replies (
    key BLOB PRIMARY KEY,   -- hash of address, request and seed
    model TEXT NOT NULL,
    reply TEXT NOT NULL     -- the server's JSON
);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {_VERSION};
COMMIT;
"""


class Request(NamedTuple):
    """What a server is asked."""

    url: str
    body: Mapping[str, Any]
    """All of it; the order of fields counts, as it does in a JSON schema for some servers."""
    seed: int
    """Of the draw, whether or not the body says it."""

    @property
    def key(self) -> bytes:
        """16 bytes that name it."""
        content = json.dumps([_VERSION, self.url, self.seed, self.body]).encode()
        return hashlib.blake2b(content, digest_size=16).digest()


class Cache(Protocol):
    """What remembers replies."""

    def get(self, request: Request) -> dict[str, Any] | None:
        """The reply that is kept; None where there is none."""

    def put(self, request: Request, reply: Mapping[str, Any]) -> None:
        """Keeps a reply; the first one to a request stays."""


class NoCache:
    """Remembers nothing."""

    def get(self, request: Request) -> dict[str, Any] | None:
        """None."""
        return None

    def put(self, request: Request, reply: Mapping[str, Any]) -> None:
        """Does nothing."""


class ReplyCache:
    """An open file of replies."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        """Takes a connection to a file that holds the table."""
        self._path, self._connection = path, connection

    def get(self, request: Request) -> dict[str, Any] | None:
        """As `Cache.get`.

        Raises:
            DataError: the file is damaged.
            ResourceError: it cannot be read.
        """
        with _explained(self._path):
            found = self._connection.execute(
                "SELECT reply FROM replies WHERE key = ?", (request.key,)
            )
            row = found.fetchone()
        if row is None:
            return None
        try:
            reply = json.loads(row[0])
        except (ValueError, TypeError) as error:
            raise _damaged(self._path, f"a reply that is no JSON ({error})") from error
        if not isinstance(reply, dict):
            raise _damaged(self._path, "a reply that is no JSON object")
        return reply

    def put(self, request: Request, reply: Mapping[str, Any]) -> None:
        """As `Cache.put`, committed at once.

        Raises:
            DataError: the file is damaged.
            ResourceError: it cannot be written.
        """
        row = (request.key, str(request.body.get("model")), json.dumps(reply))
        with _explained(self._path):
            self._connection.execute("INSERT OR IGNORE INTO replies VALUES (?, ?, ?)", row)


@contextmanager
def open_cache(path: str) -> Iterator[Cache]:
    """The cache in a file, which is made if need be; one that remembers nothing for no path.

    Raises:
        DataError: the file is no cache of replies, or is damaged.
        ResourceError: it cannot be read or written, or stays locked.
    """
    if not path:
        yield NoCache()
        return
    file = Path(path)
    with closing(_connected(file)) as connection:
        yield ReplyCache(file, connection)


def _connected(file: Path) -> sqlite3.Connection:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResourceError(
            f"{file}: expected a folder for the cache of replies, found {error}; choose another "
            "path in `cache`"
        ) from error
    with _explained(file):
        connection = sqlite3.connect(file, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            _prepare(file, connection)
        except (sqlite3.Error, SelfplayError):
            connection.close()
            raise
    return connection


def _prepare(file: Path, connection: sqlite3.Connection) -> None:
    """Makes the table in an empty file; refuses another program's database untouched."""
    if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(_CREATE)
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if (application, version) != (APPLICATION_ID, _VERSION):
        raise DataError(
            f"{file}: expected a cache of replies of version {_VERSION}, found another database "
            f"(application {application}, version {version}); choose another path in `cache`"
        )
    connection.execute("PRAGMA synchronous = NORMAL")


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    """Errors of SQLite leave this block as errors of the program."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise _damaged(file, str(error)) from error
        raise ResourceError(
            f"{file}: expected to read and write the cache of replies, found: {error}. Look at the "
            "disk's free space and the file's permissions, or choose another path in `cache`"
        ) from error


def _damaged(file: Path, found: str) -> DataError:
    return DataError(
        f"{file}: expected a cache of replies, found {found}. Delete the file with its -wal and "
        "-shm: what is lost is only asked for again"
    )
