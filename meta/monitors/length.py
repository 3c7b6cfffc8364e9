"""How long responses are.

The mean of log(1 + length): a share that shrinks to nothing or grows without bounds moves it as
much, and one endless response does not hide the others. A few titles among many essays move no mean
but fill the tail of the lengths: `short` and `long` count what is in one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from meta.monitors.seen import FloatArray, Row, Seen, Statistic, of_texts, said
from meta.monitors.table import EmptyOptions, LengthOptions, TailOptions
from selfplay.core.types import Response


def characters(options: LengthOptions) -> Statistic:
    """log(1 + characters)."""
    return Statistic(of_texts(log_characters), "both")


def tokens(options: LengthOptions) -> Statistic:
    """log(1 + tokens); NaN for a text whose tokens were not recorded."""

    def measure(seen: Seen) -> list[Row]:
        return [np.array([_tokens(r) for r in group.responses]) for group in seen.groups]

    return Statistic(measure, "both")


def short(options: TailOptions) -> Statistic:
    """1 for a response among the shortest of all that are looked at, in characters."""
    return Statistic(of_texts(log_characters), "up", pooled=partial(_tail, -1.0, options.tail))


def long(options: TailOptions) -> Statistic:
    """1 for a response among the longest."""
    return Statistic(of_texts(log_characters), "up", pooled=partial(_tail, 1.0, options.tail))


def empty(options: EmptyOptions) -> Statistic:
    """1 for a response of fewer words than asked."""
    least = options.words
    return Statistic(of_texts(lambda text, _: float(len(said(text)) < least)), "up")


def log_characters(text: str, prompt: str) -> float:
    """log(1 + characters), surrounding space aside."""
    return math.log1p(len(text.strip()))


def _tail(sign: float, share: float, rows: Sequence[Row]) -> list[FloatArray]:
    """Where the values, times `sign`, are above all but a share of them; equal ones are not."""
    if not rows:
        return []
    bar = np.quantile(sign * np.concatenate(rows), 1.0 - share)
    return [(sign * row > bar).astype(np.float64) for row in rows]


def _tokens(response: Response) -> float:
    recorded = response.length > 0 or not response.text
    return math.log1p(response.length) if recorded else math.nan
