"""A pairwise judge's comparisons, kept in the scores of its verdicts and read back from there.

A verdict has no place for a comparison, and needs none: response i's score `win/j` is the
probability that i is better than j. So comparisons follow from verdicts wherever those are, in the
ledger too, without being judged again.
"""

from __future__ import annotations

from collections.abc import Sequence

from selfplay.core.types import WIN, Comparison, Verdict


def comparisons_in(verdicts: Sequence[Verdict], judge: str) -> tuple[Comparison, ...]:
    """The comparisons inside a group, each pair once, in order of positions.

    Args:
        verdicts: of the group's responses, in order.
        judge: whose they are.
    """
    found = []
    for i, verdict in enumerate(verdicts):
        for j in range(i + 1, len(verdicts)):
            probability = verdict.scores.get(f"{WIN}{j}")
            if probability is None:
                continue
            if probability >= 0.5:
                found.append(Comparison(i, j, probability, judge))
            else:
                found.append(Comparison(j, i, 1.0 - probability, judge))
    return tuple(found)
