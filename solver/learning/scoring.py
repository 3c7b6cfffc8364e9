"""Log-probabilities of recorded tokens under a module.

Sequences are padded on the right, so that causal attention needs no mask and positions are those
of generation. TRL's fused output head saves memory but is slower than plain logits where these
fit; the plain path is taken up to `PLAIN_LOGITS` of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from trl.trainer.utils import FusedCausalLMOutput, add_fused_lm_head

from solver.learning.batches import IGNORED, Row, micro_batches, padded_labels, padded_rows
from solver.learning.router import without_padding

PLAIN_LOGITS = 2**26
"""Largest number of logits held at once: 256 MB of float32."""

EXTRAS = ("entropy", "mean_logits", "is_top1")
"""What TRL's trainers report of a distribution besides the log-probability."""


@dataclass(frozen=True)
class TokenScorer:
    """Stands in for a module that TRL calls with `labels` and `fused_lm_head`."""

    module: Any
    temperature: float = 1.0
    plain_logits: int = PLAIN_LOGITS
    extras: tuple[str, ...] = ()
    """Those of `EXTRAS` that are wanted."""

    def __call__(
        self, input_ids: torch.Tensor, labels: torch.Tensor, **options: Any
    ) -> FusedCausalLMOutput:
        """Scores the tokens whose label is not ignored.

        Args:
            input_ids: shape (B, L), padded on the right.
            labels: shape (B, L); `IGNORED` where no score is wanted.
            options: of TRL's call, dropped.

        Returns:
            `log_probs` and the extras: shape (B, L - 1), zero where ignored.
        """
        padding = without_padding(self.module, labels)
        mask_BT = labels[:, 1:] != IGNORED
        first = int(mask_BT.any(dim=0).to(torch.int8).argmax())
        width = mask_BT.size(1) - first
        vocabulary = self.module.get_output_embeddings().weight.size(0)
        if width * mask_BT.size(0) * vocabulary > self.plain_logits:
            with _fused_head(self.module, self.temperature, ("log_probs", *self.extras)):
                fused: FusedCausalLMOutput = self.module(
                    input_ids=input_ids, labels=labels, fused_lm_head=True, **padding
                )
            return fused
        kept = {name: mask_BL[:, :-1] for name, mask_BL in padding.items()}
        output = self.module(
            input_ids=input_ids[:, :-1], use_cache=False, logits_to_keep=width, **kept
        )
        logits_NV = output.logits[mask_BT[:, first:]].float() / self.temperature
        scores = _scores(logits_NV, labels[:, 1:][mask_BT], self.extras)
        spread = {
            name: score_N.new_zeros(mask_BT.shape).masked_scatter(mask_BT, score_N)
            for name, score_N in scores.items()
        }
        return FusedCausalLMOutput(**spread, label_mask=mask_BT)


def _scores(
    logits_NV: torch.Tensor, targets_N: torch.Tensor, extras: Sequence[str]
) -> dict[str, torch.Tensor]:
    logps_NV = torch.log_softmax(logits_NV, dim=-1)
    logps_N = logps_NV.gather(1, targets_N[:, None])[:, 0]
    if not extras:
        return {"log_probs": logps_N}
    with torch.no_grad():
        return {
            "log_probs": logps_N,
            "entropy": torch.special.entr(logps_NV.exp()).sum(dim=-1),
            # Of the tokens that the model does not exclude by a logit of -inf.
            "mean_logits": logits_NV.where(logits_NV > -torch.inf, torch.nan).nanmean(dim=-1),
            "is_top1": logps_N >= logps_NV.amax(dim=-1),
        }


@contextmanager
def _fused_head(module: Any, temperature: float, outputs: tuple[str, ...]) -> Iterator[None]:
    """Puts TRL's fused head on the module and takes it off again."""
    before = vars(module).get("forward")
    add_fused_lm_head(module, temperature=temperature, outputs=outputs)
    try:
        yield
    finally:
        vars(module).pop("forward", None)
        if before is not None:
            module.forward = before


def divergences(
    module: Any, reference: Any, ids_BL: torch.Tensor, labels_BL: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Whole distributions of two models at the tokens that are not ignored.

    Returns:
        log π, log π_ref of each token, and KL(π_ref(.|s_t) ‖ π(.|s_t)): shape (B, L - 1), nats,
        zero where ignored. Gradients flow through `module` alone.
    """
    mask_BT = labels_BL[:, 1:] != IGNORED
    targets_N1 = labels_BL[:, 1:][mask_BT][:, None]

    def distributions(scored: Any) -> torch.Tensor:
        padding = without_padding(scored, labels_BL)
        kept = {name: mask_BL[:, :-1] for name, mask_BL in padding.items()}
        logits_BTV = scored(input_ids=ids_BL[:, :-1], use_cache=False, **kept).logits
        return torch.log_softmax(logits_BTV[mask_BT].float(), dim=-1)

    with torch.no_grad():
        reference_NV = distributions(reference)
    policy_NV = distributions(module)
    divergence_N = _divergence(reference_NV, policy_NV)
    found = (
        policy_NV.gather(1, targets_N1)[:, 0],
        reference_NV.gather(1, targets_N1)[:, 0],
        divergence_N,
    )
    policy_BT, reference_BT, divergence_BT = (
        score_N.new_zeros(mask_BT.shape).masked_scatter(mask_BT, score_N) for score_N in found
    )
    return policy_BT, reference_BT, divergence_BT


def _divergence(reference_NV: torch.Tensor, policy_NV: torch.Tensor) -> torch.Tensor:
    """KL(π_ref ‖ π), shape (N,); what the reference excludes (a logit of -inf) adds nothing."""
    # Masked before the difference: 0 times an infinite one has no gradient either.
    some_NV = reference_NV > -torch.inf
    gaps_NV = reference_NV.where(some_NV, 0) - policy_NV.where(some_NV, 0)
    return (reference_NV.exp() * gaps_NV).sum(dim=-1)


def token_logps(
    module: Any,
    rows: Sequence[Row],
    pad_id: int,
    temperature: float = 1.0,
    autocast: torch.dtype | None = None,
) -> list[NDArray[np.float32]]:
    """Log-probability (nats) of every response token of `rows[i]`: shape (T_i,). No gradients."""
    vocabulary = module.get_output_embeddings().weight.size(0)
    budget = max(1, PLAIN_LOGITS // vocabulary)
    scorer = TokenScorer(module, temperature, plain_logits=1 << 62)
    device = module.device
    found: dict[int, NDArray[np.float32]] = {}
    was_training = module.training
    module.eval()
    with (
        torch.no_grad(),
        torch.autocast(device.type, autocast or torch.bfloat16, enabled=autocast is not None),
    ):
        for chunk in micro_batches(range(len(rows)), [row.length for row in rows], budget):
            chosen = [rows[i] for i in chunk]
            ids_BL = padded_rows(chosen, pad_id).to(device)
            scores_BT = scorer(ids_BL, padded_labels(chosen).to(device)).log_probs
            assert scores_BT is not None
            for i, row, scores_T in zip(
                chunk, chosen, scores_BT.float().cpu().numpy(), strict=True
            ):
                found[i] = scores_T[len(row.prompt_ids) - 1 : row.length - 1].copy()
    module.train(was_training)
    return [found[i] for i in range(len(rows))]
