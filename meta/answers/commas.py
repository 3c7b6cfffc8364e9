"""Decimal commas: in many languages 3,5 is three and a half, and 1.200 is twelve hundred.

A text is taken to be in one of them by its commonest words; a number is then read by its form, so
that decimal points and thousands in the English way, which models mix in, stay what they are.
"""

from __future__ import annotations

import re

_COMMONEST = (
    "der die das ist sind und ein eine er sie es also kostet euro antwort lautet beträgt "
    "insgesamt "
    "le la les des du une est sont pour donc que réponse coûte nous il elle "
    "el los las una son para por con entonces respuesta cuesta lo tanto en "
    "um uma os não em são portanto resposta custa è sono per che quindi risposta gli "
    "het een zijn dus antwoord det er och svaret jest wynosi odpowiedź"
)
_ENGLISH_ONES = "the is of and are so answer was has to for each"
_WORDS, _ENGLISH = frozenset(_COMMONEST.split()), frozenset(_ENGLISH_ONES.split())
_ACCENTED = re.compile("[à-öø-ÿ]")
_CYRILLIC = re.compile("[а-яё]{3}", re.IGNORECASE)
_PLAIN = re.compile(
    r"(?<![\d.,])\d{1,3}(?:\.\d{3})+,\d{1,2}(?![\d.,])"
    r"|\b(?:antwort|respuesta|réponse|resposta|risposta|antwoord|insgesamt|reais)\b|(?<!\w)é(?!\w)",
    re.IGNORECASE,
)
"""What is enough by itself."""
_DECIMAL = re.compile(r"(?<![\d.,(\[{])(\d{1,3}(?:\.\d{3})+|\d+),(\d{1,2}|\d{4,})(?![\d,]|\.\d)")
_THOUSANDS = re.compile(r"(?<![\d.,])([1-9]\d{0,2}(?:\.\d{3})+)(?![\d,]|\.\d)")


def decimal_commas(text: str) -> bool:
    """Whether a text is in a language that writes decimal commas."""
    if _CYRILLIC.search(text) or _PLAIN.search(text):
        return True
    words = set(re.findall(r"[^\W\d_]+", text[:5000].casefold()))
    foreign = words & _WORDS | {word for word in words if _ACCENTED.search(word)}
    return len(foreign) >= 1 + ("€" not in text) and words.isdisjoint(_ENGLISH)


def pointed(text: str) -> str:
    """A text of such a language with decimal points, and commas between thousands."""
    text = _THOUSANDS.sub(lambda match: match[1].replace(".", ","), text)
    return pointed_decimal(text)


def pointed_decimal(text: str) -> str:
    """Only the decimal commas; where thousands have points, those too."""
    return _DECIMAL.sub(lambda match: f"{match[1].replace('.', '')}.{match[2]}", text)
