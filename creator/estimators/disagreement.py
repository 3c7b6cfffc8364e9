"""Where an ensemble disagrees: several judges of one response, several policies on one prompt.

- judge_disagreement: the variance between judges, averaged over the responses. It marks prompts
  whose grading is doubtful: to audit rather than to train on.
- policy_disagreement: the variance between policies of the expected reward, with the noise of few
  samples taken off (`variance_between`). It marks prompts that some version, or some member of an
  ensemble, can do and another cannot: what is still to be learned, or has been forgotten.

Source: disagreement of an ensemble as an intrinsic reward, Pathak et al., 2019, arXiv 1906.04161,
there of learned dynamics.
"""

from __future__ import annotations

import numpy as np

from creator.estimators.evidence import Estimated, Estimator, Evidence, estimated, required
from creator.estimators.moments import FloatArray, IntArray, means, variance_between, variances
from selfplay.core.components import NoOptions


def judge_disagreement(options: NoOptions) -> Estimator:
    """Mean over the responses of the variance between judges; NaN where none has two."""

    def measure(evidence: Evidence, rng: np.random.Generator) -> Estimated:
        judged_PGJ = required(evidence.judgements_PGJ, "judgements_PGJ", "judge_disagreement")
        return estimated(evidence, means(variances(judged_PGJ)))

    return measure


def policy_disagreement(options: NoOptions) -> Estimator:
    """Variance between policies of the expected reward, at least 0.

    NaN with fewer than two policies, or where none has two scored responses.
    """

    def measure(evidence: Evidence, rng: np.random.Generator) -> Estimated:
        policies_PG = required(evidence.policies_PG, "policies_PG", "policy_disagreement")
        return estimated(evidence, variance_between(by_policy(evidence.rewards_PG, policies_PG)))

    return measure


def by_policy(rewards_PG: FloatArray, policies_PG: IntArray) -> FloatArray:
    """The rewards of each policy, NaN elsewhere. Shape (prompts, policies, responses)."""
    policies_U = np.arange(policies_PG.max(initial=-1) + 1)
    mine_PUG = policies_PG[:, None, :] == policies_U[:, None]
    return np.where(mine_PUG, rewards_PG[:, None, :], np.nan)
