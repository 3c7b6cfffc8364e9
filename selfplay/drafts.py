"""What is made in several steps appears whole or not at all.

It is built beside its place, in `.NAME.partial`, and renamed when it is done; what stood there
before goes only then. Who is killed on the way leaves a draft, which nothing reads and the next
attempt begins by removing. One process at a time makes a thing.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selfplay.core.errors import ConfigError
from selfplay.core.places import writing
from selfplay.ledger.lock import RunLock
from selfplay.paths import LEDGER

_OF_RUNS = (LEDGER, "policy.json")
"""Files that an export never has, and a run or one of its policies always."""


@contextmanager
def draft_of(place: Path) -> Iterator[Path]:
    """An empty directory that becomes `place` at the end of the block; on an error it goes.

    Args:
        place: where nothing is, or an empty directory.

    Raises:
        LedgerError: another process is making the same directory.
        ResourceError: the file system is full, failing or read-only, or something came to be at
            `place` meanwhile.
    """
    with _beside(place) as (draft, _):
        with writing(draft):
            draft.mkdir()
        yield draft
        with writing(place):
            draft.rename(place)


def check_free(place: Path, force: bool) -> None:
    """Refuses to replace what is there unless that is asked for, and to replace a run at all.

    Raises:
        ConfigError: something is there, or a run is.
    """
    if place.is_dir() and any(next(place.rglob(name), None) for name in _OF_RUNS):
        raise ConfigError(
            f"expected an older export or nothing at {place}, found a directory with a run or its "
            "policies, which --force does not replace either; choose another place"
        )
    if (place.exists() or place.is_symlink()) and not force:
        raise ConfigError(
            f"expected nothing at {place}, found {'a directory' if place.is_dir() else 'a file'}; "
            "choose another place, or replace it with --force"
        )


@contextmanager
def whole(place: Path, force: bool) -> Iterator[Path]:
    """Where to write what is moved to `place` in the end, file or directory.

    Raises:
        ConfigError: something is there, and `force` is false; or a run is there.
        LedgerError: another process is making the same.
        ResourceError: the file system is full, failing or read-only.
    """
    check_free(place, force)
    with _beside(place) as (draft, aside), writing(place):
        yield draft
        check_free(place, force)
        _swap(draft, place, aside)


@contextmanager
def _beside(place: Path) -> Iterator[tuple[Path, Path]]:
    """Where `place` is drafted and where what stood there is put aside: nothing is at either."""
    around = place.absolute().with_name(f".{place.absolute().name}.partial")
    new, old = around / "new", around / "old"
    with writing(around):
        around.mkdir(parents=True, exist_ok=True)
    with RunLock(around):
        try:
            with writing(around):
                if old.exists() and not place.exists():  # killed between the two renames
                    old.rename(place)
                for left in (new, old):
                    _remove(left)
                new.mkdir()
            yield new / place.absolute().name, old
        finally:
            shutil.rmtree(around, ignore_errors=True)


def _remove(there: Path) -> None:
    if there.is_dir() and not there.is_symlink():
        shutil.rmtree(there)
    else:
        there.unlink(missing_ok=True)


def _swap(made: Path, place: Path, aside: Path) -> None:
    """Files change places at once; else what is there is moved aside first, and back on failure."""
    if not place.exists() or (place.is_file() and made.is_file()):
        made.replace(place)
        return
    place.rename(aside)
    try:
        made.rename(place)
    except OSError:
        aside.rename(place)
        raise
