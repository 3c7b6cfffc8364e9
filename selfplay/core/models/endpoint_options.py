"""What of a model server's client can be configured. Imports neither NumPy nor an HTTP client."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from selfplay.core.errors import require


@dataclass(frozen=True)
class EndpointOptions:
    """A server that speaks OpenAI's chat completions, and how patiently it is asked."""

    model: str = ""
    """The model's name on the server."""
    base_url: str = "http://127.0.0.1:8000/v1"
    """Up to and without `/chat/completions`."""
    api_key_env: str = ""
    """Environment variable that holds the key; empty: the server needs none. The key itself is
    never written anywhere."""
    concurrency: int = 16
    """Requests under way at once."""
    timeout: float = 120.0
    """Seconds for one attempt, from connecting to the last byte."""
    retries: int = 5
    """Further attempts after a time-out, a lost connection, or status 408, 409, 429 or 5xx."""
    backoff: float = 1.0
    """Seconds before the first of them, doubled for each further one; a server's Retry-After counts
    if it asks for longer."""
    longest_wait: float = 60.0
    """Seconds that a single wait takes at most."""
    logprobs: bool = False
    """Ask for log-probabilities, where they would be those of the distribution drawn from."""
    token_limit: str = "max_tokens"
    """What the server calls the limit of new tokens; newer ones say `max_completion_tokens`."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Further fields of the request, such as `response_format` or vLLM's `return_token_ids`; null
    takes a field away that the server does not know (`seed: null`)."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: no model, an address that is none, or a value outside its range.
        """
        require(bool(self.model), f"{where}.model", "the model's name on the server", "none")
        address = urlsplit(self.base_url)
        fits = address.scheme in ("http", "https") and bool(address.hostname)
        require(fits, f"{where}.base_url", "an address such as http://host:8000/v1", self.base_url)
        require(
            not (address.username or address.password or address.query),
            f"{where}.base_url",
            "an address without a user, a password or a query (api_key_env names a key)",
            "one that has them",
        )
        for name, low in (("concurrency", 1), ("retries", 0)):
            require(
                getattr(self, name) >= low, f"{where}.{name}", f"{low} or more", getattr(self, name)
            )
        require(self.timeout > 0, f"{where}.timeout", "above 0", self.timeout)
        for name in ("backoff", "longest_wait"):
            require(getattr(self, name) >= 0, f"{where}.{name}", "0 or more", getattr(self, name))
