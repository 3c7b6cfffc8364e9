"""Which language a text is in, told offline: by script, and by function words where scripts meet.

The script of most letters decides, where one language is nearly alone in it. Where languages share
a script, their function words do: a word counts one over the number of languages that have it; the
language with the highest count is the text's, provided that the count is 1 or more and half as high
again as the next. That is enough to find an answer in Chinese or French to an English prompt; it is
no statistical language identification.

Limits: the languages in `LANGUAGES`; a text of a few words, code or formulas have no language that
can be told; close relatives (Danish and Norwegian, Czech and Slovak) may be taken for one another,
or for neither; of a mixed text the larger part counts; Arabic script counts as Arabic, Persian or
Urdu by the letters that only the latter two have.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache

from selfplay.core.function_words import DEVANAGARI, FUNCTION_WORDS
from selfplay.core.words import words

_SCRIPTS: Mapping[str, str] = {
    "ARMENIAN": "hy",
    "BENGALI": "bn",
    "CJK": "zh",
    "GEORGIAN": "ka",
    "GREEK": "el",
    "GUJARATI": "gu",
    "GURMUKHI": "pa",
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

LANGUAGES: frozenset[str] = frozenset(
    {*_SCRIPTS.values(), *FUNCTION_WORDS, *DEVANAGARI, "ja", "ar", "fa", "ur"}
)
"""ISO 639-1 codes of the languages that can be told."""

_SHARED = ("LATIN", "CYRILLIC")
_PERSIAN = frozenset("پچژگ")
_URDU = frozenset("ٹڈڑںے")
_KANA_SHARE = 0.1
"""Japanese mixes Chinese characters with kana; Chinese has none."""
_LEAD = 1.5
_LEAST = 1.0

_Spoken = Mapping[str, tuple[str, ...]]


def _by_word(lists: Mapping[str, frozenset[str]]) -> _Spoken:
    """Each word with the languages that have it, so that a text is looked up word by word."""
    spoken: dict[str, list[str]] = {}
    for language, listed in lists.items():
        for word in listed:
            spoken.setdefault(word, []).append(language)
    return {word: tuple(languages) for word, languages in spoken.items()}


_SPOKEN = _by_word(FUNCTION_WORDS)
_SPOKEN_DEVANAGARI = _by_word(DEVANAGARI)


def language_of(text: str) -> str | None:
    """ISO 639-1 code of the text's language, or None where it cannot be told."""
    if text.isascii():  # letters of the Latin script, if any: no need to look at each
        return _by_function_words(words(text), _SPOKEN)
    scripts = scripts_of(text)
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
        return "ur" if _URDU & set(text) else "fa" if _PERSIAN & set(text) else "ar"
    if script == "DEVANAGARI":
        # Vowel signs are no letters to a pattern of words: words are what stands between spaces.
        return _by_function_words(text.replace("।", " ").split(), _SPOKEN_DEVANAGARI)
    return _by_function_words(words(text), _SPOKEN) if script in _SHARED else _SCRIPTS.get(script)


def scripts_of(text: str) -> Counter[str]:
    """How many of the text's letters each script has, by the first word of Unicode names."""
    scripts: Counter[str] = Counter()
    for char, count in Counter(text).items():
        if char.isalpha():
            scripts[_script(char)] += count
    return scripts


@lru_cache(maxsize=4096)
def _script(char: str) -> str:
    return unicodedata.name(char, "").partition(" ")[0]


def _by_function_words(listed: Iterable[str], spoken: _Spoken) -> str | None:
    scores: dict[str, float] = {}
    for word in listed:
        languages = spoken.get(word, ())
        for language in languages:
            scores[language] = scores.get(language, 0.0) + 1 / len(languages)
    if not scores:
        return None
    first = max(sorted(scores), key=scores.__getitem__)
    second = max((score for name, score in scores.items() if name != first), default=0.0)
    return first if scores[first] >= max(_LEAST, _LEAD * second) else None
