"""JSON requests to a server that may be busy, slow or down.

An attempt that times out, loses its connection, is told to come again or gets no JSON
(`http_replies`) is repeated after a wait that doubles and is drawn from its upper half (exponential
backoff with jitter), or as long as the server's Retry-After says. A request that waits keeps its
place among those under way, so a busy server is asked less. A failure that concerns all requests
ends them. A server that answers nobody is left alone for a while (`breaker`); when it is tried
again, the other requests wait for how that goes. One that refuses a request's words is asked in
others (`dialect`), which one request finds out while the others wait.

Each place among those under way has a client of its own, with one connection: a shared client looks
at all of its connections with every request, which at 64 of them is a third of the work.

Left out: streaming, redirects.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from random import Random
from types import TracebackType
from typing import Any, TypeAlias

import httpx2

from selfplay.core.errors import EndpointError
from selfplay.core.models.breaker import Breaker
from selfplay.core.models.dialect import Dialect
from selfplay.core.models.endpoint_options import EndpointOptions
from selfplay.core.models.failure import Failure
from selfplay.core.models.http_replies import Outcome, Secret, outcome_of
from selfplay.core.models.transport import Transport
from selfplay.core.models.usage import Usage

Attempt: TypeAlias = Callable[[], Awaitable[Outcome]]
"""Sends a request once."""


class Poster:
    """Posts to one address, in an `async with` of one event loop."""

    def __init__(
        self,
        transport: Transport,
        options: EndpointOptions,
        secret: Secret,
        usage: Usage,
        breaker: Breaker,
        dialect: Dialect,
    ) -> None:
        """Counts into `usage`, and tells `breaker` and `dialect` the outcomes."""
        self.trouble = ""
        """What the last attempt failed for; empty once one was answered."""
        self._transport, self._options, self._secret = transport, options, secret
        self._usage, self._breaker, self._dialect = usage, breaker, dialect
        self._trying, self._settling = asyncio.Lock(), asyncio.Lock()
        self._turns = asyncio.Semaphore(options.concurrency)
        self._clients: list[httpx2.AsyncClient] = []
        self._idle: list[httpx2.AsyncClient] = []

    async def __aenter__(self) -> Poster:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for client in self._clients:
            await client.aclose()

    async def post(self, body: dict[str, Any], draw: int) -> Outcome:
        """The server's JSON object, or why there is none after all attempts.

        Args:
            body: of the request.
            draw: seed of the jitter.

        Raises:
            EndpointError: a failure that no other request would escape.
        """
        async with self._place() as client:
            attempt = partial(self._attempt, body, partial(self._sent, client))
            if self._breaker.resting:
                async with self._trying:
                    if self._breaker.resting:
                        return self._breaker.refusal() or await self._tried(attempt)
            outcome = await attempt()
            if isinstance(outcome, Failure):
                outcome = await self._repeated(attempt, outcome, Random(draw))
            self._breaker.heard(outcome)
        return outcome

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[httpx2.AsyncClient]:
        """One of the places among those under way."""
        async with self._turns:
            client = self._idle.pop() if self._idle else self._another()
            try:
                yield client
            finally:
                self._idle.append(client)

    def _another(self) -> httpx2.AsyncClient:
        client = self._transport.new_client()
        self._clients.append(client)
        return client

    async def _repeated(self, attempt: Attempt, outcome: Outcome, jitter: Random) -> Outcome:
        """What comes of the further attempts."""
        for retry in range(self._options.retries):
            if not (isinstance(outcome, Failure) and outcome.again):
                break
            await asyncio.sleep(self._pause(retry, outcome.wait, jitter))
            if self._breaker.resting:
                break
            self._usage.retries += 1
            outcome = await attempt()
        return outcome

    async def _tried(self, attempt: Attempt) -> Outcome:
        """The one attempt of a server that was left alone."""
        outcome = await attempt()
        self._breaker.heard(outcome)
        return outcome

    def _pause(self, retry: int, wait: float, jitter: Random) -> float:
        longest = self._options.longest_wait
        # A float's exponent ends before a patient user's count of retries does.
        backoff = self._options.backoff * 2.0 ** min(retry, 30)
        return min(max(wait, backoff * jitter.uniform(0.5, 1.0)), longest)

    async def _attempt(
        self, body: dict[str, Any], send: Callable[[dict[str, Any]], Awaitable[Outcome]]
    ) -> Outcome:
        """A request in the server's words; in those that are found on the way, where need be."""
        spoken = self._dialect.spoken(body)
        outcome = await send(spoken)
        while self._dialect.doubts(body, spoken, outcome):
            async with self._settling:
                # While this one waited, another request may have found out.
                if self._dialect.spoken(body) == spoken:
                    return await self._dialect.settled(body, outcome, send)
            spoken = self._dialect.spoken(body)
            outcome = await send(spoken)
        self._dialect.heard(body, outcome)
        return outcome

    async def _sent(self, client: httpx2.AsyncClient, body: dict[str, Any]) -> Outcome:
        self._usage.requests += 1
        reply = await self._transport.send(client, json.dumps(body))
        outcome = reply if isinstance(reply, Failure) else outcome_of(reply, self._secret)
        self.trouble = outcome.detail if isinstance(outcome, Failure) else ""
        if isinstance(outcome, Failure) and outcome.everyone:
            key = self._options.api_key_env
            raise EndpointError(
                f"{self._transport.url}: expected an answer of model '{self._options.model}', "
                f"found {outcome.detail}. Check base_url, the model's name and the key that "
                f"api_key_env names ({key or 'none is named'})."
            )
        return outcome
