"""What a server's client counts: requests, tokens, money.

Money follows from the tokens that the server says it took and from prices per million of them.
What is not known is not 0: without prices, or after an answer whose tokens the server did not say,
the money is None. It leaves out what servers bill for attempts that brought no answer, and rebates
such as those on prefixes that a server keeps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeGuard

_PRICED = 1e6
"""Tokens that a price is for."""
MOST = 2**24
"""Tokens of one answer, more than any model has: a server that names a larger number says nothing,
and the arrays that follow from it would not fit the memory."""


@dataclass
class Usage:
    """What a server was asked for and what it took; it only grows."""

    requests: int = 0
    """Attempts, those included that failed."""
    retries: int = 0
    cached: int = 0
    """Requests answered from the cache of replies; no server was asked."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    unmetered: int = 0
    """Answers whose tokens the server did not say; the counts of tokens leave them out."""
    failures: Counter[str] = field(default_factory=Counter)
    """Chats without a usable answer, by reason."""
    words: dict[str, str] = field(default_factory=dict)
    """By such a reason, what the server said last."""
    price_in: float | None = None
    """Of a million prompt tokens; None: unknown."""
    price_out: float | None = None
    """Of a million completion tokens; None: unknown."""

    @property
    def money(self) -> float | None:
        """What the answers cost, in the prices' currency; None where that is not known."""
        if self.price_in is None or self.price_out is None or self.unmetered:
            return None
        paid = self.prompt_tokens * self.price_in + self.completion_tokens * self.price_out
        return paid / _PRICED

    def bill(self, said: object) -> None:
        """Counts an answer's tokens, by the field `usage` of the server's reply."""
        found = said if isinstance(said, Mapping) else {}
        tokens_in, tokens_out = found.get("prompt_tokens"), found.get("completion_tokens")
        if is_count(tokens_in) and is_count(tokens_out):
            self.prompt_tokens += tokens_in
            self.completion_tokens += tokens_out
        else:
            self.unmetered += 1

    def copy(self) -> Usage:
        """As it is now."""
        return replace(self, failures=Counter(self.failures))

    def since(self, earlier: Usage) -> Usage:
        """What came on top of an earlier state."""
        return replace(
            self,
            failures=self.failures - earlier.failures,
            **{name: getattr(self, name) - getattr(earlier, name) for name in _COUNTS},
        )


_COUNTS = ("requests", "retries", "cached", "prompt_tokens", "completion_tokens", "unmetered")


def is_count(found: object) -> TypeGuard[int]:
    """Whether a server's number can be a number of tokens, or one token's id."""
    return isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= MOST
