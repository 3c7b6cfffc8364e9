"""The one boundary to the model libraries: transformers, tokenizers, safetensors, peft, jinja.

They raise whatever a broken directory makes of their code: a `TypeError` of a template, a bare
`Exception` of the tokenizers' Rust, an `AttributeError` of a configuration. A list of what was seen
so far would never be complete, so everything that leaves them within `library_errors` is a
`ModelError` that says what was being done. While they load something (`loading`) they are quiet as
well, and nobody can be asked: a question on the terminal (shall a directory's own code be run?)
finds standard input at its end.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selfplay.core.errors import ModelError, ResourceError, SelfplayError

_LONGEST = 600
"""Characters of a library's own words that are shown."""
_PANIC = "pyo3_runtime.PanicException"
"""What a library in Rust raises where it gives up; no `Exception`, and in no module to import."""


@contextmanager
def library_errors(what: str, remedy: str) -> Iterator[None]:
    """Turns whatever a library raises within it into one of our errors.

    Args:
        what: what cannot be done when it fails, as the begin of a sentence.
        remedy: what the user can do about it, a sentence.

    Raises:
        ModelError: anything but an error of ours, an interruption or the end of the memory.
        ResourceError: the memory is used up.
    """
    try:
        yield
    except (SelfplayError, MemoryError) as error:
        if isinstance(error, SelfplayError):
            raise
        raise ResourceError(f"{what}: the memory is used up. {remedy}") from error
    # The libraries raise all there is, `Exception` itself included: see the module's docstring.
    except Exception as error:
        kind = ResourceError if type(error).__name__ == "OutOfMemoryError" else ModelError
        raise kind(f"{what}: {_words(error)} {remedy}") from error
    except BaseException as error:
        if f"{type(error).__module__}.{type(error).__name__}" != _PANIC:
            raise
        raise ModelError(f"{what}: {_words(error)} {remedy}") from error


@contextmanager
def loading(what: str, remedy: str) -> Iterator[None]:
    """`library_errors`, quiet and with nobody to ask: for what is loaded, one thing at a time."""
    with library_errors(what, remedy), quiet(), nobody_to_ask():
        yield


def _words(error: BaseException) -> str:
    """The library's words on one line, with the error's type where they alone say little."""
    words = " ".join(str(error).split())
    words = words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"
    own = words if isinstance(error, OSError | ValueError) and words else ""
    return f"{own or f'{type(error).__name__}: {words}'.rstrip(': ')}".rstrip(".") + "."


@contextmanager
def nobody_to_ask() -> Iterator[None]:
    """Within it standard input is at its end: what would ask gets no answer."""
    before = sys.stdin
    with Path(os.devnull).open() as nothing:
        sys.stdin = nothing
        try:
            yield
        finally:
            sys.stdin = before


@contextmanager
def quiet() -> Iterator[None]:
    """Silences transformers' progress bars and warnings, and peft's calls to what is deprecated."""
    from transformers.utils import logging as transformers_logging

    bars = transformers_logging.is_progress_bar_enabled()
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()
