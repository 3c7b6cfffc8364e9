"""The inbox of a run: `feedback/*.jsonl` waits, `feedback/taken` was taken in.

`deliver` writes a file whole or not at all: beside its place, flushed, then renamed. What it writes
needs nothing of the run but the prompts' ids, so that it is read alike at any later time. Files are
taken in in the order of their names, which are numbers and a hash of what they hold.

What feedback amounts to depends on all of it, so the files in `feedback/taken` are part of the run.

`listing` says what waits, what was taken in, and what was set aside and why.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from meta.anchors.anchors import Anchor
from meta.anchors.file import prompt_row
from meta.anchors.opinions import Opinion, Rating, anchors_from_opinions
from selfplay.core.errors import DataError, LedgerError, ModelError
from selfplay.core.places import writing
from selfplay.review.feedback.reading import Feedback, Library, library, read_feedback
from selfplay.review.feedback.rows import HUMAN

INBOX = "feedback"
TAKEN = "taken"
REFUSED = "refused"
"""Folders of the run directory: the inbox, and inside of it what was taken in and set aside."""
REASON = ".reason.txt"
"""Behind the name of a file that was set aside: why."""


class Delivery(NamedTuple):
    """A file in the inbox, or one of the same contents that was there before."""

    path: Path
    feedback: Feedback
    new: bool
    reviews: bool
    """Whether the run reviews its rubric; else the file waits until it does."""

    @property
    def counts(self) -> dict[str, int]:
        """What the file says: by opinions, by prompts, and what is to be noted of its rows."""
        opinions = self.feedback.opinions
        ratings = sum(isinstance(opinion, Rating) for opinion in opinions)
        anchors = anchors_from_opinions(opinions)
        scales = Counter((anchor.prompt.id, anchor.scorer) for anchor in anchors)
        return {
            "ratings": ratings,
            "comparisons": len(opinions) - ratings,
            "prompts": len({anchor.prompt.id for anchor in anchors}),
            "blank": self.feedback.blank,
            "strangers": self.feedback.strangers,
            "alone": sum(size == 1 for size in scales.values()),
        }

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        place = {"path": str(self.path), "new": self.new, "reviews": self.reviews}
        return {**place, **self.counts}


@dataclass(frozen=True)
class Intake:
    """What all feedback so far amounts to."""

    anchors: tuple[Anchor, ...] = ()
    """Appending them to an anchor set that has them already changes nothing."""
    files: tuple[str, ...] = ()
    """Names of those that waited."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """By name, why a file cannot be used."""

    @property
    def metrics(self) -> dict[str, float]:
        """What a review counts of it; nothing where nothing waited."""
        found = {"feedback_files": len(self.files), "feedback_refused": len(self.refused)}
        return {name: float(count) for name, count in found.items() if any(found.values())}


def waiting(directory: Path) -> list[Path]:
    """The files in the inbox of the run in `directory`, in their order."""
    return _files(directory / INBOX)


def taken(directory: Path) -> list[Path]:
    """The files that were taken in, in their order."""
    return _files(directory / INBOX / TAKEN)


def refused(directory: Path) -> list[Path]:
    """The files that were set aside, in their order."""
    return _files(directory / INBOX / REFUSED)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.jsonl") if not path.name.startswith("."))


def deliver(directory: Path, path: Path, scorer: str = HUMAN) -> Delivery:
    """Checks a feedback file against the run in `directory` and puts it into its inbox.

    Args:
        directory: of the run, which may be playing.
        path: JSON Lines, CSV or Parquet; see `selfplay.review.feedback.rows`.
        scorer: of rows that name none.

    Returns:
        The file in the inbox, and what it says.

    Raises:
        DataError: the file or some rows cannot be used; names the lines.
        LedgerError: there is no readable ledger.
        ModelError: a row refers to a response, and the run's tokenizer cannot be loaded.
        ResourceError: the inbox cannot be written.
    """
    with library(directory) as run:
        found, reviews = read_feedback(path, run, scorer), run.reviews
    text = "".join(json.dumps(row_of(o), ensure_ascii=False) + "\n" for o in found.opinions)
    digest = hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
    there = [*taken(directory), *waiting(directory)]
    for old in there:
        if old.stem.endswith(digest):
            return Delivery(old, found, False, reviews)
    numbers = [old.stem.partition("-")[0] for old in [*there, *refused(directory)]]
    number = max((int(n) for n in numbers if n.isdecimal()), default=0) + 1
    place = directory / INBOX / f"{number:06}-{digest}.jsonl"
    with writing(place):
        _write(place, text)
    return Delivery(place, found, True, reviews)


def row_of(opinion: Opinion) -> dict[str, Any]:
    """The row that says it, its prompt whole."""
    said: dict[str, Any]
    if isinstance(opinion, Rating):
        said = {"response": opinion.response, "score": opinion.score}
    else:
        said = {"chosen": opinion.chosen, "rejected": opinion.rejected}
        said |= {"probability": opinion.probability}
    said |= {"scorer": opinion.scorer}
    said |= {"note": opinion.note} if opinion.note else {}
    return prompt_row(opinion.prompt) | said


def _write(place: Path, text: str) -> None:
    place.parent.mkdir(exist_ok=True)
    partial = place.with_name(f".{place.name}.{os.getpid()}.partial")
    with partial.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(place)
    descriptor = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def take_in(directory: Path) -> Intake:
    """What the feedback of the run in `directory` amounts to, all that came so far.

    Reads and changes nothing: `settle` does that, once what is made of it is committed. Append the
    anchors behind all others of the review, since a later score of a response takes the place of an
    earlier one: so the word of people stays, and a review that is repeated appends nothing.

    Raises:
        LedgerError: there is no readable ledger.
    """
    there, new = taken(directory), waiting(directory)
    if not there and not new:
        return Intake()
    opinions: list[Opinion] = []
    faults: dict[str, str] = {}
    with library(directory) as run:
        for path in sorted([*there, *new], key=lambda path: path.name):
            try:
                opinions += read_feedback(path, run).opinions
            except (DataError, LedgerError, ModelError, OSError) as error:
                faults[path.name] = str(error)
    files = tuple(path.name for path in new if path.name not in faults)
    return Intake(tuple(anchors_from_opinions(opinions)), files, faults)


def settle(directory: Path, intake: Intake) -> None:
    """Moves what was taken in to `taken`, and what cannot be used to `refused` with the reason.

    Call it after the review's commit. A file that cannot be moved stays, and the next review does
    with it what this one did: it appends nothing.
    """
    inbox = directory / INBOX
    for name in intake.files:
        _move(inbox / name, inbox / TAKEN)
    for name, reason in intake.refused.items():
        # Feedback is no reason to stop a run, so neither is a folder that cannot be written.
        with suppress(OSError):
            (inbox / REFUSED).mkdir(exist_ok=True)
            (inbox / REFUSED / f"{name}{REASON}").write_text(reason + "\n", encoding="utf-8")
        old = inbox / name
        _move(old if old.exists() else inbox / TAKEN / name, inbox / REFUSED)


def _move(path: Path, folder: Path) -> None:
    with suppress(OSError):
        folder.mkdir(exist_ok=True)
        path.replace(folder / path.name)


State: TypeAlias = Literal["waiting", "taken", "refused"]


@dataclass(frozen=True)
class Entry:
    """One file."""

    name: str
    state: State
    ratings: int = 0
    comparisons: int = 0
    prompts: int = 0
    scorers: tuple[str, ...] = ()
    reason: str = ""
    """Why it was set aside, or, where it waits, would be."""

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def listing(directory: Path) -> list[Entry]:
    """The feedback of the run in `directory`.

    Returns:
        Its files: those that wait first, then those taken in, then those refused.

    Raises:
        LedgerError: there is no readable ledger.
    """
    with library(directory) as run:
        found = [_entry(path, "waiting", run) for path in waiting(directory)]
        found += [_entry(path, "taken", run) for path in taken(directory)]
    return found + [
        Entry(path.name, "refused", reason=_reason(path)) for path in refused(directory)
    ]


def _entry(path: Path, state: State, run: Library) -> Entry:
    try:
        opinions = read_feedback(path, run).opinions
    except (DataError, ModelError, OSError) as error:
        return Entry(path.name, state, reason=str(error))
    kinds = Counter(isinstance(opinion, Rating) for opinion in opinions)
    prompts = {opinion.prompt.id for opinion in opinions}
    scorers = tuple(sorted({opinion.scorer for opinion in opinions}))
    return Entry(path.name, state, kinds[True], kinds[False], len(prompts), scorers)


def _reason(path: Path) -> str:
    note = path.with_name(path.name + REASON)
    return note.read_text(encoding="utf-8").strip() if note.is_file() else "no reason was noted"
