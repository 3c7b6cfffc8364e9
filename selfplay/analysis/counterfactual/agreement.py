"""How far two choices of prompts agree: what was drawn, how likely it was, and by which values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np


def shared(drawn: Collection[str], others: Collection[str]) -> float:
    """Share of `others` that is among the drawn; NaN where there are none."""
    return len(set(drawn) & set(others)) / len(set(others)) if others else float("nan")


def jaccard(drawn: Collection[str], others: Collection[str]) -> float:
    """|A ∩ B| / |A ∪ B|; NaN where both are empty."""
    union = set(drawn) | set(others)
    return len(set(drawn) & set(others)) / len(union) if union else float("nan")


def total_variation(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    """½ Σ |p − q|: the share of probability that lies elsewhere, from 0 to 1."""
    keys = sorted(first.keys() | second.keys())
    return sum(abs(first.get(key, 0.0) - second.get(key, 0.0)) for key in keys) / 2.0


def effective_number(shares: Iterable[float]) -> float:
    """1 / Σ p²: so many equally likely prompts would come twice in two draws as often (Kish)."""
    return 1.0 / sum(share * share for share in shares)


def rank_correlation(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    """Spearman's ρ over the keys that both know, equal values sharing their mean rank.

    NaN with fewer than two of them, or where one side's are all equal.
    """
    from scipy.stats import rankdata

    pairs = np.array([(first[key], second[key]) for key in sorted(first.keys() & second.keys())])
    known = pairs[np.isfinite(pairs).all(axis=1)] if len(pairs) else np.empty((0, 2))
    if len(known) < 2 or (np.ptp(known, axis=0) == 0).any():
        return float("nan")
    ranks = rankdata(known, axis=0)
    return float(np.corrcoef(ranks, rowvar=False)[0, 1])
