"""Why a server's client has no answer."""

from __future__ import annotations

from dataclasses import dataclass


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
