"""Regular expressions on texts that others wrote: found, not found, or given up after a while.

Python's own engine may take longer than anybody lives for a pattern such as `(a+)+$` on thirty
letters, and cannot be stopped. So texts are searched with the package `regex`, which takes the same
patterns and a time limit. A text on which the limit is reached counts as one that does not match,
unless its caller says otherwise: else a response could choose to be left unjudged.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

SECONDS = 2.0
"""For one text; a pattern without nested repetitions reads megabytes in it."""


def pattern_fault(pattern: object) -> str:
    """Why it is no regular expression; empty where it is one."""
    try:
        re.compile(pattern)  # type: ignore[call-overload]
        _compiled(str(pattern))
    except (ValueError, TypeError, OverflowError, RecursionError, re.error) as error:
        return str(error) or type(error).__name__
    except _regex_error() as error:
        return str(error)
    return ""


def is_found(
    pattern: str,
    text: str,
    *,
    whole: bool = False,
    flags: int = 0,
    otherwise: bool = False,
    seconds: float = SECONDS,
) -> bool:
    """Whether a pattern matches somewhere in the text, or all of it, within the time.

    Args:
        pattern: one without a `pattern_fault`.
        text: to search in.
        whole: whether all of the text has to match.
        flags: `re.IGNORECASE`, `re.DOTALL`, or both.
        otherwise: what is said of a text on which it is given up.
        seconds: after which it is given up.
    """
    compiled = _compiled(pattern, flags)
    match = compiled.fullmatch if whole else compiled.search
    try:
        return match(text, timeout=seconds) is not None
    except TimeoutError:
        return otherwise


@lru_cache(maxsize=256)
def _compiled(pattern: str, flags: int = 0) -> Any:
    import regex

    return regex.compile(pattern, regex.V0 | int(flags))


def _regex_error() -> type[Exception]:
    import regex

    found: type[Exception] = regex.error
    return found
