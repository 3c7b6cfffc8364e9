"""Opening a run's database for looking only, and finding a prompt by a part of its id."""

from __future__ import annotations

import string
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selfplay.core.errors import DataError
from selfplay.ledger import families
from selfplay.ledger.database import Database
from selfplay.paths import LEDGER

CANDIDATES = 5
"""Ids that an ambiguous prefix is answered with."""


@contextmanager
def reading(directory: Path) -> Iterator[Database]:
    """The database of the run in `directory`.

    Raises:
        LedgerError: there is no readable ledger.
    """
    database = Database.open(directory / LEDGER, read_only=True)
    try:
        yield database
    finally:
        database.close()


def whole_id(database: Database, prefix: str) -> str:
    """The one id that begins with `prefix`.

    Raises:
        DataError: none or several do, or it is no part of an id.
    """
    given = prefix.strip().lower()
    if not given or set(given) - set(string.hexdigits):
        raise DataError(
            f"expected a prompt's id or its first digits (0-9, a-f), found '{prefix}'; "
            "`selfplay prompts search` lists ids"
        )
    found = families.with_prefix(database, given, CANDIDATES + 1)
    if not found:
        raise DataError(
            f"expected a prompt whose id begins with '{given}', found none in this run; "
            "`selfplay prompts search` lists ids"
        )
    if len(found) > 1:
        more = ", …" if len(found) > CANDIDATES else ""
        raise DataError(
            f"expected one prompt whose id begins with '{given}', found "
            f"{', '.join(found[:CANDIDATES])}{more}; give more digits"
        )
    return found[0]
