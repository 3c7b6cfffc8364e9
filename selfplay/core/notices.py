"""What is told while work is under way, by whoever knows it, to whoever shows it.

    with heard_by(print):                 # a command: notes, and what is being waited for
        ...
        note("the server takes no JSON schema")
        with waiting("judge-70b at http://host/v1", lambda: "12 of 96 answered"):
            ...

Servers, models and libraries are waited for deep inside of a stage, where no event is due for long.
So whoever waits opens a block that says for what, and a thread of the listener tells the innermost
block once it has lasted, and then again and again, while nothing else was told. A note is told once
to a listener, however often it comes up. Without a listener nothing is kept.

The state belongs to the process and not to a context, since another thread reads it. Blocks of
several threads stand in one list, of which the newest is told.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from selfplay.core.errors import SelfplayError

EVERY = 20.0
"""Seconds of silence after which it is told what is waited for."""
_LOOK = 1.0
"""Seconds between two looks at most."""


@dataclass(eq=False)
class _Wait:
    """Something that is being waited for."""

    what: str
    state: Callable[[], str]
    began: float = field(default_factory=time.monotonic)

    def words(self, now: float) -> str:
        """A line about it."""
        state = self.state()
        return f"waiting for {self.what} ({now - self.began:.0f} s){': ' if state else ''}{state}"


class _Listener:
    """Where notes and waits go; its thread ends with `close`."""

    def __init__(self, tell: Callable[[str], None], every: float) -> None:
        self._tell, self._every = tell, every
        self._told: set[str] = set()
        self._last = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="notices", daemon=True)
        self._thread.start()

    def note(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self.stir()
            self._tell(text)

    def stir(self) -> None:
        self._last = time.monotonic()

    def close(self) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(min(self._every / 4, _LOOK)):
            with _LOCK:
                heard = _LISTENERS[-1:] == [self]
                waits = tuple(_WAITS)
            now = time.monotonic()
            if heard and waits and now - max(self._last, waits[-1].began) >= self._every:
                self._last = now
                # Whoever cannot be told must not end the work that is waited for.
                with suppress(OSError, ValueError, SelfplayError):
                    self._tell(waits[-1].words(now))


_WAITS: list[_Wait] = []
_LISTENERS: list[_Listener] = []
_LOCK = threading.Lock()


@contextmanager
def heard_by(tell: Callable[[str], None], every: float = EVERY) -> Iterator[None]:
    """Has notes and waits told while the block lasts; an inner block takes them from an outer one.

    Args:
        tell: gets a line; waits come from another thread.
        every: seconds of waiting before it is told, and again.
    """
    listener = _Listener(tell, every)
    with _LOCK:
        _LISTENERS.append(listener)
    try:
        yield
    finally:
        with _LOCK:
            _LISTENERS.remove(listener)
        listener.close()


def note(text: str) -> None:
    """Tells the innermost listener, which hears the same text once; none: nobody."""
    with _LOCK:
        listener = _LISTENERS[-1] if _LISTENERS else None
    if listener is not None:
        listener.note(text)


def stir() -> None:
    """Something was shown: the silence after which a wait is told begins anew."""
    with _LOCK:
        listeners = tuple(_LISTENERS)
    for listener in listeners:
        listener.stir()


@contextmanager
def waiting(what: str, state: Callable[[], str] = str) -> Iterator[None]:
    """Says what is waited for while the block lasts.

    Args:
        what: in words.
        state: how far it is, in words, asked from another thread; empty where that is not known.
    """
    wait = _Wait(what, state)
    with _LOCK:
        _WAITS.append(wait)
    try:
        yield
    finally:
        with _LOCK:
            _WAITS.remove(wait)
