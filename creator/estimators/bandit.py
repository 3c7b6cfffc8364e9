"""A bandit over tasks: a prompt is worth what its task has lately been worth.

    r(c) = mean |A| over the responses of the round's prompts of task c
    Q(c) ← α r(c) + (1 − α) Q(c), from 0

The values feed the sampler `categories`, which draws tasks by Boltzmann's rule.

Source: Chen et al., 2025, "Self-Evolving Curriculum", arXiv 2505.14970, section 3. Advantages are
GRPO's there: centred, and divided by the group's standard deviation.
"""

from __future__ import annotations

import numpy as np

from creator.estimators.evidence import Estimated, Estimator, Evidence, estimated, required
from creator.estimators.moments import FloatArray, IntArray, centred, counts, means, ratio
from creator.estimators.table import BanditOptions


def category_bandit(options: BanditOptions) -> Estimator:
    """The value of each prompt's task, after this round's evidence; remembers the tasks'.

    A task without evidence keeps its value.
    """

    def measure(evidence: Evidence, rng: np.random.Generator) -> Estimated:
        tasks_P: IntArray = required(evidence.tasks_P, "tasks_P", "category_bandit")
        gains_P = magnitudes(evidence.rewards_PG, options.scaled)
        tasks_K = learned(evidence.previous.tasks_K, tasks_P, gains_P, options.rate)
        return estimated(evidence, tasks_K[tasks_P], tasks_K=tasks_K)

    return measure


def magnitudes(rewards_PG: FloatArray, scaled: bool) -> FloatArray:
    """mean |r − r̄|, divided by the standard deviation (n − 1) if `scaled`. Shape (prompts,).

    0 where all rewards are equal; NaN with fewer than two.
    """
    centred_PG = centred(rewards_PG)
    counts_P = counts(rewards_PG)
    sizes_P = np.where(counts_P >= 2, means(np.abs(centred_PG)), np.nan)
    if not scaled:
        return sizes_P
    squares_P = np.nan_to_num(np.square(centred_PG)).sum(axis=1)
    deviations_P = np.sqrt(squares_P / np.maximum(counts_P - 1, 1))
    return np.where(sizes_P == 0, 0.0, ratio(sizes_P, deviations_P))


def learned(tasks_K: FloatArray, tasks_P: IntArray, gains_P: FloatArray, rate: float) -> FloatArray:
    """The tasks' values after prompts of tasks `tasks_P` gained `gains_P`. Shape (tasks,)."""
    size = max(len(tasks_K), int(tasks_P.max(initial=-1)) + 1)
    before_K = np.concatenate([tasks_K, np.zeros(size - len(tasks_K))])
    known_P = np.isfinite(gains_P)
    totals_K = np.bincount(tasks_P[known_P], weights=gains_P[known_P], minlength=size)
    gains_K = ratio(totals_K, np.bincount(tasks_P[known_P], minlength=size))
    return np.where(np.isfinite(gains_K), rate * gains_K + (1.0 - rate) * before_K, before_K)
