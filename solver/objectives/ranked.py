"""Losses of the order of a group's rewards: SPPO on win rates, Plackett-Luce on the ranking.

Both look at rewards through comparisons alone, so that any increasing function of the rewards gives
the same loss. R responses, those of a group side by side, P groups; r is the log-ratio of policy
and reference of a whole response, in nats. Responses are compared all with all in a micro-batch,
which takes R² numbers and needs neither a sort nor groups of one size. Left out: SPPO's variant on
the best and the worst response alone.
"""

from __future__ import annotations

import torch

from solver.objectives.rows.groups import ListwiseOptions, SppoOptions
from solver.objectives.terms import GroupBatch


def sppo(batch: GroupBatch, options: SppoOptions) -> torch.Tensor:
    """1/n Σ_i ½[r_i - (P_i - ½)/β]² of each group, shape (P,).

    P_i is the rate at which response i wins against its group, `win_rates`. The ½ in the target
    stands for the logarithm of the partition function, as in the paper.

    Source: Wu et al., 2024, arXiv 2405.00675, section 4.
    """
    targets_R = (win_rates(batch) - 0.5) / options.beta
    losses_R = 0.5 * (batch.scores.ratios_R - targets_R).square()
    return _sums(batch, losses_R) / _sums(batch, torch.ones_like(losses_R))


def win_rates(batch: GroupBatch) -> torch.Tensor:
    """Mean over a response's whole group of 1 (reward above), ½ (equal: itself too), 0; shape (R,).

    As the paper's estimate of P(y_i beats the policy) from the K responses that it drew.
    """
    rewards_R = batch.rewards_R
    wins_RR = (rewards_R[:, None] > rewards_R).to(rewards_R.dtype)
    ties_RR = (rewards_R[:, None] == rewards_R).to(rewards_R.dtype)
    beside_RR = _beside(batch).to(rewards_R.dtype)
    return ((wins_RR + 0.5 * ties_RR) * beside_RR).sum(dim=1) / beside_RR.sum(dim=1)


def listwise(batch: GroupBatch, options: ListwiseOptions) -> torch.Tensor:
    """-Σ_k log(e^{βr_k} / Σ_{j: R_j ≤ R_k} e^{βr_j}) of each group, shape (P,).

    Without ties it is the negative log-likelihood of the ranking under Plackett-Luce, and with two
    responses DPO. Tied responses are handled as Breslow does: each is chosen from all that are not
    better, its equals included. So the loss does not depend on the order of equals, and its
    gradient vanishes where a whole group is tied and its log-ratios are equal.

    Source: Rafailov et al., 2023, arXiv 2305.18290, appendix A.3; Breslow, 1974, Biometrics 30.
    """
    values_R = options.beta * batch.scores.ratios_R
    rewards_R = batch.rewards_R
    left_RR = _beside(batch) & (rewards_R <= rewards_R[:, None])
    choices_RR = torch.where(left_RR, values_R, -torch.inf)
    return _sums(batch, torch.logsumexp(choices_RR, dim=1) - values_R)


def _beside(batch: GroupBatch) -> torch.Tensor:
    """Bool, shape (R, R): are two responses of the same group?"""
    return batch.group_R[:, None] == batch.group_R


def _sums(batch: GroupBatch, values_R: torch.Tensor) -> torch.Tensor:
    """Shape (P,): sums over each group."""
    return values_R.new_zeros(batch.groups).index_add(0, batch.group_R, values_R)
