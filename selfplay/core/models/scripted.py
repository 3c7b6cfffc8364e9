"""A text model that is a function: for tests, demonstrations and rule-based rewriters.

Tokens are UTF-8 bytes. It has no probabilities and no weights.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from selfplay.core.errors import ModelError
from selfplay.core.seeding import Seed
from selfplay.core.types import Chat, Response, Sampling

Script: TypeAlias = Callable[[Chat, Sampling, int, np.random.Generator], str]
"""(chat, sampling, index of the sample, generator for this sample) -> the whole text."""


class ScriptedModel:
    """`TextModel` whose responses `script` writes."""

    def __init__(self, script: Script, name: str = "scripted") -> None:
        self._script = script
        self._name = name

    @property
    def name(self) -> str:
        """The name given at construction."""
        return self._name

    def generate(
        self, chats: Sequence[Chat], sampling: Sampling, seed: Seed
    ) -> list[tuple[Response, ...]]:
        """`sampling.n` responses for each chat, cut after `max_new_tokens` bytes.

        A sample's generator depends on `seed`, the chat, how many equal chats come before it and
        the sample's index; so the result does not depend on the order of different chats.
        """
        seen: Counter[Chat] = Counter()
        results = []
        for chat in chats:
            place = seed.at("scripted", *_words(chat), seen[chat])
            seen[chat] += 1
            texts = [
                self._script(chat, sampling, index, place.at(index).numpy())
                for index in range(sampling.n)
            ]
            results.append(tuple(_response(text, sampling.max_new_tokens) for text in texts))
        return results

    def logprobs(
        self, chats: Sequence[Chat], responses: Sequence[Response]
    ) -> list[NDArray[np.float32]]:
        """Always refuses.

        Raises:
            ModelError: a function has no probabilities.
        """
        raise ModelError(
            f"Expected a model with log-probabilities, found the scripted model '{self.name}', "
            "which has none. Configure a transformers or vLLM model for this role."
        )

    def load(self, weights: Path) -> None:
        """Does nothing: a function has no weights, and every policy version is the same one."""


def _words(chat: Chat) -> list[str]:
    return [word for message in chat for word in (message.role, message.content)]


def _response(text: str, limit: int) -> Response:
    encoded = text.encode()
    kept = encoded[:limit]
    return Response(
        text=kept.decode(errors="ignore"),
        token_ids=np.frombuffer(kept, dtype=np.uint8).astype(np.int32),
        logprobs=None,
        finish_reason="stop" if len(kept) == len(encoded) else "length",
    )
