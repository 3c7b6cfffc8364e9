"""What losses are functions of: log-probabilities of responses, in pairs and in groups.

Shapes: R responses, T positions, B pairs, P groups. Log-probabilities are in nats and 0 outside of
the response. Every tensor may be float64 and on any device; only `logps_RT` and `divergence_RT`
carry gradients.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import cached_property

import torch


@dataclass(frozen=True, eq=False)
class Scores:
    """R responses, token by token."""

    logps_RT: torch.Tensor
    """log π of each token under the policy that learns."""
    mask_RT: torch.Tensor
    """Bool: the tokens of the response."""
    reference_RT: torch.Tensor | None = None
    """log π_ref of each token; None where the objective needs no reference."""
    sampling_RT: torch.Tensor | None = None
    """log π_old of each token: under the policy as the stage begins."""
    divergence_RT: torch.Tensor | None = None
    """KL(π_ref(.|s_t) ‖ π(.|s_t)) at each position; None where no whole distributions are asked."""

    @cached_property
    def lengths_R(self) -> torch.Tensor:
        """Tokens of each response, at least 1, in the log-probabilities' dtype."""
        return self.mask_RT.sum(dim=-1).clamp(min=1).to(self.logps_RT.dtype)

    @cached_property
    def logps_R(self) -> torch.Tensor:
        """ℓ = log π(y|x)."""
        return self.logps_RT.sum(dim=-1)

    @cached_property
    def reference_R(self) -> torch.Tensor:
        """log π_ref(y|x)."""
        assert self.reference_RT is not None, "the row of this objective asks for no reference"
        return self.reference_RT.sum(dim=-1)

    @cached_property
    def ratios_R(self) -> torch.Tensor:
        """r = log π(y|x) - log π_ref(y|x)."""
        return self.logps_R - self.reference_R

    @cached_property
    def divergence_R(self) -> torch.Tensor:
        """Σ_t KL(π_ref(.|s_t) ‖ π(.|s_t)) over the response."""
        assert self.divergence_RT is not None, "the row of this objective asks for no logits"
        return self.divergence_RT.sum(dim=-1)

    def rows(self, chosen: slice | torch.Tensor) -> Scores:
        """Some of the responses: a slice, or int64 positions (one may stand there many times)."""
        tensors = {item.name: getattr(self, item.name) for item in fields(self)}
        return replace(self, **{k: v[chosen] for k, v in tensors.items() if v is not None})


@dataclass(frozen=True, eq=False)
class PairBatch:
    """B preferred responses, each beside the one it was preferred to."""

    chosen: Scores
    rejected: Scores
    margins_B: torch.Tensor
    """Reward of the chosen minus reward of the rejected."""
    generator: torch.Generator | None = None
    """For losses that draw."""
    memory: dict[str, float] = field(default_factory=dict)
    """What a loss keeps from one optimiser step to the next, over all of training."""

    @property
    def gaps_B(self) -> torch.Tensor:
        """Δ = r_w - r_l, the difference of the log-ratios."""
        return self.chosen.ratios_R - self.rejected.ratios_R


@dataclass(frozen=True, eq=False)
class GroupBatch:
    """P whole groups: R scored responses, those of a group side by side."""

    scores: Scores
    rewards_R: torch.Tensor
    """Finite; a response without a reward is left out."""
    group_R: torch.Tensor
    """Int64, ascending: which of the P groups."""
    violates_R: torch.Tensor
    """Bool: breaks a constraint."""

    @property
    def groups(self) -> int:
        """P."""
        return int(self.group_R[-1]) + 1
