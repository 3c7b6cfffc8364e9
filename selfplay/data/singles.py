"""Rows with one response each: to be imitated, labelled good or bad, or rated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from selfplay.core.errors import DataError
from selfplay.core.guard import shown
from selfplay.core.numbers import finite
from selfplay.core.types import Chat
from selfplay.data.chats import ended
from selfplay.data.columns import COMPLETION_COLUMNS, LABEL_COLUMNS, REWARD_COLUMNS, first_of
from selfplay.data.rows import TableRow

_TRUTH = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True)
class Marking:
    """The columns of a file of single responses."""

    completion: str | None
    """The response; None where it is the last turn of the prompt's chat."""
    label: str | None
    reward: str | None

    @property
    def used(self) -> frozenset[str]:
        """All that have a meaning."""
        return frozenset(name for name in (self.completion, self.label, self.reward) if name)


@dataclass(frozen=True)
class Single:
    """What a row says."""

    turns: Chat
    """Before the response, as they stand in its column."""
    response: str
    reward: float | None
    """None where the row has none and others do."""


def marking_of(names: Sequence[str]) -> Marking:
    """Which columns hold the response and what is said of it; a label goes before a reward."""
    label = first_of(LABEL_COLUMNS, names)
    reward = None if label else first_of(REWARD_COLUMNS, names)
    return Marking(first_of(COMPLETION_COLUMNS, names), label, reward)


def read_single(row: TableRow, marking: Marking, prompt: str) -> Single:
    """The response in a row.

    Args:
        row: of the file.
        marking: its columns.
        prompt: the column of the prompt, for rows whose chat ends with the response.

    Raises:
        DataError: there is no response, or its label or reward cannot be used.
    """
    column = marking.completion or prompt
    found = ended(row.values.get(column), f"{row.place}, column '{column}'", not prompt)
    if not found.response:
        raise DataError(f"{row.place}: expected '{column}', a text, found an empty one")
    return Single(found.turns, found.response, _reward(row, marking))


def _reward(row: TableRow, marking: Marking) -> float | None:
    column = marking.label or marking.reward
    if column is None:
        return 1.0
    value = row.values.get(column)
    if value is None:
        return None
    reward = _truth(value) if marking.label else finite(value)
    if reward is None:
        wanted = "true or false" if marking.label else "a finite number of a usual size"
        raise DataError(f"{row.place}, column '{column}': expected {wanted}, found {shown(value)}")
    return reward


def _truth(value: Any) -> float | None:
    """1 for a good response, 0 for a bad one; None for what is no label."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and value.strip().lower() in _TRUTH:
        return _TRUTH[value.strip().lower()]
    number = finite(value)
    return number if number in (0.0, 1.0) else None
