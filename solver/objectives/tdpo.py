"""TDPO: DPO with the divergences along both responses as a margin.

K = Σ_t KL(π_ref(.|s_t) ‖ π(.|s_t)) over a response, from whole distributions; B pairs; every loss
is a pure function of shape (B,).

Source: Zeng et al., 2024, "Token-level Direct Preference Optimization", arXiv 2404.11999,
section 4.3. Left out: nothing of the losses.
"""

from __future__ import annotations

import torch
from torch.nn.functional import logsigmoid

from solver.objectives.rows.pairs import Tdpo1Options, Tdpo2Options
from solver.objectives.terms import PairBatch


def tdpo1(batch: PairBatch, options: Tdpo1Options) -> torch.Tensor:
    """-log σ(β[Δ - (K_l - K_w)]), shape (B,)."""
    surplus_B = batch.rejected.divergence_R - batch.chosen.divergence_R
    return -logsigmoid(options.beta * (batch.gaps_B - surplus_B))


def tdpo2(batch: PairBatch, options: Tdpo2Options) -> torch.Tensor:
    """-log σ(β[Δ - α(K_l - sg(K_w))]), shape (B,).

    With α = 1 it has TDPO1's value but not its gradient, which would make K_w grow: sg holds the
    chosen response's divergence fixed.
    """
    surplus_B = batch.rejected.divergence_R - batch.chosen.divergence_R.detach()
    return -logsigmoid(options.beta * (batch.gaps_B - options.alpha * surplus_B))
