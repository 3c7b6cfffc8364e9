"""The live policy for those that are built before it: judges are, so that wrong ones cost nothing.

Whoever is built with a `LiveModel` may hold it at once and ask it once it is bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from selfplay.core.errors import ConfigError
from selfplay.core.seeding import Seed
from selfplay.core.text import TextModel
from selfplay.core.types import Chat, Response, Sampling


class ScoringModel(TextModel, Protocol):
    """A model that can be asked how likely texts are that somebody else wrote."""

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, without special tokens."""


class LiveModel:
    """`ScoringModel` that stands for another, which is made known later."""

    def __init__(self) -> None:
        self._model: ScoringModel | None = None

    def bind(self, model: ScoringModel) -> None:
        """From now on it is `model`."""
        self._model = model

    @property
    def name(self) -> str:
        """The model's; `policy` before it is known."""
        return self._model.name if self._model else "policy"

    def generate(
        self, chats: Sequence[Chat], sampling: Sampling, seed: Seed
    ) -> list[tuple[Response, ...]]:
        """As the model; a ConfigError where there is none."""
        return self._bound().generate(chats, sampling, seed)

    def logprobs(
        self, chats: Sequence[Chat], responses: Sequence[Response]
    ) -> list[NDArray[np.float32]]:
        """As the model; a ConfigError where there is none."""
        return self._bound().logprobs(chats, responses)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """As the model; a ConfigError where there is none."""
        return self._bound().encode(texts)

    def load(self, weights: Path) -> None:
        """As the model; a ConfigError where there is none."""
        self._bound().load(weights)

    def _bound(self) -> ScoringModel:
        if self._model is None:
            raise ConfigError(
                "expected a live policy to ask, found none: `policy` names the model that a run is "
                "training. Outside of a run choose `transformers` or `endpoint`."
            )
        return self._model
