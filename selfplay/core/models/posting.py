"""JSON requests to a server that may be busy, slow or down.

An attempt that times out, loses its connection, is told to come again (408, 409, 429, 5xx) or gets
no JSON is repeated after a wait that doubles and is drawn from its upper half (exponential backoff
with jitter), or as long as the server's Retry-After says. A request that waits keeps its place
among those under way, so a busy server is asked less. 400, 413 and 422 concern the one request;
every other status concerns all of them, and ends them. A server that answers nobody is left alone
for a while (`breaker`); when it is tried again, the other requests wait for how that goes.

Each place among those under way has a client of its own, with one connection: a shared client looks
at all of its connections with every request, which at 64 of them is a third of the work.

Left out: Retry-After as a date, streaming, redirects.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from random import Random
from ssl import SSLContext
from types import TracebackType
from typing import Any, TypeAlias

import httpx2

from selfplay.core.errors import EndpointError
from selfplay.core.models.breaker import Breaker
from selfplay.core.models.endpoint_options import EndpointOptions
from selfplay.core.models.failure import Failure
from selfplay.core.models.usage import Usage

_AGAIN = frozenset({408, 409, 425, 429, *range(500, 600)})
_THIS_ONE = frozenset({400, 413, 422})
_SHOWN = 300
"""Characters of a server's message that are shown."""

Outcome: TypeAlias = dict[str, Any] | Failure
"""The server's JSON object, or why there is none."""
Attempt: TypeAlias = Callable[[], Awaitable[Outcome]]
"""Sends a request once."""


class Poster:
    """Posts to one address, in an `async with` of one event loop."""

    def __init__(
        self,
        url: str,
        options: EndpointOptions,
        key: str,
        context: SSLContext,
        usage: Usage,
        breaker: Breaker,
    ) -> None:
        """Counts into `usage` and tells `breaker` the outcomes; `key` may be empty."""
        # Parsed once: a text would be with every request.
        self._url, self._options, self._key, self._usage = httpx2.URL(url), options, key, usage
        self._breaker, self._trying = breaker, asyncio.Lock()
        self._context = context
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
            EndpointError: a status that no other request would escape.
        """
        async with self._place() as client:
            attempt = partial(self._attempt, client, json.dumps(body))
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
        key = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        client = httpx2.AsyncClient(
            headers={"Content-Type": "application/json"} | key, timeout=None, verify=self._context
        )
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

    async def _attempt(self, client: httpx2.AsyncClient, content: str) -> Outcome:
        self._usage.requests += 1
        try:
            async with asyncio.timeout(self._options.timeout):
                response = await client.post(self._url, content=content)
        except TimeoutError:
            detail = f"no answer within {self._options.timeout:g} s"
            return Failure("time-out", detail, again=True)
        except httpx2.TransportError as error:
            return Failure("no connection", str(error) or type(error).__name__, again=True)
        except httpx2.DecodingError as error:
            return Failure("no JSON", f"a body that cannot be unpacked ({error})", again=True)
        return self._read(response)

    def _read(self, response: httpx2.Response) -> Outcome:
        status = response.status_code
        if status != httpx2.codes.OK:
            return self._refused(status, response)
        try:
            found = response.json()
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict):
            return found
        return Failure("no JSON", f"no JSON object but '{self._shown(response)}'", again=True)

    def _refused(self, status: int, response: httpx2.Response) -> Failure:
        detail = f"status {status}: {self._shown(response)}"
        if status in _AGAIN:
            return Failure(f"status {status}", detail, again=True, wait=_asked_wait(response))
        if status in _THIS_ONE:
            return Failure(f"status {status}", detail)
        raise EndpointError(
            f"{self._url}: expected an answer of model '{self._options.model}', found {detail}. "
            "Check base_url, the model's name and the key that api_key_env names"
            + (f" ({self._options.api_key_env})." if self._key else " (none is named).")
        )

    def _shown(self, response: httpx2.Response) -> str:
        """The beginning of the message, without the key, which some servers repeat."""
        text = response.text.strip()
        return (text.replace(self._key, "[key]") if self._key else text)[:_SHOWN]


def _asked_wait(response: httpx2.Response) -> float:
    try:
        return max(0.0, float(response.headers.get("Retry-After", "0")))
    except ValueError:
        return 0.0
