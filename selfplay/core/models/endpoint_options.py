"""What of a model server's client can be configured. Imports neither NumPy nor an HTTP client.

Fields made by `aside` say how a server is asked and what that costs, not what it answers. Judging
fingerprints leave them out (`meta.judges.judging_fingerprint`), so that a longer time-out does not
make rewards incomparable.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import SplitResult, urlsplit

from selfplay.core.errors import ConfigError, require


def aside(default: Any) -> Any:
    """A dataclass field that changes no answer."""
    return field(default=default, metadata={"judging": False})


@dataclass(frozen=True)
class EndpointOptions:
    """A server that speaks OpenAI's chat completions, and how patiently it is asked."""

    model: str = ""
    """The model's name on the server."""
    base_url: str = "http://127.0.0.1:8000/v1"
    """Up to and without `/chat/completions`."""
    api_key_env: str = aside("")
    """Environment variable that holds the key; empty: the server needs none. The key itself is
    never written anywhere."""
    concurrency: int = aside(16)
    """Requests under way at once."""
    timeout: float = aside(120.0)
    """Seconds for one attempt, from connecting to the last byte."""
    retries: int = aside(5)
    """Further attempts after a time-out, a lost connection, or status 408, 409, 425, 429 or 5xx."""
    backoff: float = aside(1.0)
    """Seconds before the first of them, doubled for each further one; a server's Retry-After counts
    if it asks for longer."""
    longest_wait: float = aside(60.0)
    """Seconds that a single wait takes at most."""
    max_reply_mib: int = aside(32)
    """Mebibytes of one reply, unpacked; a larger one is left unread, and is no answer."""
    breaker: int = aside(10)
    """So many requests given up in a row, each after all of its attempts, and the server is left
    alone for a while; more than one prompt's responses, since one prompt may be all that a server
    fails on. 0: it is always asked."""
    rest: float = aside(30.0)
    """Seconds that it is left alone, before one request tries whether it is back."""
    cache: str = aside("")
    """File that keeps replies, so that the same request is not sent twice; empty: none is kept.
    Several roles, runs and processes may share one."""
    price_in: float | None = aside(None)
    """Of a million prompt tokens, in any currency; null: unknown."""
    price_out: float | None = aside(None)
    """Of a million completion tokens; null: unknown."""
    max_money: float | None = aside(None)
    """Once a process has spent as much on this model, the run pauses, between two calls: what is
    under way is still answered and kept. Null: no bound."""
    logprobs: bool = False
    """Ask for log-probabilities, where they would be those of the distribution drawn from."""
    token_limit: str = "max_tokens"
    """What the server calls the limit of new tokens; newer ones say `max_completion_tokens`, which
    is tried by itself where the server asks for it."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Further fields of the request, such as `response_format` or vLLM's `return_token_ids`; null
    takes a field away that the server does not know (`seed: null`)."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: no model, an address that is none, or a value outside its range.
        """
        require(bool(self.model), f"{where}.model", "the model's name on the server", "none")
        address = _address(self.base_url)
        require(
            address is not None,
            f"{where}.base_url",
            "an address such as http://host:8000/v1",
            self.base_url,
        )
        assert address is not None
        require(
            not (address.username or address.password or address.query),
            f"{where}.base_url",
            "an address without a user, a password or a query (api_key_env names a key)",
            "one that has them",
        )
        for name, low in (("concurrency", 1), ("retries", 0), ("breaker", 0), ("max_reply_mib", 1)):
            require(
                getattr(self, name) >= low, f"{where}.{name}", f"{low} or more", getattr(self, name)
            )
        require(self.timeout > 0, f"{where}.timeout", "above 0", self.timeout)
        for name in ("backoff", "longest_wait", "rest", "price_in", "price_out", "max_money"):
            found = getattr(self, name)
            require(found is None or found >= 0, f"{where}.{name}", "0 or more", found)
        require(
            self.max_money is None or None not in (self.price_in, self.price_out),
            f"{where}.max_money",
            "price_in and price_out beside it",
            "no price",
        )
        try:
            json.dumps(self.extra, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"{where}.extra: expected fields that JSON can hold, found one that it cannot: "
                f"{error}"
            ) from error


def _address(base_url: str) -> SplitResult | None:
    """Its parts; None for what is no address of a server."""
    try:
        address = urlsplit(base_url)
        fits = address.scheme in ("http", "https") and bool(address.hostname)
        return address if fits and address.port != 0 else None
    except ValueError:  # a port that is no number or beyond 65,535, half a bracket
        return None


ASIDE = frozenset(f.name for f in fields(EndpointOptions) if not f.metadata.get("judging", True))
"""Options that change no answer: a run may go on with others."""
