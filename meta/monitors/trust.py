"""How far the judge is from one that is trusted: a verifier, a person, a stronger model.

Both statistics read only responses that both have scored; a few in a round, such as those with an
answer key, are enough. The *gap* is the level: the proxy's score less the trusted one. Proxy and
truth coming apart while the proxy rises is what over-optimisation is (Gao et al., 2022,
arXiv 2210.10760). The *disagreement* is the order within a prompt, which is what learning from
groups and pairs uses, and does not depend on either scale.
"""

from __future__ import annotations

import numpy as np

from meta.monitors.seen import FloatArray, Row, Seen, Statistic
from meta.monitors.table import TrustOptions


def gap(options: TrustOptions) -> Statistic:
    """The judge's reward less the trusted one."""

    def measure(seen: Seen) -> list[Row]:
        pairs = zip(seen.rewards(), seen.truths(), strict=True)
        return [rewards - truths for rewards, truths in pairs]

    return Statistic(measure, "up", scored=True)


def disagreement(options: TrustOptions) -> Statistic:
    """Share of a response's comparisons within its group that the judge gets wrong.

    Compared are responses that the trusted judge tells apart; where the judge does not, it is half
    wrong. NaN without such a comparison.
    """

    def measure(seen: Seen) -> list[Row]:
        pairs = zip(seen.rewards(), seen.truths(), strict=True)
        return [wrong_order(rewards, truths) for rewards, truths in pairs]

    return Statistic(measure, "up", scored=True)


def wrong_order(rewards_G: FloatArray, truths_G: FloatArray) -> FloatArray:
    """For each response, the share of its comparisons that are in the wrong order. Shape (G,)."""
    said = np.sign(rewards_G[:, None] - rewards_G[None, :])
    true = np.sign(truths_G[:, None] - truths_G[None, :])
    told = np.isfinite(said) & np.isfinite(true) & (true != 0)
    wrong = np.where(told, (1.0 - said * true) / 2.0, 0.0)
    count = told.sum(axis=1)
    return np.where(count > 0, wrong.sum(axis=1) / np.maximum(count, 1), np.nan)
