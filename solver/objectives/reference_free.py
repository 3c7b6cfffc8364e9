"""Losses on pairs that need no reference: SLiC, SimPO and ORPO.

ℓ = log π(y|x), summed over a response's tokens, in nats; B pairs; every loss is a pure function of
shape (B,). Left out: SLiC's choice of another target to imitate than the chosen response.
"""

from __future__ import annotations

import math

import torch
from torch.nn.functional import logsigmoid

from solver.objectives.rows.pairs import OrpoOptions, SimpoOptions, SlicOptions
from solver.objectives.terms import PairBatch


def slic(batch: PairBatch, options: SlicOptions) -> torch.Tensor:
    """max(0, δ - ℓ_w + ℓ_l) - λ ℓ_w, shape (B,).

    Source: Zhao et al., 2023, arXiv 2305.10425, section 2; the response to imitate is y_w.
    """
    chosen_B, rejected_B = batch.chosen.logps_R, batch.rejected.logps_R
    return torch.relu(options.delta - chosen_B + rejected_B) - options.sft_weight * chosen_B


def simpo(batch: PairBatch, options: SimpoOptions) -> torch.Tensor:
    """-log σ(β ℓ_w/|y_w| - β ℓ_l/|y_l| - γ), shape (B,).

    Source: Meng et al., 2024, arXiv 2405.14734, eq. 6.
    """
    chosen_B = batch.chosen.logps_R / batch.chosen.lengths_R
    rejected_B = batch.rejected.logps_R / batch.rejected.lengths_R
    return -logsigmoid(options.beta * (chosen_B - rejected_B) - options.gamma)


def orpo(batch: PairBatch, options: OrpoOptions) -> torch.Tensor:
    """-ℓ_w/|y_w| - λ log σ(lo_w - lo_l), lo = log(P/(1 - P)), P = exp(ℓ/|y|), shape (B,).

    The first term is a mean over the tokens of the chosen response alone, each response weighing
    the same. TRL's includes the prompt and averages over all tokens of the batch.

    Source: Hong et al., 2024, arXiv 2403.07691, eqs. 6 and 7.
    """
    chosen_B = batch.chosen.logps_R / batch.chosen.lengths_R
    rejected_B = batch.rejected.logps_R / batch.rejected.lengths_R
    return -chosen_B - options.odds_weight * logsigmoid(log_odds(chosen_B) - log_odds(rejected_B))


def log_odds(logps_R: torch.Tensor) -> torch.Tensor:
    """log(P/(1 - P)) of log P, exact for P near 0 and near 1, shape (R,).

    Log-probabilities above -ε, the precision of the dtype, count as -ε and have gradient 0: there
    P is 1 as far as the dtype can tell, and the odds would be infinite.
    """
    logps_R = logps_R.clamp(max=-torch.finfo(logps_R.dtype).eps)
    return logps_R - log1mexp(logps_R)


def log1mexp(logps_R: torch.Tensor) -> torch.Tensor:
    """log(1 - e^x) for x < 0 without cancellation, shape (R,).

    Source: Mächler, 2012, "Accurately computing log(1 - exp(-|a|))", eq. 7.
    """
    return torch.where(
        logps_R < -math.log(2),
        torch.log1p(-torch.exp(logps_R)),
        torch.log(-torch.expm1(logps_R)),
    )
