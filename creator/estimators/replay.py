"""Scores of prioritised level replay, read for groups of responses.

A response is an episode with one reward at its end, and the policy's value of the prompt is the
mean reward of its other responses, so that advantages are A_i = k/(k − 1) · (r_i − r̄):

    value_loss mean |A| · positive_value_loss mean max(A, 0) · max_mc best ever − r̄
    policy_entropy −Σ log π / Σ tokens

With 0/1 rewards the positive value loss is the unbiased learnability, and MaxMC of a prompt once
solved is 1 − p. The plain advantage is left out because it averages to 0 here; so are least
confidence and minimum margin, which need whole distributions over tokens.

Sources: Jiang et al., 2021, "Prioritized Level Replay", arXiv 2010.03934, table 1; Jiang et al.,
2021, "Replay-Guided Adversarial Environment Design", arXiv 2110.02439, section 5.
"""

from __future__ import annotations

import numpy as np

from creator.estimators.evidence import (
    Estimated,
    Estimator,
    Evidence,
    estimated,
    required,
    stateless,
)
from creator.estimators.moments import FloatArray, centred, counts, highest, means, ratio
from selfplay.core.components import NoOptions


def value_loss(options: NoOptions) -> Estimator:
    """mean |A|: the L1 value loss; NaN with fewer than two rewards."""
    return stateless(lambda rewards_PG: means(np.abs(advantages(rewards_PG))))


def positive_value_loss(options: NoOptions) -> Estimator:
    """mean max(A, 0); NaN with fewer than two rewards."""
    return stateless(lambda rewards_PG: means(np.maximum(advantages(rewards_PG), 0.0)))


def max_mc(options: NoOptions) -> Estimator:
    """The best reward ever seen on the prompt less its mean reward now; remembers the best.

    NaN without a reward now, and for a single reward that is the first.
    """

    def measure(evidence: Evidence, rng: np.random.Generator) -> Estimated:
        before_P = evidence.previous.best_P
        best_P = np.fmax(before_P, highest(evidence.rewards_PG))
        values_P = np.maximum(best_P - means(evidence.rewards_PG), 0.0)
        compared_P = np.isfinite(before_P) | (evidence.counts_P >= 2)
        return estimated(evidence, np.where(compared_P, values_P, np.nan), best_P=best_P)

    return measure


def policy_entropy(options: NoOptions) -> Estimator:
    """−Σ log π(y) / Σ |y| over the responses, in nats a token, at least 0.

    The one-sample estimate of the entropy per token. NaN without tokens whose probability is known.
    """

    def measure(evidence: Evidence, rng: np.random.Generator) -> Estimated:
        logps_PG = required(evidence.logps_PG, "logps_PG", "policy_entropy")
        tokens_PG = required(evidence.tokens_PG, "tokens_PG", "policy_entropy")
        known_PG = np.isfinite(logps_PG) & np.isfinite(tokens_PG)
        surprise_P = -np.where(known_PG, logps_PG, 0.0).sum(axis=1)
        entropy_P = ratio(surprise_P, np.where(known_PG, tokens_PG, 0).sum(axis=1))
        return estimated(evidence, np.maximum(entropy_P, 0.0))

    return measure


def advantages(rewards_PG: FloatArray) -> FloatArray:
    """A_i = r_i − mean of the row's other known rewards; NaN where there is none. Shape (P, G)."""
    counts_P1 = counts(rewards_PG)[:, None]
    return centred(rewards_PG) * ratio(counts_P1, counts_P1 - 1)
