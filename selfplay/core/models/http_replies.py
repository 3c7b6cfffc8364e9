"""What an HTTP reply means: a JSON object to read, or a failure and for whom it counts.

408, 409, 425, 429, 5xx and what is no JSON may pass, and another attempt may do better. 400, 413,
415 and 422 concern the one request. Every other status concerns all requests. Some servers and
gateways send status 200 with an error in the body: it counts as the status that it names, and as
passing where it names none.

A server may repeat its key, in an error or in an answer: it is taken out of both before anything
else sees them, so that neither ledger, cache, report nor message can hold it.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias

from selfplay.core.models.failure import Failure
from selfplay.core.models.transport import Reply

Outcome: TypeAlias = dict[str, Any] | Failure
"""The server's JSON object, or why there is none."""

HIDDEN = "[key]"
_SECRET = 8
"""Characters from which on a key is looked for in answers: a shorter one, such as the `EMPTY` that
some servers want, protects nothing, and may be a word of an answer."""
_OK = 200
_AGAIN = frozenset({408, 409, 425, 429, *range(500, 600)})
_THIS_ONE = frozenset({400, 413, 415, 422})
_SHOWN = 300
"""Characters of a server's message that are shown."""


@dataclass(frozen=True)
class Secret:
    """A key, which nothing that is kept or shown may hold; it may be empty."""

    key: str

    def out_of(self, text: str) -> str:
        """The text of a message without the key."""
        return text.replace(self.key, HIDDEN) if self.key else text

    def out_of_answer(self, value: Any) -> Any:
        """Plain data without the key in any of its texts."""
        if len(self.key) < _SECRET:
            return value
        if isinstance(value, str):
            return self.out_of(value)
        if isinstance(value, list):
            return [self.out_of_answer(part) for part in value]
        if isinstance(value, dict):
            return {self.out_of(name): self.out_of_answer(part) for name, part in value.items()}
        return value


def outcome_of(reply: Reply, secret: Secret, clock: Callable[[], float] = time.time) -> Outcome:
    """What a reply means; `clock` gives seconds since 1970."""
    try:
        found = json.loads(reply.text)
        if isinstance(found, dict):
            found = secret.out_of_answer(found)
    except (ValueError, RecursionError):
        found = None
    if reply.status != _OK:
        return _refused(reply.status, reply, found, secret, clock)
    if not isinstance(found, dict):
        shown = secret.out_of(reply.text.strip())[:_SHOWN]
        return Failure("no JSON", f"no JSON object but '{shown}'", again=True, words=shown)
    if found.get("error") and not found.get("choices"):
        return _refused(_status_in(found["error"]), reply, found, secret, clock)
    return found


def _refused(
    status: int, reply: Reply, found: Any, secret: Secret, clock: Callable[[], float]
) -> Failure:
    words = _said(found) or reply.text.strip()
    if "Location" in reply.headers:
        words = f"{words[:_SHOWN]} (it points to {reply.headers['Location']})".strip()
    words = secret.out_of(" ".join(words.split()))[:_SHOWN]
    reason = f"status {status}" if status != _OK else "an error in place of an answer"
    passing = status == _OK or status in _AGAIN
    return Failure(
        reason,
        f"{reason}: {words}",
        again=passing,
        wait=_asked_wait(reply.headers, clock) if passing else 0.0,
        status=status,
        words=words,
        everyone=not passing and status not in _THIS_ONE,
    )


def _said(found: Any) -> str:
    """The message in a server's JSON; empty where there is none."""
    if isinstance(found, str):
        return found.strip()
    if isinstance(found, Mapping):
        for name in ("error", "message", "detail"):
            if said := _said(found.get(name)):
                return said
    return ""


def _status_in(error: Any) -> int:
    """The HTTP status that an error in a body names; 200 for none."""
    named = [error.get("code"), error.get("status")] if isinstance(error, Mapping) else []
    texts = [str(code) for code in named]
    codes = [int(text) for text in texts if text.isascii() and text.isdigit() and len(text) == 3]
    return next((code for code in codes if 400 <= code < 600), _OK)


def _asked_wait(headers: Mapping[str, str], clock: Callable[[], float]) -> float:
    """Seconds that the server asks for: as a number of them, or as a date (RFC 9110, 10.2.3).

    A date is compared with the server's own, where it sends one: clocks differ.
    """
    asked = headers.get("Retry-After", "0")
    try:
        seconds = float(headers.get("Retry-After-Ms", "")) / 1000
    except ValueError:
        try:
            seconds = float(asked)
        except ValueError:
            now = _moment(headers.get("Date", "")) or clock()
            seconds = (_moment(asked) or now) - now
    return 0.0 if math.isnan(seconds) else max(0.0, seconds)


def _moment(date: str) -> float | None:
    """Seconds since 1970 of an HTTP date; None for what is none."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None
