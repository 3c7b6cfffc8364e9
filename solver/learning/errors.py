"""Errors that end a learning stage in every process at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from selfplay.core.errors import ModelError

if TYPE_CHECKING:
    import torch


class SharedError(ModelError):
    """An error that every process of a team meets at the same place, so that none waits in vain."""


class NotFiniteError(SharedError):
    """A score, a loss or a gradient is not finite; holds the batch that it came from."""

    def __init__(self, message: str, batch: dict[str, torch.Tensor]) -> None:
        super().__init__(message)
        self.batch = batch
