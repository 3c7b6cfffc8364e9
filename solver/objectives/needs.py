"""What a configuration's objectives need, those inside of others included. Torch-free."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from selfplay.core.components import Choice
from solver.objectives.row import Need, ObjectiveRow
from solver.objectives.table import OBJECTIVES


def needs_of(configured: Any) -> frozenset[Need]:
    """The needs of every objective of the table that is chosen anywhere in `configured`.

    Args:
        configured: a choice of an objective, or any dataclass that holds such choices: sums and
            schedules of objectives need what their parts need. One that gives its reference no
            weight does not need it.
    """
    return frozenset(
        need
        for choice, row in chosen_rows(configured)
        for need in row.needs
        if need != "reference" or row.reads_reference(choice.options)
    )


def rows_of(configured: Any) -> list[ObjectiveRow]:
    """The rows of the objectives that are chosen anywhere in `configured`; see `needs_of`."""
    return [row for _, row in chosen_rows(configured)]


def chosen_rows(configured: Any) -> list[tuple[Choice, ObjectiveRow]]:
    """The objectives of the table that are chosen anywhere in `configured`, with their rows."""
    return [
        (choice, row)
        for choice in _choices(configured)
        if (row := OBJECTIVES.get(choice.name)) is not None and row.factory == choice.factory
    ]


def _choices(value: Any) -> Iterator[Choice]:
    if isinstance(value, Choice):
        yield value
        yield from _choices(value.options)
    elif is_dataclass(value):
        for item in fields(value):
            yield from _choices(getattr(value, item.name))
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _choices(entry)
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from _choices(entry)
