"""Counting words and sentences, and comparing a count with what is asked.

Words are counted as IFEval does (runs of letters, digits and underscores). Sentences end at `.`,
`!`, `?` or `…` before a space, and at their Chinese forms anywhere; a line break alone ends none.
IFEval uses the Punkt tokenizer, trained on English newspapers; here a short list of abbreviations,
initials and list numbers (`1.`), which Punkt counts as sentences of their own, end no sentence.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping

from selfplay.core.errors import ConfigError, nearest

RELATIONS: Mapping[str, Callable[[int, int], bool]] = {
    "less than": operator.lt,
    "at least": operator.ge,
    "at most": operator.le,
    "exactly": operator.eq,
}
"""How a count may be bound; IFEval has the first two."""

_WORD = re.compile(r"\w+")
_END = re.compile(r"(?:[.!?…]+[\"'”’)\]*_]*(?=\s|$))|[。！？]+")
_NEVER_LAST = frozenset(
    ("mr", "mrs", "ms", "dr", "prof", "st", "e.g", "i.e", "vs", "cf", "fig", "approx", "gen", "rev")
)
"""Abbreviations that stand before what they belong to."""
_SELDOM_LAST = frozenset(("etc", "inc", "ltd", "co", "jr", "sr", "al", "a.m", "p.m", "u.s", "u.k"))
"""Abbreviations that end a sentence unless a lower-case letter follows."""


def check_bound(where: str, count: int, relation: str) -> None:
    """Refuses a bound that no count could be compared with.

    Raises:
        ConfigError: a negative count or an unknown relation.
    """
    check_count(where, count)
    if relation not in RELATIONS:
        raise ConfigError(
            f"{where}: no relation is called '{relation}'; {nearest(relation, RELATIONS)}"
        )


def check_count(where: str, count: int) -> None:
    """Raises ConfigError for a negative count."""
    if count < 0:
        raise ConfigError(f"{where}: expected a count of 0 or more, found {count}")


def check_text(where: str, *texts: str) -> None:
    """Raises ConfigError unless there are texts and none of them is blank."""
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise ConfigError(f"{where}: expected texts that are not blank, found {list(texts)}")


def holds(count: int, relation: str, bound: int) -> bool:
    """Whether a count keeps to a bound."""
    return RELATIONS[relation](count, bound)


def count_words(text: str) -> int:
    """Runs of letters, digits and underscores."""
    return len(_WORD.findall(text))


def count_sentences(text: str) -> int:
    """Stretches with a word in them, up to the end of a sentence or of the text."""
    count = start = 0
    for end in _END.finditer(text):
        if end[0].startswith(".") and _goes_on(text, start, end):
            continue
        count += _WORD.search(text, start, end.start()) is not None
        start = end.end()
    return count + (_WORD.search(text, start) is not None)


def _goes_on(text: str, start: int, end: re.Match[str]) -> bool:
    """Whether the full stop at `end` belongs to an abbreviation, an initial or a list number."""
    before = text[start : end.start()]
    last = before.split()[-1:]
    if not last or end[0].startswith(".."):
        return False
    token = last[0].lstrip("\"'“‘([*_")
    if token.isdigit():
        return before.rpartition("\n")[2].strip() == last[0]
    if len(token) == 1 and token.isupper() and token != "I":
        return True
    word = token.lower()
    return word in _NEVER_LAST or (
        word in _SELDOM_LAST and text[end.end() :].lstrip()[:1].islower()
    )
