"""What is worth knowing of a file before its rows are asked or learned, though nothing is wrong.

Columns that have no effect, rows that repeat earlier ones, rows that contradict them, and prompts
without the gold answer that others have. Each is counted and told once, with the first place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from pathlib import Path

from selfplay.core.guard import shortened
from selfplay.core.types import Chat, Prompt
from selfplay.data.columns import KNOWN, MATTER
from selfplay.data.exported import COLUMN, FAMILY

NAMED = 12
"""Columns without effect that are named."""


class Census:
    """Counts the rows of a file as they are read."""

    def __init__(self, path: Path, names: Iterable[str], used: Set[str], golden: bool) -> None:
        """Begins at nothing.

        Args:
            path: of the file.
            names: of its columns.
            used: those that have an effect.
            golden: whether a column holds gold answers.
        """
        self._path = path
        self._idle = [name for name in names if name not in used | {COLUMN, FAMILY}]
        self._golden = golden
        self._golds: dict[tuple[str, Chat], str | None] = {}
        self.rows = 0
        self.duplicates = 0
        self.without_gold = 0
        self.conflicts: dict[str, None] = {}
        """Ids of prompts that ask what an earlier one asks, with another gold answer."""
        self.opposites = 0
        """Rows that say the opposite of an earlier one about the same responses."""
        self._better: dict[tuple[str, tuple[str, ...]], float] = {}
        self._first: dict[str, str] = {}

    def count(self, prompt: Prompt, place: str, repeated: bool) -> None:
        """Counts a row.

        Args:
            prompt: that it spells.
            place: of the row.
            repeated: whether the row says what an earlier one said.
        """
        self.rows += 1
        if prompt.answer is None and prompt.puzzle is None:
            self.without_gold += 1
            self._first.setdefault("gold", place)
        if repeated:
            self.duplicates += 1
            self._first.setdefault("duplicate", place)
            return
        asked = (prompt.task, prompt.messages)
        gold = self._golds.setdefault(asked, prompt.answer)
        if gold != prompt.answer:
            self.conflicts[prompt.id] = None
            self._first.setdefault("conflict", f"{place}: '{shortened(prompt.text, 60)}'")

    def compare(
        self, prompt: Prompt, texts: tuple[str, ...], rewards: Sequence[float | None], place: str
    ) -> None:
        """Counts a row of one or two scored responses that contradicts an earlier one.

        Two responses were compared the other way round, or one was scored otherwise.
        """
        if len(texts) > 2 or None in rewards:
            return
        scores = [reward for reward in rewards if reward is not None]
        gap = scores[0] - scores[-1] if len(texts) == 2 else scores[0]
        earlier = self._better.setdefault((prompt.id, texts), gap)
        mirrored = self._better.get((prompt.id, texts[::-1]), 0.0) if len(texts) == 2 else 0.0
        if mirrored * gap > 0 or (len(texts) == 1 and earlier != gap):
            self.opposites += 1
            self._first.setdefault("opposite", place)

    def notes(self) -> tuple[str, ...]:
        """What is told of the file."""
        return (*self._of_columns(), *self._of_rows())

    def _of_columns(self) -> list[str]:
        notes = [
            f"{self._path}: the column '{name}' is not used: {MATTER[name]}"
            for name in self._idle
            if name in MATTER
        ]
        notes += [
            f"{self._path}: the column '{name}' is not used: names are read as they are written, "
            f"so call it '{name.lower()}' if it is that"
            for name in self._idle
            if name not in KNOWN and name.lower() in KNOWN
        ]
        told = MATTER.keys() | {n for n in self._idle if n not in KNOWN and n.lower() in KNOWN}
        rest = [name for name in self._idle if name not in told]
        if rest:
            more = f" and {len(rest) - NAMED} more" if len(rest) > NAMED else ""
            notes.append(
                f"{self._path}: kept beside the prompts and not used: "
                f"{', '.join(rest[:NAMED])}{more}"
            )
        return notes

    def _of_rows(self) -> list[str]:
        notes = []
        if self.duplicates:
            notes.append(
                f"{self._path}: {self.duplicates:,} of {self.rows:,} rows repeat an earlier one, "
                f"the first at {self._first['duplicate']}"
            )
        if self.conflicts:
            notes.append(
                f"{self._path}: {len(self.conflicts):,} questions are asked again with another "
                f"gold answer, the first at {self._first['conflict']}; the same response is right "
                "by one of them and wrong by the other: keep one"
            )
        if self.opposites:
            notes.append(
                f"{self._path}: {self.opposites:,} rows contradict an earlier one about the same "
                f"responses, the first at {self._first['opposite']}: keep one"
            )
        if self._golden and self.without_gold:
            notes.append(
                f"{self._path}: {self.without_gold:,} of {self.rows:,} rows have no gold answer, "
                f"the first at {self._first['gold']}"
            )
        return notes
