"""Which responses are in another language than their prompt.

`selfplay.core.language` tells languages offline. A response whose language cannot be told (a few
words, formulas) is not *known* to be in another one and counts 0; where the prompt's cannot be
told, there is nothing to compare with, and the response is left out.
"""

from __future__ import annotations

import math

import numpy as np

from meta.monitors.seen import Row, Seen, Statistic
from meta.monitors.table import LanguageOptions
from selfplay.core.language import language_of


def language(options: LanguageOptions) -> Statistic:
    """1 for a response that is known to be in another language than its prompt or those allowed."""
    allowed = frozenset(options.allowed)

    def measure(seen: Seen) -> list[Row]:
        return [
            np.array([strays(r.text, expected) for r in group.responses])
            for group in seen.groups
            for expected in (allowed or _spoken(group.prompt.text),)
        ]

    return Statistic(measure, "up")


def strays(text: str, expected: frozenset[str]) -> float:
    """Is the text known to be in none of the languages? NaN where none is expected."""
    if not expected:
        return math.nan
    found = language_of(text)
    return float(found is not None and found not in expected)


def _spoken(text: str) -> frozenset[str]:
    found = language_of(text)
    return frozenset() if found is None else frozenset({found})
