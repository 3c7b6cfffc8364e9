"""The text-model protocol: everything that writes or scores text in the game."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from selfplay.core.seeding import Seed
from selfplay.core.types import Chat, Response, Sampling


class TextModel(Protocol):
    """A model that answers chats. Several roles may share one."""

    @property
    def name(self) -> str:
        """How lineage and reports call it."""

    def generate(
        self, chats: Sequence[Chat], sampling: Sampling, seed: Seed
    ) -> list[tuple[Response, ...]]:
        """`sampling.n` responses for each chat, in the order of `chats`.

        The result is a function of (weights, chats, sampling, seed).

        Raises:
            ModelError: a chat does not fit the model's context, or has no template.
        """

    def logprobs(
        self, chats: Sequence[Chat], responses: Sequence[Response]
    ) -> list[NDArray[np.float32]]:
        """Log-probability (nats) of every token of `responses[i]` after `chats[i]`, (T_i,)."""

    def load(self, weights: Path) -> None:
        """Replaces the weights by those in a Hugging Face model directory."""
