"""How long responses are.

The mean of log(1 + length): a share that shrinks to nothing or grows without bounds moves it as
much, and one endless response does not hide the others.
"""

from __future__ import annotations

import math

import numpy as np

from meta.monitors.seen import Row, Seen, Statistic, of_texts, said
from meta.tables.monitors import EmptyOptions, LengthOptions
from selfplay.core.types import Response


def characters(options: LengthOptions) -> Statistic:
    """log(1 + characters)."""
    return Statistic(of_texts(lambda text, _: math.log1p(len(text.strip()))), "both")


def tokens(options: LengthOptions) -> Statistic:
    """log(1 + tokens); NaN for a text whose tokens were not recorded."""

    def measure(seen: Seen) -> list[Row]:
        return [np.array([_tokens(r) for r in group.responses]) for group in seen.groups]

    return Statistic(measure, "both")


def empty(options: EmptyOptions) -> Statistic:
    """1 for a response of fewer words than asked."""
    least = options.words
    return Statistic(of_texts(lambda text, _: float(len(said(text)) < least)), "up")


def _tokens(response: Response) -> float:
    recorded = response.length > 0 or not response.text
    return math.log1p(response.length) if recorded else math.nan
