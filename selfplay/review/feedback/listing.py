"""What lies in a run's inbox: what waits, what was taken in, what was set aside and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from meta.opinions import Rating
from selfplay.core.errors import DataError, ModelError
from selfplay.review.feedback.inbox import REASON, refused, taken, waiting
from selfplay.review.feedback.reading import Library, library, read_feedback

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
