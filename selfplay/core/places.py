"""Paths: texts that may be one, and writing to one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selfplay.core.errors import ResourceError


def is_there(place: Path) -> bool:
    """Is it a file or a directory? What no path can be (too long, a zero byte) is none, as is what
    cannot be looked up.
    """
    try:
        return place.exists()
    except (OSError, ValueError):
        return False


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns a failure of the file system into an error that says what to do."""
    try:
        yield
    except OSError as error:
        raise ResourceError(
            f"cannot write {path}: {error.strerror or error}. Nothing committed is lost: make room "
            "or make the folder writable, then run the same command again"
        ) from error
