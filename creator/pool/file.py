"""A copy of a run's pool in a file, so that going on need not fold every round anew.

A cache and no more: without the file, or with one that does not fit, the pool is folded from the
ledger and comes out the same. The file begins with a digest of what follows, which tells a torn
file; a header names the options that the pool depends on, the last round folded, and a mark of that
round's groups, which tells the file of another run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from creator.pool.pool import Pool
from creator.pool.records import Snapshot
from selfplay.core.errors import ResourceError
from selfplay.core.types import Group

NAME = "pool"
"""Of the file in its directory."""
EVERY = 2048
"""Groups folded between two copies, and so about the most that going on has to fold."""
VERSION = 2
"""Raised when the fold or the file changes."""
DIGEST_BYTES = 32


class PoolFile:
    """The file; does nothing without a directory."""

    def __init__(self, directory: Path | None, depends: object) -> None:
        """Takes the directory, and everything besides the groups that the pool depends on."""
        self._path = None if directory is None else directory / NAME
        self._since = 0
        self._key = hashlib.blake2b(repr((VERSION, depends)).encode()).hexdigest()

    def load(self, last: int, history: Callable[[int], Sequence[Group]]) -> tuple[int, Pool]:
        """A round up to `last` and the pool after it; round 0 and an empty pool without a copy.

        The round's groups are asked for, to see whether the copy is of this run.
        """
        packed = b"" if self._path is None or not self._path.is_file() else self._path.read_bytes()
        digest, body = packed[:DIGEST_BYTES], packed[DIGEST_BYTES:]
        if digest != digest_of(body):
            return 0, Pool()
        head, _, records = body.partition(b"\n")
        key, t, mark = json.loads(head)
        if key != self._key or t > last or mark != mark_of(history(t)):
            return 0, Pool()
        return t, Pool.restored(Snapshot.from_bytes(records))

    def folded(self, t: int, groups: Sequence[Group], pool: Pool) -> None:
        """Takes note of the pool after round `t`, whose estimates rest on `groups`.

        Writes it where enough was folded since the last copy.

        Raises:
            ResourceError: the file cannot be written.
        """
        self._since += len(groups)
        if self._path is not None and self._since >= EVERY:
            head = json.dumps([self._key, t, mark_of(groups)]).encode()
            write(self._path, head + b"\n" + pool.snapshot().to_bytes())
            self._since = 0


def write(path: Path, body: bytes) -> None:
    """Writes a file whole or not at all, beginning with its digest.

    Raises:
        ResourceError: it cannot be written.
    """
    draft = path.with_suffix(".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(digest_of(body) + body)
        draft.replace(path)
    except OSError as error:
        raise ResourceError(
            f"{path}: expected to write {len(body):,} bytes, a copy of the pool; found "
            f"'{error.strerror}'. Make room or mend the permissions, then run the same command "
            "again"
        ) from error


def digest_of(body: bytes) -> bytes:
    """Tells whether a file is whole."""
    return hashlib.blake2b(body, digest_size=DIGEST_BYTES).digest()


def mark_of(groups: Sequence[Group]) -> str:
    """A digest of the prompts and rewards of judged groups."""
    seen = [(g.prompt.id, g.policy_version, g.fingerprint, g.rewards.tolist()) for g in groups]
    return hashlib.blake2b(repr(seen).encode(), digest_size=16).hexdigest()
