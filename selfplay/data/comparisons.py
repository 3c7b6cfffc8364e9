"""Rows of recorded comparisons: which of two responses is the better, by how much, how surely."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from selfplay.core.errors import DataError
from selfplay.data.prompts import PROMPT_COLUMNS
from selfplay.data.rows import TableRow


@dataclass(frozen=True)
class RecordedComparison:
    """What a row says."""

    asked: TableRow
    """The row of the prompt alone."""
    chosen: str
    rejected: str
    margin: float
    """By how much the chosen one is better: above 0, 1 where that was not recorded."""
    probability: float | None
    """How surely, from 0.5 to 1; None where that was not recorded."""


def read_comparison(row: TableRow) -> RecordedComparison:
    """The comparison in a row.

    Raises:
        DataError: a response, the prompt, the margin or the probability cannot be used; names the
            row's place.
    """
    chosen, rejected = _side(row, "chosen"), _side(row, "rejected")
    asked = _asked(row, chosen, rejected)
    return RecordedComparison(asked, chosen[1], rejected[1], _margin(row), _probability(row))


def is_number(value: Any) -> bool:
    """Is it a finite number?"""
    real = isinstance(value, int | float) and not isinstance(value, bool)
    return real and math.isfinite(value)


def _side(row: TableRow, name: str) -> tuple[list[Any], str]:
    """The turns before the response, as they stand there, and the response."""
    found = row.values.get(name)
    if isinstance(found, str):
        return [], found
    last = found[-1] if isinstance(found, list) and found else None
    if isinstance(last, Mapping) and isinstance(last.get("content"), str):
        return list(found or ())[:-1], last["content"]
    raise DataError(
        f"{row.place}: expected '{name}', a text or a chat that ends with the response, "
        f"found {found!r}"
    )


def _asked(
    row: TableRow, chosen: tuple[list[Any], str], rejected: tuple[list[Any], str]
) -> TableRow:
    """The row of the prompt alone; without a prompt column, the turns that both sides share."""
    rest = row.without({"chosen", "rejected", "margin", "probability"})
    if any(name in rest.values for name in PROMPT_COLUMNS):
        return rest
    if not chosen[0] or chosen[0] != rejected[0]:
        raise DataError(
            f"{row.place}: expected a prompt column, or the same turns before both responses, "
            "found neither"
        )
    return TableRow(row.place, {"prompt": chosen[0], **rest.values})


def _margin(row: TableRow) -> float:
    """By how much the chosen response is better; 1 where that was not recorded."""
    found = row.values.get("margin")
    if found is None:
        return 1.0
    if not is_number(found) or found <= 0:
        raise DataError(
            f"{row.place}: expected a margin above 0, found {found!r}; swap chosen and rejected, "
            "or leave a tie out"
        )
    return float(found)


def _probability(row: TableRow) -> float | None:
    """How surely the chosen response is the better one; None where that was not recorded."""
    found = row.values.get("probability")
    if found is None:
        return None
    if not is_number(found) or not 0.5 <= found <= 1.0:
        raise DataError(
            f"{row.place}: expected a probability from 0.5 to 1 that the chosen response is the "
            f"better one, found {found!r}; below 0.5 swap chosen and rejected"
        )
    return float(found)
