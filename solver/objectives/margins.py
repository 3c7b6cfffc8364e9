"""Losses on the gap Δ = r_w - r_l, the difference of a pair's log-ratios to a reference.

All are DPO at some setting. B pairs; gaps are in nats; every loss has shape (B,) and is a pure
function, but that β-DPO keeps two running statistics in the batch's memory. Left out: β-DPO's
variant with a β for each single pair, and label smoothing, which none of the papers has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch.nn.functional import logsigmoid

from solver.objectives.rows.pairs import BetaDpoOptions, DpopOptions, GpoOptions, RdpoOptions
from solver.objectives.terms import PairBatch

MIN_BETA = 1e-3
"""The lowest β that β-DPO goes down to; the authors' code has the same."""

GPO: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = MappingProxyType(
    {
        "logistic": lambda z_B: -logsigmoid(z_B),
        "hinge": lambda z_B: torch.relu(1 - z_B),
        "squared": lambda z_B: (z_B - 1).square(),
        "exponential": lambda z_B: torch.exp(-z_B),
        "truncated_quadratic": lambda z_B: torch.relu(1 - z_B).square(),
        "savage": lambda z_B: torch.sigmoid(-z_B).square(),
    }
)
"""Name → f(z). Savage, (1 + e^z)^-2, is written as σ(-z)², which does not overflow."""


def gpo(batch: PairBatch, options: GpoOptions) -> torch.Tensor:
    """f(βΔ), shape (B,).

    Source: Tang et al., 2024, arXiv 2402.05749, table 1.
    """
    return GPO[options.function](options.beta * batch.gaps_B)


def dpop(batch: PairBatch, options: DpopOptions) -> torch.Tensor:
    """-log σ(β[Δ - λ max(0, -r_w)]), shape (B,).

    Not a function of Δ alone: the chosen response may not fall below the reference.

    Source: Pal et al., 2024, arXiv 2402.13228, eq. 3.
    """
    shortfalls_B = torch.relu(-batch.chosen.ratios_R)
    return -logsigmoid(options.beta * (batch.gaps_B - options.penalty * shortfalls_B))


def rdpo(batch: PairBatch, options: RdpoOptions) -> torch.Tensor:
    """-log σ(βΔ + α(|y_w| - |y_l|)), shape (B,); lengths in tokens.

    For α > 0 a pair whose winner is the longer one weighs less, as follows from a reward of
    r - α|y|. Many texts print the opposite sign.

    Source: Park et al., 2024, arXiv 2403.19159.
    """
    surplus_B = batch.chosen.lengths_R - batch.rejected.lengths_R
    return -logsigmoid(options.beta * batch.gaps_B + options.alpha * surplus_B)


def beta_dpo(batch: PairBatch, options: BetaDpoOptions) -> torch.Tensor:
    """-log σ(β_b Δ) on the pairs kept, shape (B,); B is a whole optimiser step.

    β_b = max(1e-3, β₀[1 + a(mean Δ_kept - m)]), where m and s are running means of the steps' mean
    and standard deviation of Δ, this step's included. A pair left out has loss 0 and the others
    are scaled up, so that the mean over B is the mean over the kept. β_b is a constant under the
    gradient.

    Changes `batch.memory`; draws from `batch.generator`, and without one keeps the likeliest.

    Source: Wu et al., 2024, arXiv 2407.08639, section 4, and the authors' code, but for two of its
    defects: m and s begin at the first step's values, not at 0, and weights do not underflow.
    """
    gaps_B = batch.gaps_B
    known_B = gaps_B.detach()
    usual, deviation = _track(batch.memory, known_B, options.momentum)
    kept_B = _keep(known_B, usual, deviation, options.keep, batch.generator)
    surplus = float(known_B[kept_B].mean()) - usual
    beta = max(MIN_BETA, options.beta * (1 + options.adaptation * surplus))
    scale = len(gaps_B) / int(kept_B.sum())
    return torch.where(kept_B, -logsigmoid(beta * gaps_B) * scale, 0)


def _track(memory: dict[str, float], gaps_B: torch.Tensor, momentum: float) -> tuple[float, float]:
    """The running mean and standard deviation of the gap, this step included."""
    now = {"gap_mean": float(gaps_B.mean()), "gap_std": float(gaps_B.std(correction=0))}
    for name, value in now.items():
        past = memory.get(name, value)
        memory[name] = past + (1 - momentum) * (value - past)
    return memory["gap_mean"], memory["gap_std"]


def _keep(
    gaps_B: torch.Tensor,
    mean: float,
    deviation: float,
    share: float,
    generator: torch.Generator | None,
) -> torch.Tensor:
    """Bool, shape (B,): a share of the pairs, drawn by exp(-½((Δ - m)/s)²) without replacement.

    The highest of log-weight plus Gumbel noise are such a draw (Kool et al., 2019, arXiv
    1903.06059, section 2.3); in logarithms no weight is rounded to 0.
    """
    scores_B = torch.zeros_like(gaps_B)
    if deviation > 0:
        scores_B = -0.5 * ((gaps_B - mean) / deviation).square()
    if generator is not None:
        waits_B = torch.empty(len(gaps_B), dtype=gaps_B.dtype, device=generator.device)
        waits_B.exponential_(generator=generator)
        scores_B = scores_B - waits_B.log().to(gaps_B.device)
    count = max(1, round(share * len(gaps_B)))
    kept_B = torch.zeros_like(gaps_B, dtype=torch.bool)
    kept_B[scores_B.topk(count).indices] = True
    return kept_B
