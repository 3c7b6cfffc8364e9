"""Cells of a CSV file that no spreadsheet takes for a formula (CSV injection, OWASP).

A text that begins like a formula gets an apostrophe in front, which spreadsheets hide and which
says that text follows. Numbers stay numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def inert(value: Any) -> Any:
    """The value of a cell; a text that begins like a formula with an apostrophe in front."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def inert_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row for `csv.DictWriter`, keys included: they are the head's cells."""
    return {inert(key): inert(value) for key, value in row.items()}
