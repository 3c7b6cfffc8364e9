"""Numbers out of files: finite ones, and their one text. Pure functions.

Files hold numbers as JSON has them (integers of any length among them), as Parquet has them
(decimals, NaN for no value), or as texts (CSV). A gold answer is a text, so a number becomes one in
the way in which people write it: all its digits, and no exponent, since `5e-05` reads as a sum with
the letter e in it.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any, TypeAlias

Number: TypeAlias = int | float | Decimal

LARGEST = 1e30
"""Largest size of a reward, a score, a margin or a log-probability that is read: a square of it is
finite in float64, and what is larger is a mistake."""


def is_number(value: Any) -> bool:
    """Is it a number, of any size? True and false are none."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def finite(value: Any) -> float | None:
    """A number as a float; None for what is none, is not finite or is larger than `LARGEST`.

    A text is a number where a CSV file's text would be (`0.5`).
    """
    if isinstance(value, str):
        return _read(value)
    if not is_number(value):
        return None
    # Integers compare with floats exactly, so that one of 400 digits overflows nothing.
    inside = value == value and -LARGEST <= value <= LARGEST  # NaN equals nothing
    return float(value) if inside else None


def _read(text: str) -> float | None:
    try:
        return finite(float(text)) if len(text) < 64 else None
    except ValueError:
        return None


def number_text(value: Number) -> str | None:
    """The text of a number: its digits, the shortest that say which float it is; None for NaN.

    `5e-05` is 0.00005, `1e22` is 1 and 22 zeros, `42.0` is 42.

    Raises:
        ValueError: it is infinite, or has more digits than Python writes.
    """
    if isinstance(value, int):
        return str(value)
    if math.isnan(value):
        return None
    if math.isinf(value):
        raise ValueError("an infinite number")
    plain = f"{value if isinstance(value, Decimal) else Decimal(repr(value)):f}"
    shortest = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return "0" if shortest == "-0" else shortest
