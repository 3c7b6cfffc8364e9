"""A run directory that is made in several steps appears whole or not at all.

It is built as `.NAME.partial/NAME` beside its place and renamed when it is done. Who is killed on
the way leaves the draft, which nothing reads and the next attempt begins by removing.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selfplay.ledger.lock import RunLock
from selfplay.policies import writing


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
