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
    status: int = 0
    """Of HTTP, or as the body of a reply says it; 0: none."""
    words: str = ""
    """The server's own, where it gave a reason."""
    everyone: bool = False
    """Whether every other request would fail as well."""
