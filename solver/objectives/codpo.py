"""CODPO's loss on a pair: DPO, with imitation of the response that keeps the constraints.

Which pairs: `solver.examples` pairs the best response that keeps all constraints with the worst
that breaks one. Online, since pairs are made of each round's own responses. Left out: nothing of
the loss.

Source: Xu et al., 2024, "The Perfect Blend" (CGPO), arXiv 2409.20370, the CODPO optimiser.
"""

from __future__ import annotations

import torch
from torch.nn.functional import logsigmoid

from solver.objectives.rows.pairs import CodpoOptions
from solver.objectives.terms import PairBatch


def codpo(batch: PairBatch, options: CodpoOptions) -> torch.Tensor:
    """-log σ(βΔ) - (λ/|y⁺|) log π(y⁺), shape (B,); y⁺ is the chosen response."""
    imitation_B = batch.chosen.logps_R / batch.chosen.lengths_R
    return -logsigmoid(options.beta * batch.gaps_B) - options.sft_weight * imitation_B
