"""The boundary where what others' code raises becomes one of our errors.

Libraries raise what they like on damaged input: pyarrow an `OSError`, a YAML constructor a
`KeyError`, a user's module anything at all. Each of them is entered through one function of ours,
whose call stands inside `guarded`, so that no list of exceptions has to be kept up with theirs.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selfplay.core.errors import SelfplayError

LONGEST = 300
"""Characters of a foreign exception's text, or of a found value, that a message quotes."""


@contextmanager
def guarded(kind: type[SelfplayError], doing: str) -> Iterator[None]:
    """Turns whatever is raised inside into `kind`, with `doing` before it; our errors pass.

    An interruption or an exit of the process is no error and passes as well.

    Raises:
        SelfplayError: of the given kind, caused by what was raised.
    """
    try:
        yield
    except SelfplayError:
        raise
    except Exception as error:
        raise kind(f"{doing}: {said(error)}") from error


def said(error: BaseException) -> str:
    """An exception in one line: its type, and the beginning of its text."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {shortened(text)}" if text else type(error).__name__


def origin(error: BaseException) -> str:
    """The file and line that raised it, for code that is the user's own."""
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name}, line {error.lineno}"
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else "unknown"


def shortened(text: str, longest: int = LONGEST) -> str:
    """A text cut to a length that a message can hold."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def shown(value: object, longest: int = LONGEST) -> str:
    """A found value as Python writes it, cut; what cannot be written is named by its type."""
    try:
        return shortened(repr(value), longest)
    except (ValueError, RecursionError):  # integers of thousands of digits, and deep nesting
        return f"a value of type {type(value).__name__} that is too large to show"
