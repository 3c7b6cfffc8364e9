"""Standard output and error as a command finds them: closed, full, or in a narrow encoding.

A character that the encoding lacks is written as its escape. A closed stream takes everything and
keeps nothing. One that can no longer be written (a full disk under a log file) ends the command
with an error that says so; what a run has committed stays. A pipe that nobody reads ends it too, as
it does for every command.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TextIO, cast

from selfplay.cli.output import say
from selfplay.core.errors import ResourceError


class _Guarded:
    """A stream whose failures are errors of the program."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream, self._name = stream, name
        self._failure: OSError | None = None

    def write(self, text: str) -> int:
        return int(self._try(partial(self._stream.write, text)))

    def flush(self) -> None:
        self._try(self._stream.flush)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _try(self, action: Callable[[], Any]) -> Any:
        """Tells of a failure at each use: whoever tries what a stream is may swallow the first."""
        if self._failure is None:
            try:
                return action()
            except BrokenPipeError:
                raise
            except OSError as error:
                self._failure = error
                _discard(self._stream)
        raise ResourceError(
            f"cannot write to {self._name} ({self._failure.strerror or self._failure}). What a run "
            "has committed is kept: send the output elsewhere and run the same command again"
        ) from self._failure


@contextmanager
def guarded_streams() -> Iterator[None]:
    """For the block, `sys.stdout` and `sys.stderr` are what the module's first lines say.

    Raises:
        ResourceError: one of them cannot be written.
    """
    before = sys.stdout, sys.stderr
    sys.stdout = _guard(sys.stdout, "standard output")
    sys.stderr = _guard(sys.stderr, "standard error")
    try:
        yield
    finally:
        try:
            sys.stdout.flush()
        finally:
            sys.stdout, sys.stderr = before


def complain(message: str) -> None:
    """Prints to standard error where that is possible."""
    with suppress(OSError, ValueError):
        say(message.encode("utf-8", "backslashreplace").decode(), err=True)


def takes_unicode() -> bool:
    """Can standard output show every character?"""
    return (getattr(sys.stdout, "encoding", None) or "utf-8").lower().startswith("utf")


def _guard(stream: TextIO | None, name: str) -> TextIO:
    if stream is None:  # closed before the process began
        # The descriptor may be another file's by now, so that it is left alone.
        stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    return cast(TextIO, _Guarded(stream, name))


def _discard(stream: TextIO) -> None:
    """Lets what is still in the buffer go nowhere, else Python tries again at its exit."""
    with suppress(OSError, ValueError), open(os.devnull, "w") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), stream.fileno())
