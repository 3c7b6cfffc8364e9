"""The error vocabulary.

Every message says what was expected, what was found and what to do. `cli.main` is the one place
that catches; everywhere else errors propagate. A bad *item* (an unusable model output, a verifier
time-out) is not an error of the program: it is recorded as missing, with its reason.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST = 4000
"""Characters of a message."""


class SelfplayError(Exception):
    """Any error that the program raises on purpose."""

    exit_code = 1

    def __str__(self) -> str:
        """The message; halves of surrogate pairs, which no terminal takes, as their escapes.

        What a message quotes may be as long as a file: then its middle is left out.
        """
        text = super().__str__().encode("utf-8", "backslashreplace").decode("utf-8")
        return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"


class ConfigError(SelfplayError, ValueError):
    """The configuration is wrong: an unknown key, a wrong type, an impossible combination."""

    exit_code = 2


class DataError(SelfplayError, ValueError):
    """A prompt file, recorded groups or a rubric cannot be used as they are."""

    exit_code = 3


class ModelError(SelfplayError, RuntimeError):
    """A model directory cannot be used, or a model returned something off contract."""

    exit_code = 4


class EndpointError(SelfplayError, RuntimeError):
    """A model server did not answer after its retries."""

    exit_code = 5


class NoAnswerError(EndpointError):
    """A model server failed every request of a call; nothing says that the next must fail too."""


class ResourceError(SelfplayError, RuntimeError):
    """The machine lacks something: disk, memory, a device, an optional package."""

    exit_code = 6


class LedgerError(SelfplayError, RuntimeError):
    """The run's database is locked, damaged, or belongs to another configuration."""

    exit_code = 7


class PausedError(SelfplayError):
    """The run stopped on purpose with everything kept, for the reason given."""

    exit_code = 8


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known word, or lists what is known when none is near."""
    options = sorted(known)
    close = difflib.get_close_matches(word, options, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else f"known: {', '.join(options) or 'none'}"


def require(holds: bool, where: str, expected: str, found: object) -> None:
    """Refuses a value of the configuration.

    Raises:
        ConfigError: it does not hold; says where, what was expected and what was found.
    """
    if not holds:
        raise ConfigError(f"{where}: expected {expected}, found {found}")
