"""JSON requests to a server that may be busy, slow or down.

An attempt that times out, loses its connection, is told to come again (408, 409, 429, 5xx) or gets
no JSON is repeated after a wait that doubles and is drawn from its upper half (exponential backoff
with jitter), or as long as the server's Retry-After says. A request that waits keeps its place
among those under way, so a busy server is asked less. 400, 413 and 422 concern the one request;
every other status concerns all of them, and ends them.

Left out: Retry-After as a date, streaming, redirects.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from ssl import SSLContext
from types import TracebackType
from typing import Any

import httpx2

from selfplay.core.errors import EndpointError
from selfplay.core.models.endpoint_options import EndpointOptions

_AGAIN = frozenset({408, 409, 425, 429, *range(500, 600)})
_THIS_ONE = frozenset({400, 413, 422})
_SHOWN = 300
"""Characters of a server's message that are shown."""


@dataclass
class Usage:
    """What a server was asked for and what it took; it only grows."""

    requests: int = 0
    """Attempts, those included that failed."""
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    """Chats without a usable answer, by reason."""


@dataclass(frozen=True)
class Failure:
    """Why a request has no usable answer."""

    reason: str
    """In few words, always the same ones."""
    detail: str
    """What the server or the network said."""
    again: bool = False
    """Whether another attempt may do better."""
    wait: float = 0.0
    """Seconds that the server wants to be left alone."""


class Poster:
    """Posts to one address, in an `async with` of one event loop."""

    def __init__(
        self, url: str, options: EndpointOptions, key: str, context: SSLContext, usage: Usage
    ) -> None:
        """Counts into `usage`; `key` may be empty."""
        self._url, self._options, self._key, self._usage = url, options, key, usage
        self._turns = asyncio.Semaphore(options.concurrency)
        self._client = httpx2.AsyncClient(
            headers={"Content-Type": "application/json"}
            | ({"Authorization": f"Bearer {key}"} if key else {}),
            limits=httpx2.Limits(max_connections=options.concurrency),
            timeout=None,
            verify=context,
        )

    async def __aenter__(self) -> Poster:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def post(self, body: dict[str, Any], jitter: Random) -> dict[str, Any] | Failure:
        """The server's JSON object, or why there is none after all attempts.

        Raises:
            EndpointError: a status that no other request would escape.
        """
        async with self._turns:
            outcome = await self._attempt(body)
            for retry in range(self._options.retries):
                if not (isinstance(outcome, Failure) and outcome.again):
                    break
                await asyncio.sleep(self._pause(retry, outcome.wait, jitter))
                self._usage.retries += 1
                outcome = await self._attempt(body)
        return outcome

    def _pause(self, retry: int, wait: float, jitter: Random) -> float:
        longest = self._options.longest_wait
        # A float's exponent ends before a patient user's count of retries does.
        backoff = self._options.backoff * 2.0 ** min(retry, 30)
        return min(max(wait, backoff * jitter.uniform(0.5, 1.0)), longest)

    async def _attempt(self, body: dict[str, Any]) -> dict[str, Any] | Failure:
        self._usage.requests += 1
        try:
            async with asyncio.timeout(self._options.timeout):
                response = await self._client.post(self._url, content=json.dumps(body))
        except TimeoutError:
            detail = f"no answer within {self._options.timeout:g} s"
            return Failure("time-out", detail, again=True)
        except httpx2.TransportError as error:
            return Failure("no connection", str(error) or type(error).__name__, again=True)
        return self._read(response)

    def _read(self, response: httpx2.Response) -> dict[str, Any] | Failure:
        status = response.status_code
        if status != httpx2.codes.OK:
            return self._refused(status, response)
        try:
            found = response.json()
        except ValueError:
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
