"""Text model behind an OpenAI-compatible server: hosted, vLLM, llama.cpp, `transformers serve`.

All chats are asked at once, as far as `concurrency` goes, each with a seed of its own. The server
is asked for n samples in one request; if it ignores or refuses `n`, for the missing ones singly.
Answers follow from (weights, chats, sampling, seed) as far as the server honours seeds.

Contract, stricter than the servers': a sample that stopped for another reason than its end or the
limit (a content filter, a tool call) is none. A chat has n responses, or none at all when the
server turned it down, or failed it in every attempt; `usage` counts the reasons. Only when no chat
at all is answered because the server fails is that an error. A server that answers nobody is left
alone for a while (`breaker`), replies may be kept in a file (`reply_cache`), and what each call
took is told to whoever meters it (`metering`).

Left out: log-probabilities of given texts and loading weights, which the protocol of these servers
does not have; streaming; calls from inside a running event loop.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selfplay.core.errors import ConfigError, ModelError, NoAnswerError, PausedError
from selfplay.core.models.breaker import Breaker
from selfplay.core.models.completions import read_choices
from selfplay.core.models.dialect import FORM, Dialect
from selfplay.core.models.endpoint_options import EndpointOptions
from selfplay.core.models.failure import Failure
from selfplay.core.models.http_replies import Secret
from selfplay.core.models.metering import tell
from selfplay.core.models.posting import Poster
from selfplay.core.models.reply_cache import Cache, Request, open_cache
from selfplay.core.models.transport import Transport
from selfplay.core.models.usage import Usage
from selfplay.core.notices import note, waiting
from selfplay.core.seeding import Seed
from selfplay.core.types import Chat, Response, Sampling

_SEED_MASK = 2**31 - 1
"""Some servers take no longer seeds."""


class EndpointModel:
    """`TextModel` that asks a server; `usage` counts what was asked of it."""

    def __init__(self, options: EndpointOptions) -> None:
        """Connects to nothing yet.

        Raises:
            ConfigError: the environment variable that should hold the key is not set or holds none,
                or the address or a proxy of the environment cannot be used.
            DataError: the file in `cache` is no cache of replies, or is damaged.
            ResourceError: that file cannot be read or written.
        """
        self.usage = Usage(price_in=options.price_in, price_out=options.price_out)
        self._options = options
        self._breaker = Breaker(options.breaker, options.rest)
        self._dialect = Dialect(f"model '{options.model}' at {options.base_url}")
        self._form: Mapping[str, Any] | None = None
        self._url = f"{options.base_url.rstrip('/')}/chat/completions"
        key = os.environ.get(options.api_key_env, "").strip() if options.api_key_env else ""
        if options.api_key_env and not key:
            raise ConfigError(
                f"api_key_env: expected the key for {options.base_url} in the environment variable "
                f"{options.api_key_env}, which is not set. Set it, or leave api_key_env empty for "
                "a server that needs no key."
            )
        self._secret = Secret(key)
        self._transport = Transport(self._url, options, key)
        with open_cache(options.cache):
            pass  # a file that cannot be used is said now, not when replies have been paid for

    @property
    def name(self) -> str:
        """The model's name on the server."""
        return self._options.model

    def accounting_with(self, first: EndpointModel) -> EndpointModel:
        """This model, its usage, breaker and dialect being those of `first` from now on.

        A game asks one server through several models, such as a judge under two rubrics: what
        they spend together counts, what one of them finds dead is dead for all, and what one of
        them finds refused is refused to all.
        """
        self.usage, self._breaker, self._dialect = first.usage, first._breaker, first._dialect
        return self

    def replying_as(self, form: Mapping[str, Any]) -> EndpointModel:
        """The same model, with the same `usage`, asked for replies of a form (`response_format`).

        A server that refuses a JSON schema is asked for any JSON object, then without a form
        (`dialect`). A `response_format` in the configuration's `extra` takes the form's place.
        """
        formed = copy(self)
        formed._form = form
        return formed

    def generate(
        self, chats: Sequence[Chat], sampling: Sampling, seed: Seed
    ) -> list[tuple[Response, ...]]:
        """`sampling.n` responses for each chat, in the order of `chats`; `()` for one unanswered.

        A sample's seed depends on `seed`, the chat, how many equal chats come before it and the
        sample's index. Token ids are `UNKNOWN` unless the server gives them.

        Raises:
            NoAnswerError: the server fails every chat.
            EndpointError: it refuses the key, model or address.
            PausedError: `max_money` is spent.
            DataError, ResourceError: the cache of replies cannot be used.
        """
        self._keep_to_budget()
        seen: Counter[Chat] = Counter()
        places = []
        for chat in chats:
            words = [word for message in chat for word in (message.role, message.content)]
            places.append(seed.at("endpoint", *words, seen[chat]))
            seen[chat] += 1
        before = self.usage.copy()
        try:
            outcomes = asyncio.run(self._answer(chats, sampling, places))
            failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
            self._count(failures)
        finally:
            tell(self.name, self._options.base_url, self.usage.since(before))
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

    def _keep_to_budget(self) -> None:
        """Raises PausedError once `max_money` is spent, or what is spent cannot be known."""
        most, spent = self._options.max_money, self.usage.money
        if most is None or (spent is not None and spent < most):
            return
        found = f"{spent:g} spent" if spent is not None else "answers whose tokens it did not say"
        raise PausedError(
            f"{self._url}: expected to spend less than max_money={most:g} on model '{self.name}' "
            f"in one game, found {found}. What was answered is kept: raise max_money, take it "
            "away, or run the same command again for as much once more"
        )

    def _count(self, failures: Sequence[Failure]) -> None:
        """Counts failures, and tells what the server says of each kind the first time."""
        for failure in sorted(failures, key=lambda failure: failure.words, reverse=True):
            self.usage.failures[failure.reason] += 1
            if failure.words:
                if failure.reason not in self.usage.words:
                    server = f"model '{self.name}' at {self._options.base_url}"
                    note(f"{server} leaves requests unanswered: {failure.detail}")
                self.usage.words[failure.reason] = failure.words

    def _refuse_silence(self, failures: Sequence[Failure]) -> None:
        """Raises NoAnswerError if the server's failing is among the reasons for every failure."""
        last = next((failure for failure in reversed(failures) if failure.again), None)
        if last is not None:
            raise NoAnswerError(
                f"{self._url}: expected answers of model '{self.name}', found none to "
                f"{len(failures)} chats in up to {self._options.retries + 1} attempts each; the "
                f"last: {last.detail}. Check that the server runs; `timeout`, `retries`, `breaker` "
                "and `concurrency` say how patiently it is asked."
            )

    async def _answer(
        self, chats: Sequence[Chat], sampling: Sampling, places: Sequence[Seed]
    ) -> list[tuple[Response, ...] | Failure]:
        with open_cache(self._options.cache) as cache:
            async with Poster(
                self._transport,
                self._options,
                self._secret,
                self.usage,
                self._breaker,
                self._dialect,
            ) as poster:
                asking = _Asking(self._options, self._url, self._form, poster, cache, self.usage)
                with waiting(f"model '{self.name}' at {self._options.base_url}", asking.state):
                    return await asking.all(chats, sampling, places)


