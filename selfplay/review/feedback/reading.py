"""Reads a feedback file: every row is checked, and what it refers to is looked up in the run.

The run is only read, as reports do, so this works while it is played.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from meta.anchors.opinions import Opinion, Preference, Rating
from selfplay.core.errors import DataError
from selfplay.core.types import Chat, Group, Prompt
from selfplay.data.rows import read_rows
from selfplay.ledger import Ledger
from selfplay.ledger.codec import prompt_row
from selfplay.ledger.database import Database
from selfplay.ledger.reading import decoder, reading, whole_id
from selfplay.paths import LEDGER
from selfplay.review.feedback.rows import HUMAN, Named, Place, Row, read_row, reads_as

SHOWN = 5
"""Faults of a file that its refusal names."""
T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class Feedback:
    """What a file says."""

    opinions: tuple[Opinion, ...]
    blank: int
    """Rows in which no score was filled in."""
    strangers: int
    """Prompts that the run does not have."""


class Library:
    """A run's prompts and responses."""

    def __init__(self, ledger: Ledger, database: Database) -> None:
        self._ledger, self._database = ledger, database
        self._ids: dict[str | Chat, list[str]] = {}
        self._prompts: dict[str, Prompt] = {}
        self._groups: dict[tuple[int, str], list[Group]] = {}
        self.strangers: set[str] = set()
        """Ids of prompts that were asked for and are not in the run."""

    @property
    def reviews(self) -> bool:
        """Whether the run reviews its rubric, and so takes feedback in."""
        review = self._ledger.settings.get("meta", {}).get("review", {})
        return bool(review.get("enabled", False))

    def look_up(self, rows: Sequence[Row]) -> None:
        """Finds the prompts that the rows spell, all of them at once."""
        self.strangers.clear()
        spelled = [(row.prompt, row.whole) for row in rows if row.prompt]
        ids = {prompt.id for prompt, whole in spelled if whole}
        self._ids |= {id_: [id_] for id_ in self._ledger.known(ids)}
        written = {prompt_row(p)[1]: p.messages for p, whole in spelled if not whole}
        # Messages have no index, so that prompts cost less to keep: one pass for all rows.
        query = (
            "SELECT messages, id FROM prompts WHERE messages IN (SELECT value FROM json_each(?)) "
            "ORDER BY position"
        )
        asking: dict[str | Chat, list[str]] = {}
        for messages, id_ in self._database.rows(query, json.dumps(list(written))):
            asking.setdefault(written[messages], []).append(id_)
        self._ids |= asking
        found = sorted({id_ for own in self._ids.values() for id_ in own} - self._prompts.keys())
        self._prompts |= dict(zip(found, self._ledger.prompts(found), strict=True))

    def by_id(self, prefix: str) -> Prompt:
        """The one prompt whose id begins so.

        Raises:
            DataError: there is none, or there are several.
        """
        return self._ledger.prompts([whole_id(self._database, prefix)])[0]

    def meant(self, prompt: Prompt, whole: bool) -> Prompt:
        """The run's prompt that a row looked up means; else the given one.

        Raises:
            DataError: several prompts of the run have these messages.
        """
        known = self._ids.get(prompt.id if whole else prompt.messages, [])
        if len(known) > 1:
            raise DataError(
                f"the run has {len(known)} prompts with this text, which differ in task or "
                f"answer: {', '.join(known)}; name the one with prompt_id"
            )
        if known:
            return self._prompts[known[0]]
        self.strangers.add(prompt.id)
        return prompt

    def at(self, place: Place) -> tuple[Prompt, str]:
        """The prompt and the response at a place.

        Raises:
            DataError: there is none.
            ModelError: the run's tokenizer cannot be loaded.
        """
        key = (place.round, place.label)
        if key not in self._groups:
            self._groups[key] = self._ledger.groups(*key)
        groups = self._groups[key]
        if place.group >= len(groups):
            raise DataError(
                f"{place}: round {place.round} has {len(groups)} groups '{place.label}'; its "
                f"labels are {', '.join(self._ledger.labels(place.round)) or 'none'}"
            )
        group = groups[place.group]
        if place.response >= len(group.responses):
            raise DataError(f"{place}: the group has {len(group.responses)} responses")
        return group.prompt, group.responses[place.response].text


@contextmanager
def library(directory: Path) -> Iterator[Library]:
    """The prompts and responses of the run in `directory`.

    Raises:
        LedgerError: there is no readable ledger.
    """
    with ExitStack() as stack:
        database = stack.enter_context(reading(directory))
        ledger = stack.enter_context(Ledger.open(directory / LEDGER, read_only=True))
        ledger.decode = decoder(directory)
        yield Library(ledger, database)


def read_feedback(path: Path, run: Library, scorer: str = HUMAN) -> Feedback:
    """The ratings and comparisons of a file (JSON Lines, CSV or Parquet), in its order.

    Args:
        path: the file.
        run: what its rows refer to.
        scorer: of rows that name none.

    Raises:
        DataError: the file or some rows cannot be used, or no score is filled in; names the first
            of the lines.
        ModelError: a row refers to a response, and the run's tokenizer cannot be loaded.
    """
    rows = _each(path, read_rows(path), lambda row: read_row(row, scorer))
    filled = [row for row in rows if row.value is not None]
    if not filled:
        raise DataError(f"{path}: expected scores or comparisons, found {len(rows)} blank rows")
    run.look_up(filled)
    opinions = _each(path, filled, lambda row: resolved(row, run))
    return Feedback(tuple(opinions), len(rows) - len(filled), len(run.strangers))


def _each(path: Path, items: Sequence[T], read: Callable[[T], U]) -> list[U]:
    """All of them, read.

    Raises:
        DataError: some cannot be; names the first ones.
    """
    found, faults = [], []
    for item in items:
        try:
            found.append(read(item))
        except DataError as error:
            faults.append(str(error))
    if faults:
        more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise DataError("\n".join(faults[:SHOWN]) + more)
    return found


def resolved(row: Row, run: Library) -> Opinion:
    """What a row says, of which prompt and responses.

    Raises:
        DataError: the run does not have what it refers to, or it contradicts itself; names the
            line.
        ModelError: the run's tokenizer cannot be loaded.
    """
    try:
        prompt = _prompt(row, run)
        texts = [_text(named, run) for named in row.responses]
        value = row.value or 0.0
        if len(texts) == 1:
            return Rating(prompt, texts[0], value, row.scorer, row.note)
        return Preference(prompt, texts[0], texts[1], value, row.scorer, row.note)
    except DataError as error:
        raise DataError(f"{row.line}: {error}") from error


def _text(named: Named, run: Library) -> str:
    if named.place is None:
        return named.text or ""
    text = run.at(named.place)[1]
    if named.text is not None and not reads_as(named.text, text):
        raise DataError(
            f"{named.place}: the response there is another than the row's; leave one of them out"
        )
    return text


def _prompt(row: Row, run: Library) -> Prompt:
    found = [run.by_id(row.prompt_id)] if row.prompt_id else []
    found += [run.at(named.place)[0] for named in row.responses if named.place]
    if len({prompt.id for prompt in found}) > 1:
        raise DataError("prompt: the row names two; responses to one prompt are compared")
    if found and row.prompt is not None and not reads_as(row.prompt.text, found[0].text):
        raise DataError(
            f"prompt: it is not the text of {found[0].id}, which the row names too; leave one of "
            "them out"
        )
    if found:
        return found[0]
    if row.prompt is None:
        raise DataError("expected a prompt, a prompt_id or the place of a response")
    return run.meant(row.prompt, row.whole)
