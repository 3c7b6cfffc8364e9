"""Reading a run without playing it: the database, prompts by part of an id, responses as texts."""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from selfplay.core.errors import DataError
from selfplay.ledger import Ledger, families
from selfplay.ledger.database import Database
from selfplay.paths import LEDGER, POLICY, model_directory

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from selfplay.core.models.chat import ChatTokenizer
    from selfplay.ledger.groups import Decode


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


def decoder(directory: Path) -> Decode:
    """What `Ledger.decode` needs; the tokenizer of the run in `directory` is loaded on first use.

    Raises:
        ModelError: on first use, the tokenizer cannot be loaded.
    """
    loaded: list[ChatTokenizer] = []

    def decode(ids: Sequence[NDArray[np.int32]]) -> list[str]:
        if not loaded:
            from selfplay.core.models.chat import ChatTokenizer
            from selfplay.core.models.pretrained import load_tokenizer

            place = str(_tokenizer_place(directory))
            loaded.append(ChatTokenizer(load_tokenizer(place), place))
        return loaded[0].decode(ids)

    return decode


def _tokenizer_place(directory: Path) -> Path | str:
    """A kept policy version, which holds it; otherwise the model that the run started from."""
    kept = sorted((directory / POLICY).glob("*/tokenizer_config.json"))
    if kept:
        return kept[0].parent
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        return model_directory(ledger.settings["model"]["path"])
