"""Text model behind an OpenAI-compatible server: hosted, vLLM, llama.cpp, `transformers serve`.

All chats are asked at once, as far as `concurrency` goes, each with a seed of its own. The server
is asked for n samples in one request; if it ignores or refuses `n`, for the missing ones singly.
Answers follow from (weights, chats, sampling, seed) as far as the server honours seeds.

Contract, stricter than the servers': a sample that stopped for another reason than its end or the
limit (a content filter, a tool call) is none. A chat has n responses, or none at all when the
server turned it down, or failed it in every attempt; `usage` counts the reasons. Only when no chat
at all is answered because the server fails is that an error.

Left out: log-probabilities of given texts and loading weights, which the protocol of these servers
does not have; streaming; calls from inside a running event loop.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from random import Random
from ssl import PROTOCOL_TLS_CLIENT, SSLContext
from typing import Any

import httpx2
import numpy as np
from numpy.typing import NDArray

from selfplay.core.errors import ConfigError, EndpointError, ModelError
from selfplay.core.models.completions import read_choices
from selfplay.core.models.endpoint_options import EndpointOptions
from selfplay.core.models.posting import Failure, Poster, Usage
from selfplay.core.seeding import Seed
from selfplay.core.types import Chat, Response, Sampling

_SEED_BITS = 31
"""Some servers take no longer seeds."""


class EndpointModel:
    """`TextModel` that asks a server; `usage` counts what was asked of it."""

    def __init__(self, options: EndpointOptions) -> None:
        """Connects to nothing yet.

        Raises:
            ConfigError: the environment variable that should hold the key is not set.
        """
        self.usage = Usage()
        self._options = options
        self._url = f"{options.base_url.rstrip('/')}/chat/completions"
        self._key = os.environ.get(options.api_key_env, "").strip() if options.api_key_env else ""
        if options.api_key_env and not self._key:
            raise ConfigError(
                f"api_key_env: expected the key for {options.base_url} in the environment variable "
                f"{options.api_key_env}, which is not set. Set it, or leave api_key_env empty for "
                "a server that needs no key."
            )

    @property
    def name(self) -> str:
        """The model's name on the server."""
        return self._options.model

    def generate(
        self, chats: Sequence[Chat], sampling: Sampling, seed: Seed
    ) -> list[tuple[Response, ...]]:
        """`sampling.n` responses for each chat, in the order of `chats`; `()` for one unanswered.

        A sample's seed depends on `seed`, the chat, how many equal chats come before it and the
        sample's index. Token ids are `UNKNOWN` unless the server gives them.

        Raises:
            EndpointError: the server fails every chat, or refuses the key, model or address.
        """
        seen: Counter[Chat] = Counter()
        places = []
        for chat in chats:
            words = [word for message in chat for word in (message.role, message.content)]
            places.append(seed.at("endpoint", *words, seen[chat]))
            seen[chat] += 1
        outcomes = asyncio.run(self._answer(chats, sampling, places))
        failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
        self.usage.failures.update(failure.reason for failure in failures)
        if len(failures) == len(outcomes):
            self._refuse_silence(failures)
        return [() if isinstance(outcome, Failure) else outcome for outcome in outcomes]

    def logprobs(
        self, chats: Sequence[Chat], responses: Sequence[Response]
    ) -> list[NDArray[np.float32]]:
        """Always refuses.

        Raises:
            ModelError: these servers score no given text.
        """
        raise ModelError(
            f"Expected a model that scores given texts, found '{self.name}' behind "
            f"{self._options.base_url}, which cannot. Configure a model in process for this role."
        )

    def load(self, weights: Path) -> None:
        """Always refuses.

        Raises:
            ModelError: the weights are the server's.
        """
        raise ModelError(
            f"Expected a model whose weights can be replaced, found '{self.name}' behind "
            f"{self._options.base_url}. Configure a model in process for the policy."
        )

    def _refuse_silence(self, failures: Sequence[Failure]) -> None:
        """Raises EndpointError when the server's failing is among the reasons for every failure."""
        last = next((failure for failure in reversed(failures) if failure.again), None)
        if last is not None:
            raise EndpointError(
                f"{self._url}: expected answers of model '{self.name}', found none to "
                f"{len(failures)} chats in {self._options.retries + 1} attempts each; the last: "
                f"{last.detail}. Check that the server runs; `timeout`, `retries` and "
                "`concurrency` say how patiently it is asked."
            )

    async def _answer(
        self, chats: Sequence[Chat], sampling: Sampling, places: Sequence[Seed]
    ) -> list[tuple[Response, ...] | Failure]:
        async with Poster(self._url, self._options, self._key, self._tls, self.usage) as poster:
            return await asyncio.gather(
                *(
                    self._samples(poster, chat, sampling, place)
                    for chat, place in zip(chats, places, strict=True)
                )
            )

    async def _samples(
        self, poster: Poster, chat: Chat, sampling: Sampling, place: Seed
    ) -> tuple[Response, ...] | Failure:
        """All samples of a chat, or why some are missing."""
        first = await self._ask(poster, chat, sampling, sampling.n, place.at(0))
        if isinstance(first, Failure):
            if first.again or sampling.n == 1:
                return first
            first = []
        singly = [
            self._ask(poster, chat, sampling, 1, place.at(index))
            for index in range(len(first), sampling.n)
        ]
        found = list(first)
        for more in await asyncio.gather(*singly):
            if isinstance(more, Failure):
                return more
            found += more
        return tuple(found)

    async def _ask(
        self, poster: Poster, chat: Chat, sampling: Sampling, n: int, place: Seed
    ) -> list[Response] | Failure:
        """One request: 1 to `n` responses."""
        body = request_body(self._options, chat, sampling, n, place.integer(_SEED_BITS))
        reply = await poster.post(body, Random(place.integer()))
        if isinstance(reply, Failure):
            return reply
        used = reply.get("usage")
        if isinstance(used, Mapping):
            self.usage.prompt_tokens += _count(used.get("prompt_tokens"))
            self.usage.completion_tokens += _count(used.get("completion_tokens"))
        found = read_choices(reply)
        return found if isinstance(found, Failure) else found[:n]

    @cached_property
    def _tls(self) -> SSLContext:
        """Made once, and only if need be: reading the certificates takes longer than a request."""
        if self._url.startswith("https:"):
            return httpx2.create_ssl_context()
        return SSLContext(PROTOCOL_TLS_CLIENT)


def request_body(
    options: EndpointOptions, chat: Chat, sampling: Sampling, n: int, seed: int
) -> dict[str, Any]:
    """The request for `n` samples; strict servers are spared fields that change nothing."""
    plain = sampling.top_p == 1.0 and sampling.top_k == 0
    body: dict[str, Any] = {
        "model": options.model,
        "messages": [{"role": m.role, "content": m.content} for m in chat],
        options.token_limit: sampling.max_new_tokens,
        "temperature": sampling.temperature,
        "seed": seed,
    }
    if sampling.top_p < 1.0:
        body["top_p"] = sampling.top_p
    if sampling.top_k:
        body["top_k"] = sampling.top_k
    if n > 1:
        body["n"] = n
    # Servers give those of the bare model, which other temperatures and filters do not draw from.
    if options.logprobs and (sampling.greedy or (plain and sampling.temperature == 1.0)):
        body["logprobs"] = True
    body |= options.extra
    return {name: value for name, value in body.items() if value is not None}


def _count(found: object) -> int:
    return found if isinstance(found, int) else 0
