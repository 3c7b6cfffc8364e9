"""Drawing next tokens: temperature, top-k, top-p, then the inverse of the cumulative distribution.

The filters are transformers' and in its order: scale by the temperature, keep the k likeliest
tokens, keep the smallest head of the distribution whose mass reaches p, renormalise. The caller
hands in the uniform numbers, so that a row's draw depends on its own number and on nothing else in
the batch. Left out: beam search, min-p, penalties.
"""

from __future__ import annotations

import torch
from torch import Tensor

from selfplay.core.types import Sampling

_LARGEST = 1.0 - 2.0**-20
"""Uniform numbers stay below the total mass even after rounding."""


def draw(logits_RV: Tensor, uniforms_R: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """One token for each row.

    Args:
        logits_RV: next-token logits, any floating dtype.
        uniforms_R: float32 numbers in [0, 1), one for each row; unused when greedy.
        sampling: temperature and filters.

    Returns:
        Token ids (R,) and probabilities (R,), float32, under the distribution that was drawn
        from; under the unscaled, unfiltered one when greedy.
    """
    if sampling.greedy:
        top = logits_RV.float().softmax(-1).max(-1)
        return top.indices, top.values
    logits = logits_RV.float() / sampling.temperature
    vocabulary = None
    if 0 < sampling.top_k < logits.shape[-1]:
        logits, vocabulary = logits.topk(sampling.top_k)
    elif sampling.top_p < 1.0:
        logits, vocabulary = logits.sort(descending=True)
    probs = logits.softmax(-1)
    if sampling.top_p < 1.0:
        before = probs.cumsum(-1) - probs
        # The likeliest token stays whatever p is, so that something can be drawn.
        tail = before >= sampling.top_p
        tail[:, 0] = False
        probs = probs.masked_fill(tail, 0.0)
        probs = probs / probs.sum(-1, keepdim=True)
    cumulative = probs.cumsum(-1)
    target = uniforms_R.clamp(max=_LARGEST)[:, None] * cumulative[:, -1:]
    # Logits that are no numbers find no place; the last one's probability says so to the caller.
    place = torch.searchsorted(cumulative, target, right=True).clamp(max=logits.shape[-1] - 1)
    chosen = place if vocabulary is None else vocabulary.gather(-1, place)
    return chosen.squeeze(-1), probs.gather(-1, place).squeeze(-1)
