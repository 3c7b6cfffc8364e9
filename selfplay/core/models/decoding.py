"""The decoding loop: n samples for each prompt of a batch from one prefill.

Prompts are run through the model once; their keys and values are then repeated n times, where
`transformers.generate` repeats the prompts and prefills n times. Rows that finished are dropped
once they are a good part of the batch. Left out: speculative and beam decoding, static shapes for
`torch.compile`, attention that reads a shared prompt once for its n samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad as pad_tensor

from selfplay.core.models.roomy_cache import roomy_cache
from selfplay.core.models.sampling import draw
from selfplay.core.types import Sampling

_WORTH_DROPPING = 0.8
"""Finished rows are dropped when no more than this share of the batch is running: dropping copies
the cache once, every later step saves the rest."""


def pad_left(
    sequences: list[list[int]], pad: int, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Token ids, mask (1 on tokens) and positions of left-padded sequences, each (B, L)."""
    width = max(map(len, sequences))
    ids = torch.tensor([[pad] * (width - len(s)) + s for s in sequences], device=device)
    lengths = torch.tensor([len(s) for s in sequences], device=device)
    positions = torch.arange(width, device=device) - (width - lengths)[:, None]
    return ids, (positions >= 0).long(), positions.clamp(min=0)


def decode(
    module: Any,
    prompts: list[list[int]],
    uniforms_RT: Tensor,
    sampling: Sampling,
    stops: Tensor,
    pad: int,
) -> tuple[Tensor, Tensor]:
    """Samples `sampling.n` responses for each of P prompts: R = P·n rows, prompt by prompt.

    Args:
        module: a causal language model in evaluation mode; call under `torch.no_grad`.
        prompts: token ids, none empty.
        uniforms_RT: uniform numbers, on the model's device; T new tokens at most.
        sampling: temperature and filters.
        stops: ids of the end-of-sequence tokens, on the model's device.
        pad: id of the padding token.

    Returns:
        Token ids (R, T'), T' ≤ T, and log-probabilities (R, T') in nats; what follows a row's
        first stop token is meaningless.
    """
    total, horizon = uniforms_RT.shape
    rows, logits = _prefill(module, prompts, sampling.n, horizon, pad, uniforms_RT.device)
    tokens_TR = torch.full((horizon, total), pad, device=uniforms_RT.device)
    probs_TR = torch.ones((horizon, total), device=uniforms_RT.device)
    for step in range(horizon):
        chosen, probs = draw(logits, uniforms_RT[rows.index, step], sampling)
        tokens_TR[step, rows.index], probs_TR[step, rows.index] = chosen, probs
        rows.running &= torch.isin(chosen, stops, invert=True)
        remaining = int(rows.running.sum())
        if remaining == 0 or step + 1 == horizon:
            break
        if remaining <= _WORTH_DROPPING * len(chosen):
            chosen = chosen[rows.running]
            rows.drop_finished()
        logits = rows.advance(module, chosen)
    return tokens_TR[: step + 1].T, probs_TR[: step + 1].T.log()


@dataclass
class _Rows:
    """The rows still in the batch, with what the model needs to go on."""

    index: Tensor
    """(B,): which of the R rows each is."""
    running: Tensor
    """(B,): whether it has yet to draw a stop token."""
    position: Tensor
    """(B,): position of its last token."""
    mask: Tensor
    """(B, L + T): 0 on padding, 1 on tokens past and to come."""
    width: int
    """Columns in use."""
    cache: Any

    def drop_finished(self) -> None:
        keep = self.running.nonzero().squeeze(1)
        self.cache.reorder_cache(keep)
        self.index, self.running = self.index[keep], self.running[keep]
        self.position, self.mask = self.position[keep], self.mask[keep]

    def advance(self, module: Any, chosen: Tensor) -> Tensor:
        """Appends one token (B,) to each row; logits (B, V) for the next."""
        self.position = self.position + 1
        self.width += 1
        seen = self.mask[:, : self.width]
        return _next_logits(module, chosen[:, None], seen, self.position[:, None], self.cache)


def _prefill(
    module: Any, prompts: list[list[int]], n: int, horizon: int, pad: int, device: torch.device
) -> tuple[_Rows, Tensor]:
    """Runs each prompt once and makes n rows of it, with their next-token logits (R, V)."""
    ids, mask, positions = pad_left(prompts, pad, device)
    cache: Any = roomy_cache(module.config)
    logits = _next_logits(module, ids, mask, positions, cache)
    index = torch.arange(len(prompts) * n, device=device)
    parent = index // n
    cache.reorder_cache(parent)
    rows = _Rows(
        index=index,
        running=torch.ones_like(index, dtype=torch.bool),
        position=positions[parent, -1],
        mask=pad_tensor(mask[parent], (0, horizon), value=1),
        width=ids.shape[1],
        cache=cache,
    )
    return rows, logits[parent]


def _next_logits(module: Any, ids: Tensor, mask: Tensor, positions: Tensor, cache: Any) -> Tensor:
    """Logits (B, V) after the last of `ids`, whose keys and values join the cache."""
    output = module(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    logits: Tensor = output.logits[:, -1]
    return logits
