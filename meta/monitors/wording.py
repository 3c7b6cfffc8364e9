"""Which n-grams of words responses are made of: repeated, shared within a group, copied.

`distinct` compares a response with the others to its prompt, one at a time, so that it does not
depend on how many there are, as distinct-n (Li et al., 2016, arXiv 1510.03055) of a whole group
would. Left out: measures that need a model of the language, such as perplexity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from meta.monitors.seen import FloatArray, Row, Seen, Statistic, of_texts, said
from meta.monitors.table import WordingOptions


def repetition(options: WordingOptions) -> Statistic:
    """Share of a response's n-grams that it has said before; NaN for fewer than n words."""

    def repeated(text: str, prompt: str) -> float:
        grams = ngrams(text, options.n)
        return 1.0 - len(set(grams)) / len(grams) if grams else math.nan

    return Statistic(of_texts(repeated), "up")


def echo(options: WordingOptions) -> Statistic:
    """Share of a response's n-grams that its prompt has; NaN for fewer than n words."""

    def measure(seen: Seen) -> list[Row]:
        asked = [frozenset(ngrams(group.prompt.text, options.n)) for group in seen.groups]
        return [
            np.array([_share(ngrams(r.text, options.n), known) for r in group.responses])
            for group, known in zip(seen.groups, asked, strict=True)
        ]

    return Statistic(measure, "up")


def distinct(options: WordingOptions) -> Statistic:
    """Share of a response's n-grams that another response to the prompt lacks, on average.

    NaN for fewer than n words, and for the only response.
    """

    def measure(seen: Seen) -> list[Row]:
        return [
            _novelty([frozenset(ngrams(r.text, options.n)) for r in group.responses])
            for group in seen.groups
        ]

    return Statistic(measure, "down")


def ngrams(text: str, n: int) -> list[tuple[str, ...]]:
    """The runs of n words, in order."""
    listed = said(text)
    return list(zip(*(listed[i:] for i in range(n)), strict=False))


def _share(grams: Sequence[tuple[str, ...]], known: frozenset[tuple[str, ...]]) -> float:
    return sum(gram in known for gram in grams) / len(grams) if grams else math.nan


def _novelty(grams: Sequence[frozenset[tuple[str, ...]]]) -> FloatArray:
    found = np.full(len(grams), np.nan)
    for g, own in enumerate(grams):
        if own and len(grams) > 1:
            shared = [len(own & other) for h, other in enumerate(grams) if h != g]
            found[g] = 1.0 - float(np.mean(shared)) / len(own)
    return found