class _Asking:
    """The chats of one call, and what they are asked with."""

    def __init__(
        self,
        options: EndpointOptions,
        url: str,
        form: Mapping[str, Any] | None,
        poster: Poster,
        cache: Cache,
        usage: Usage,
    ) -> None:
        self._options, self._url, self._form = options, url, form
        self._poster, self._cache, self._usage = poster, cache, usage
        self._done = self._total = 0

    def state(self) -> str:
        """How far it is, and what it is held up by."""
        trouble = f"; the last attempt: {self._poster.trouble}" if self._poster.trouble else ""
        return f"{self._done:,} of {self._total:,} answered{trouble}"

    async def all(
        self, chats: Sequence[Chat], sampling: Sampling, places: Sequence[Seed]
    ) -> list[tuple[Response, ...] | Failure]:
        """What comes of each chat."""
        self._total = len(chats)
        return await asyncio.gather(
            *(
                self._samples(chat, sampling, place)
                for chat, place in zip(chats, places, strict=True)
            )
        )

    async def _samples(
        self, chat: Chat, sampling: Sampling, place: Seed
    ) -> tuple[Response, ...] | Failure:
        """All samples of a chat, or why some are missing."""
        first = await self._ask(chat, sampling, sampling.n, place.at(0))
        if isinstance(first, Failure):
            if first.again or sampling.n == 1:
                return first
            first = []
        singly = [
            self._ask(chat, sampling, 1, place.at(index)) for index in range(len(first), sampling.n)
        ]
        found = list(first)
        for more in await asyncio.gather(*singly):
            if isinstance(more, Failure):
                return more
            found += more
        self._done += 1
        return tuple(found)

    async def _ask(
        self, chat: Chat, sampling: Sampling, n: int, place: Seed
    ) -> list[Response] | Failure:
        """One request: 1 to `n` responses."""
        draw = place.integer()
        body = request_body(self._options, chat, sampling, n, draw & _SEED_MASK, self._form)
        request = Request(self._url, body, draw)
        kept = self._cache.get(request)
        if kept is not None:
            self._usage.cached += 1
            found = read_choices(kept)
            return found if isinstance(found, Failure) else found[:n]
        reply = await self._poster.post(body, draw)
        if isinstance(reply, Failure):
            return reply
        self._usage.bill(reply.get("usage"))
        found = read_choices(reply)
        if isinstance(found, Failure):
            return found
        if len(found) == len(reply["choices"]):
            self._cache.put(request, reply)
        return found[:n]


def request_body(
    options: EndpointOptions,
    chat: Chat,
    sampling: Sampling,
    n: int,
    seed: int,
    form: Mapping[str, Any] | None = None,
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
    if form is not None:
        body[FORM] = dict(form)
    body |= options.extra
    return {name: value for name, value in body.items() if value is not None}
