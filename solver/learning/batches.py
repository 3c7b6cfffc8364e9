"""Recorded sequences as padded tensors, and how a round's rows are split into passes.

Rows are shuffled into optimiser steps, and inside a step sorted by length, so that a micro-batch
pads little. Micro-batches are bounded by tokens and hold different numbers of rows; weighting each
loss by its share of the step's rows gives the mean over the whole step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

IGNORED = -100
"""The label of a token that is not scored, torch's and TRL's convention."""

Ids = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Row:
    """A prompt and one response, as the tokens that were read and sampled."""

    prompt_ids: Ids
    response_ids: Ids

    @property
    def length(self) -> int:
        """Tokens, prompt and response together."""
        return len(self.prompt_ids) + len(self.response_ids)


def padded_rows(rows: Sequence[Row], pad_id: int) -> torch.Tensor:
    """Shape (B, L): prompt and response of each row, padded on the right."""
    ids_BL = np.full((len(rows), max(row.length for row in rows)), pad_id, dtype=np.int64)
    for b, row in enumerate(rows):
        ids_BL[b, : len(row.prompt_ids)] = row.prompt_ids
        ids_BL[b, len(row.prompt_ids) : row.length] = row.response_ids
    return torch.from_numpy(ids_BL)


def response_mask(rows: Sequence[Row]) -> torch.Tensor:
    """Shape (B, L), int64: 1 on the tokens of the response."""
    mask_BL = np.zeros((len(rows), max(row.length for row in rows)), dtype=np.int64)
    for b, row in enumerate(rows):
        mask_BL[b, len(row.prompt_ids) : row.length] = 1
    return torch.from_numpy(mask_BL)


def padded_labels(rows: Sequence[Row]) -> torch.Tensor:
    """Shape (B, L): the response's tokens, `IGNORED` elsewhere."""
    return padded_rows(rows, IGNORED).masked_fill(response_mask(rows) == 0, IGNORED)


def steps_of(
    count: int, minibatches: int, epochs: int, generator: np.random.Generator
) -> list[NDArray[np.int64]]:
    """The items 0..count-1 shuffled into `minibatches` optimiser steps, anew in every epoch."""
    if not count:
        return []
    parts = min(minibatches, count)
    return [
        part for _ in range(epochs) for part in np.array_split(generator.permutation(count), parts)
    ]


def micro_batches(
    items: Iterable[int], lengths: Sequence[int], max_tokens: int, parts: int = 1
) -> list[list[int]]:
    """`items` sorted by length and cut so that rows x longest stays within `max_tokens`.

    An item longer than that is a micro-batch of its own. `lengths[i]` is the length of item i.

    Args:
        parts: of near equal size into which to cut at least, as far as there are items.
    """
    ordered = sorted(items, key=lambda i: (lengths[i], i))
    if parts > 1:
        max_tokens = min(max_tokens, -(-sum(lengths[i] for i in ordered) // parts))
    chunks: list[list[int]] = []
    for i in ordered:
        # Lengths ascend, so the newest item is the longest of its chunk.
        if chunks and (len(chunks[-1]) + 1) * lengths[i] <= max_tokens:
            chunks[-1].append(i)
        else:
            chunks.append([i])
    return chunks
