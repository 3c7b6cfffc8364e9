"""Instance details in a rubric: what a criterion can only have from the rollouts that were shown.

A rubric that names what one prompt is about ("mentions CEMEX's debt"), as those of MPO's public
code do (arXiv 2504.20157), scores that prompt and says nothing of others. A detail is

- a run of n words that the texts of few prompts have, two or more of them no function words;
- a word of few prompts' texts that looks like a name: the criterion writes it with a capital, and
  the texts, never in lower case, inside of a sentence or in capitals only;
- a number of three or more digits in few prompts' texts.

What the rubric in force says already is no detail. A criterion's words are those of its text, of
its id and of the texts among its check's parameters.

Left out: details that were reworded or translated; German nouns, which all look like names; and
shorter numbers, which are as often a range or a count.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from meta.rubrics.rubric import Criterion, Rubric
from selfplay.core.function_words import DEVANAGARI, FUNCTION_WORDS
from selfplay.core.words import folded, words

LEAST_DIGITS = 3
"""Digits from which on a number is a detail."""
LEAST_PROMPTS = 2
"""What the texts of fewer prompts have is a detail, however few prompts there are."""
LEAST_CAPITALS = 3
"""Letters from which on a word in capitals is a name wherever it stands."""
LEAST_CONTENT = 2
"""Words of a run that say something: "at the end of" is in everybody's mouth."""

_LETTERS = re.compile(r"[^\W\d_]{2,}(?:['\u2019][^\W\d_]+)?")
_OPENING = re.compile(r"""(?:^|[.!?:;\n*#>"'\u201c\u2018(\[-])\s*$""")
"""What a word stands behind whose capital may be that of a beginning."""


@dataclass(frozen=True)
class Leak:
    """A criterion that says what only a few of the rollouts can have told."""

    id: str
    """Of the criterion."""
    details: tuple[str, ...]
    """Runs of words, names and numbers, in the order in which it says them."""


def leaked(
    rubric: Rubric,
    texts: Sequence[Sequence[str]],
    current: Rubric | None = None,
    *,
    n: int = 4,
    common: float = 0.2,
) -> tuple[Leak, ...]:
    """The rubric's criteria that hold details, with these.

    Args:
        rubric: the candidate.
        texts: for each prompt, what its rollouts say: prompt, responses, reference.
        current: the rubric in force, whose own words are none.
        n: words in a run.
        common: share of the prompts from which on what their texts have is general.
    """
    said = {criterion.id: _said(criterion) for criterion in rubric.criteria}
    asked = {piece for parts in said.values() for part in parts for piece in _pieces(part, n)}
    for criterion in current.criteria if current else ():
        asked -= {piece for part in _said(criterion) for piece in _pieces(part, n)}
    few = max(common * len(texts), LEAST_PROMPTS)
    counts = Counter(piece for own in texts for piece in asked & _all_pieces(own, n))
    capitals = _Capitals(text for own in texts for text in own)
    rare = {piece for piece, count in counts.items() if count < few}
    found = {
        id_: [
            piece
            for part in parts
            for piece in _pieces(part, n)
            if piece in rare and (" " in piece or _is_number(piece) or capitals.name(piece, part))
        ]
        for id_, parts in said.items()
    }
    return tuple(Leak(id_, tuple(dict.fromkeys(own))) for id_, own in found.items() if own)


class _Capitals:
    """How the texts write their words."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._names: set[str] = set()
        self._small: set[str] = set()
        for text in texts:
            for word, written, inside in _written(text):
                if written[0].islower():
                    self._small.add(word)
                elif inside or (written.isupper() and len(written) >= LEAST_CAPITALS):
                    self._names.add(word)

    def name(self, word: str, said: str) -> bool:
        """Whether the word is a name by the texts, and `said` writes it as one or in capitals."""
        if word in self._small or word not in self._names or word in _function_words():
            return False
        return any(found == word and not w[0].islower() for found, w, _ in _written(said))


def _written(text: str) -> Iterator[tuple[str, str, bool]]:
    """Each word as `words` gives it, as it stands there, and whether inside of a sentence."""
    plain = unicodedata.normalize("NFKC", text)
    for found in _LETTERS.finditer(plain):
        before = plain[max(found.start() - 8, 0) : found.start()]
        yield folded(found.group()), found.group(), not _OPENING.search(before)


def _said(criterion: Criterion) -> list[str]:
    """The texts that a criterion is made of."""
    named = re.sub(r"[-_]", " ", criterion.id)
    return [criterion.text, named, *_strings(criterion.params)]


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)


def _all_pieces(texts: Sequence[str], n: int) -> set[str]:
    return {piece for text in texts for piece in _pieces(text, n)}


def _pieces(text: str, n: int) -> list[str]:
    """What of a text may be a detail: runs of n words, joined by spaces; words; long numbers."""
    listed = words(text)
    known = _function_words()
    runs = [
        run
        for run in zip(*(listed[i:] for i in range(n)), strict=False)
        if sum(word not in known for word in run) >= LEAST_CONTENT
    ]
    singles = [_plain(word) for word in listed if not word[0].isdigit() or _is_number(_plain(word))]
    return [" ".join(run) for run in runs] + singles


def _plain(word: str) -> str:
    """A number without what groups its digits; a word as it is."""
    return word.replace(",", "") if word[0].isdigit() else word


def _is_number(piece: str) -> bool:
    return piece[0].isdigit() and sum(map(str.isdigit, piece)) >= LEAST_DIGITS


@cache
def _function_words() -> frozenset[str]:
    """Of all languages that are known, and single letters of the English alphabet."""
    listed = [*FUNCTION_WORDS.values(), *DEVANAGARI.values()]
    return frozenset().union("abcdefghijklmnopqrstuvwxyz", *listed)
