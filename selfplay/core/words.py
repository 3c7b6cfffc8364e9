"""A text's words: one Unicode form and one way of cutting, for all that compare texts.

*Words* are runs of letters (inner apostrophes and hyphens included) and numbers, in lower case;
Chinese and Japanese characters are words of their own. Left out: languages that write without
spaces in another script (Thai, Khmer, Lao), whose clauses count as one word.
"""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(
    r"\d+(?:[.,]\d+)*"
    r"|[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
    r"|[^\W\d_]+(?:['\-][^\W\d_]+)*"
)


def folded(text: str) -> str:
    """The text in lower case, in one Unicode form, with one kind of apostrophe and minus sign."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return plain.replace("\u2019", "'").replace("\u2212", "-")


def words(text: str) -> list[str]:
    """The words of a text, in order."""
    return _WORD.findall(folded(text))


def placed_words(plain: str) -> list[tuple[int, str]]:
    """The words of a text as `folded` leaves it, each with the place where it begins."""
    return [(match.start(), match[0]) for match in _WORD.finditer(plain)]
