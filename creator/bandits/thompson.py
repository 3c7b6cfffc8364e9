"""Thompson sampling of the chance that an attempt gives a learnable child.

    α ← (1 − λ)α + λα₀ + learnable · β ← (1 − λ)β + λβ₀ + the other trials      each round
    for each parent: q_k ~ Beta(α_k, β_k), and the operator with the largest q_k

A rejection is a trial that failed. So the posterior is of learnable per attempt, and an operator
whose children are turned down loses as one whose children teach nothing. Evidence is forgotten
because the policy moves: what was learnable ten rounds ago may be solved. An operator that has not
been tried for long comes back to its prior, and is tried again. The configured weights are the
prior: α₀ is shared out in proportion to them. With β₀ = 1 an operator's chance without any evidence
is then exactly its share of the weights: −log of a Beta(a, 1) draw is exponential with rate a.

Sources: Thompson, 1933; the forgetting as in BOTS, Shen et al., 2025, arXiv 2510.26374.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from creator.bandits.chooser import Arms, Chooser
from creator.bandits.table import ThompsonOptions
from creator.estimators.moments import FloatArray


def thompson(options: ThompsonOptions) -> Chooser:
    """A draw from every operator's posterior for each parent."""

    def choose(arms: Arms, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
        successes_K, failures_K = posterior(arms, options)
        rates_NK = rng.beta(successes_K, failures_K, size=(count, len(arms.weights_K)))
        return np.asarray(np.where(arms.weights_K > 0, rates_NK, -1.0).argmax(axis=1))

    return choose


def posterior(arms: Arms, options: ThompsonOptions) -> tuple[FloatArray, FloatArray]:
    """α and β of each operator, after all rounds. Each of shape (K,)."""
    ages_T = np.arange(len(arms.trials_TK))[::-1]
    kept_T = (1.0 - options.forgetting) ** ages_T
    failed_TK = arms.trials_TK - arms.learnable_TK
    # Beta has no parameter 0; what is drawn for such an operator is not looked at.
    open_K = arms.weights_K > 0
    priors_K = np.where(open_K, arms.weights_K / arms.weights_K[open_K].mean(), 1.0)
    return (
        options.prior_successes * priors_K + kept_T @ arms.learnable_TK,
        options.prior_failures + kept_T @ failed_TK,
    )
