"""Turns down a prompt in another language than its parent's, or than those allowed.

The language is told offline by script (of most letters) and, where languages share a script, by
function words. A word counts one over the number of languages that have it; the language with the
highest count is the text's, provided that the count is 1 or more and half as high again as the
next. That is enough to find a rewriter that answers an
English prompt in Chinese or French; it is no language identification.

Limits: the languages of `function_words` and those with a script of their own (table below); a text
of a few words, code or formulas have no language that can be told; close relatives (Danish and
Norwegian, Czech and Slovak) may be taken for one another, or for neither; of a mixed text the
larger part counts; Arabic script counts as Arabic or Persian, Devanagari as Hindi.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence

from creator.gating.function_words import FUNCTION_WORDS, SHARED_BY
from creator.gating.surroundings import HasArchive
from creator.gating.words import asked_text, folded, words
from creator.tables.gates import LanguageOptions
from selfplay.core.types import Prompt

_SCRIPTS: Mapping[str, str] = {
    "ARMENIAN": "hy",
    "BENGALI": "bn",
    "CJK": "zh",
    "DEVANAGARI": "hi",
    "GEORGIAN": "ka",
    "GREEK": "el",
    "GUJARATI": "gu",
    "HANGUL": "ko",
    "HEBREW": "he",
    "KANNADA": "kn",
    "KHMER": "km",
    "LAO": "lo",
    "MALAYALAM": "ml",
    "TAMIL": "ta",
    "TELUGU": "te",
    "THAI": "th",
}
"""First word of the letters' Unicode names → the language that is nearly alone in that script."""

_SHARED = ("LATIN", "CYRILLIC")
_PERSIAN = frozenset("پچژگ")
_KANA_SHARE = 0.1
"""Japanese mixes Chinese characters with kana; Chinese has none."""
_LEAD = 1.5
_LEAST = 1.0


class SameLanguage:
    """Compares each child's language with its parents', or with those allowed."""

    def __init__(self, options: LanguageOptions, surroundings: HasArchive) -> None:
        self._options = options
        self._archive = surroundings.archive

    def reasons(self, prompts: Sequence[Prompt]) -> list[str]:
        """As `Gate.reasons`."""
        allowed: set[str | None] = set(self._options.allowed)
        wanted = {parent for p in prompts for parent in p.lineage.parents if not allowed}
        spoken = {p.id: language_of(asked_text(p)) for p in self._archive.prompts(sorted(wanted))}
        return [
            self._reason(
                language_of(asked_text(prompt)),
                allowed or {spoken[parent] for parent in prompt.lineage.parents},
            )
            for prompt in prompts
        ]

    def _reason(self, language: str | None, allowed: set[str | None]) -> str:
        if language is None:
            return "" if self._options.unknown else "language unknown"
        # A parent whose language cannot be told is no ground to turn a child down.
        if not allowed or None in allowed or language in allowed:
            return ""
        return f"in another language: {language}"


def language_of(text: str) -> str | None:
    """ISO 639-1 code of the text's language, or None where it cannot be told."""
    scripts = Counter(_script(char) for char in text if char.isalpha())
    if not scripts:
        return None
    kana = scripts["HIRAGANA"] + scripts["KATAKANA"]
    if kana and kana >= _KANA_SHARE * (kana + scripts["CJK"]):
        scripts = scripts + Counter({"HIRAGANA": scripts["CJK"]})
        del scripts["CJK"]
    script = max(sorted(scripts), key=scripts.__getitem__)
    if script in ("HIRAGANA", "KATAKANA"):
        return "ja"
    if script == "ARABIC":
        return "fa" if _PERSIAN.intersection(text) else "ar"
    return _by_function_words(text) if script in _SHARED else _SCRIPTS.get(script)


def _script(char: str) -> str:
    return unicodedata.name(char, "").partition(" ")[0]


def _by_function_words(text: str) -> str | None:
    counts = Counter(words(folded(text)))
    found = sorted(
        (sum(counts[word] / SHARED_BY[word] for word in counts.keys() & listed), language)
        for language, listed in FUNCTION_WORDS.items()
    )
    (second, _), (first, language) = found[-2:]
    return language if first >= max(_LEAST, _LEAD * second) else None
