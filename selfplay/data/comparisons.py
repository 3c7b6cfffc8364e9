"""Rows of recorded comparisons: which of two responses is the better, by how much, how surely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from selfplay.core.errors import DataError
from selfplay.core.guard import shown
from selfplay.core.numbers import finite
from selfplay.core.types import Chat
from selfplay.data.chats import Ended, ended
from selfplay.data.columns import CHOSEN_COLUMNS, REJECTED_COLUMNS, SCORE_PAIRS, first_of
from selfplay.data.rows import TableRow
from selfplay.data.turns import shared


@dataclass(frozen=True)
class Sides:
    """The columns of a file of comparisons."""

    chosen: str
    rejected: str
    scores: tuple[str, str] | None
    """How good each side is, where that was recorded."""
    transcript: bool
    """Whether texts may be whole conversations."""

    @property
    def used(self) -> frozenset[str]:
        """All that have a meaning."""
        own = {self.chosen, self.rejected, "margin", "probability"}
        return frozenset(own | {*(self.scores or ())})


@dataclass(frozen=True)
class RecordedComparison:
    """What a row says."""

    turns: Chat
    """Before both responses, as they stand in their columns."""
    chosen: str
    rejected: str
    margin: float | None
    """By how much the chosen one is better: above 0, 1 where that was not recorded; None where the
    recorded scores say that it is not better."""
    probability: float | None
    """How surely, from 0.5 to 1; None where that was not recorded."""


def sides_of(names: Sequence[str], transcript: bool) -> Sides:
    """Which columns hold the sides."""
    scores = next((pair for pair in SCORE_PAIRS if {*pair} <= {*names}), None)
    return Sides(
        first_of(CHOSEN_COLUMNS, names) or "chosen",
        first_of(REJECTED_COLUMNS, names) or "rejected",
        scores,
        transcript,
    )


def read_comparison(row: TableRow, sides: Sides) -> RecordedComparison:
    """The comparison in a row.

    Raises:
        DataError: a response, its turns, the margin or the probability cannot be used; names the
            row's place.
    """
    chosen, rejected = (_side(row, name, sides) for name in (sides.chosen, sides.rejected))
    turns = shared(chosen.turns, rejected.turns, row.place)
    margin = _margin(row, sides)
    return RecordedComparison(turns, chosen.response, rejected.response, margin, _probability(row))


def _side(row: TableRow, name: str, sides: Sides) -> Ended:
    return ended(row.values.get(name), f"{row.place}, column '{name}'", sides.transcript)


def _margin(row: TableRow, sides: Sides) -> float | None:
    """By how much the chosen response is better; 1 where that was not recorded."""
    found = row.values.get("margin")
    if found is None:
        return _gap(row, sides)
    margin = finite(found)
    if margin is None or margin <= 0:
        raise DataError(
            f"{row.place}: expected a margin above 0, found {shown(found)}; swap chosen and "
            "rejected, or leave a tie out"
        )
    return margin


def _gap(row: TableRow, sides: Sides) -> float | None:
    """By how much the recorded scores put the chosen response first; None where they do not."""
    found = [row.values.get(name) for name in sides.scores or ()]
    if all(value is None for value in found):
        return 1.0
    chosen, rejected = (finite(value) for value in found)
    if chosen is None or rejected is None:
        raise DataError(
            f"{row.place}: expected numbers in {' and '.join(sides.scores or ())}, found "
            f"{' and '.join(map(shown, found))}"
        )
    return chosen - rejected if chosen > rejected else None


def _probability(row: TableRow) -> float | None:
    """How surely the chosen response is the better one; None where that was not recorded."""
    found = row.values.get("probability")
    if found is None:
        return None
    value = finite(found)
    if value is None or not 0.5 <= value <= 1.0:
        raise DataError(
            f"{row.place}: expected a probability from 0.5 to 1 that the chosen response is the "
            f"better one, found {shown(found)}; below 0.5 swap chosen and rejected"
        )
    return value
