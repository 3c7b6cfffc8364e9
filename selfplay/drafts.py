"""What is made in several steps appears whole or not at all.

It is built beside its place and renamed when it is done. Who is killed on the way leaves a draft,
which nothing reads. A new directory (`draft_of`) is drafted as `.NAME.partial/NAME`, which the next
attempt begins by removing; what replaces an older one (`whole`) under a name of its own, and what
stood there before goes only then.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selfplay.core.errors import ConfigError
from selfplay.ledger.lock import RunLock
from selfplay.paths import LEDGER
from selfplay.policies import writing

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
    around = place.absolute().with_name(f".{place.absolute().name}.partial")
    draft = around / place.absolute().name
    with writing(around):
        around.mkdir(parents=True, exist_ok=True)
    with RunLock(around):
        try:
            with writing(draft):
                if draft.exists():
                    shutil.rmtree(draft)
                draft.mkdir()
            yield draft
            with writing(place):
                draft.rename(place)
        finally:
            shutil.rmtree(around, ignore_errors=True)


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
        ResourceError: the file system is full, failing or read-only.
    """
    check_free(place, force)
    with writing(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
        try:
            (draft / "new").mkdir()
            yield draft / "new" / place.name
            check_free(place, force)
            _swap(draft / "new" / place.name, place, draft / "old")
        finally:
            shutil.rmtree(draft, ignore_errors=True)


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
