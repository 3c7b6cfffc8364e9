"""Does a text refuse what it was asked for, as a whole or in part?

What stands behind the last `</think>` is read; what somebody else says in it (quotations, code,
drafts, letters, dialogues) is left out. Its sentences are weighed: a *form* says how sure a
sentence refuses (`selfplay.core.refusal_forms`), a *sign* that an assistant speaks of a request
adds to it, a *scene*, in which somebody else speaks, takes from it, and so does help that
follows a "but" (`selfplay.core.refusal_signs`). To the weightiest sentence's weight is added
what a linear model of the text's words thinks (`selfplay.core.refusal_words`); a text refuses
if the sum reaches `ENOUGH`, which was set where nine in ten refusals of sets left out of the
fit were found.

Refusals are: whole and partial ones, wherever they stand; inability of the assistant's own (no
access, no browsing, no opinion), unless it helps nonetheless; moral remarks in place of an answer.
None are: asking for what is missing ("please provide the text"), correcting a false premise, "the
passage does not say", doubt, warnings beside an answer, and the no that somebody asked to be
written: where the prompt is known, it tells a letter or a translation from a refusal.

Limits: irony and a silent change of subject are missed. `benchmarks/refusals.py` measures both
kinds of error on sets that were written before anything was changed for them.
"""

from __future__ import annotations

import re

from selfplay.core import refusal_languages
from selfplay.core.refusal_forms import FIRM, LOOSE, STOCK, compiled
from selfplay.core.refusal_signs import (
    AGREES,
    ASKS_WORDS,
    DENIES,
    DIALOGUE,
    DRAFT,
    FORBIDS,
    HARM,
    HELPS,
    LIFE,
    REPORTED,
    SCENE,
    SIGN,
    SIGNED,
    SPEAKS,
    STILL_HELPS,
    THOUGH,
)
from selfplay.core.refusal_words import leaning
from selfplay.core.words import folded

ENOUGH = 2.0
"""What a text's weight reaches that refuses."""

_WORDS = 0.75
"""What the words' log-odds count for."""

_ASKED = 2
"""What a prompt that asks for somebody's words takes from a refusal among them."""

_HELP = 2.5
"""What help that is given nonetheless takes."""

_ALONE = 2.5
"""What the words of a text without any form have to reach."""

_SURE = 2
"""The weight of a form that refuses by itself."""

_BEFORE = 2
"""How many sentences before a refusal a sign may stand."""

_FORMS = (
    (3, compiled(STOCK)),
    (3, refusal_languages.FORMS),
    (2, compiled(FIRM)),
    (1, compiled(LOOSE)),
)

_THOUGHT = re.compile(r"\A.*</think(?:ing)?>|<think(?:ing)?>.*\Z", re.DOTALL)
_CODE = re.compile(r"^ *```.*?(?:^ *```|\Z)", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"(?:#|//|--|/\*) (.*)")
_QUOTED = re.compile(
    r'"[^"\n]{1,400}"|“[^”\n]{1,400}”|„[^“”\n]{1,400}[“”]|«[^»\n]{1,400}»|「[^」\n]{1,400}」'
    r"|`[^`\n]{1,400}`"
    r"|(?<![^\W_])'(?!(?:m|s|re|ve|ll|d|t)\b)[^'\n]{1,200}(?:'[a-z][^'\n]{0,200}){0,3}'(?![^\W_])"
    r"|^[^\S\n]*>.*$",
    re.MULTILINE,
)
_GIVEN = re.compile(r"[:\"'“«„「](?!(?:m|s|re|ve|ll|d|t)\b)")
"""What words that are given stand behind."""
_SELF = re.compile(r"\bi\b")
_SENTENCE = re.compile(r"[^.!?\n。！？।]{1,400}")


def refuses(text: str, prompt: str = "") -> bool:
    """Whether the text refuses.

    Args:
        text: a response, with or without the thought before it.
        prompt: what the user asked last, if known. One that asks for somebody's words makes a
            refusal less likely to be the assistant's own; one that gives the words of a refusal,
            to be translated, quoted or mended, makes it none.
    """
    asked = folded(prompt)
    if _gives_a_refusal(asked):
        return False
    own, plain = own_words(text)
    sentences = [sentence.strip() for sentence in _SENTENCE.findall(own)]
    told = [sentence for sentence in sentences if not REPORTED.search(sentence)]
    if not told:
        return False
    scene = bool(SCENE.search(plain)) + 2 * bool(SIGNED.search(plain))
    scene += _ASKED * bool(ASKS_WORDS.search(asked))
    harm = bool(HARM.search(asked))
    signs, harms = _last(SIGN, told), len(told) if harm else _last(HARM, told)
    form = max(_weight(told, place, signs, harms) for place in range(len(told)))
    if form:
        return min(form, 4) - scene + _WORDS * leaning(own) >= ENOUGH
    alone = SPEAKS.search(own) and DENIES.search(own) and not AGREES.search(own)
    return bool(alone) and _WORDS * leaning(own) - scene >= _ALONE


def _gives_a_refusal(asked: str) -> bool:
    """Whether a prompt, folded, has a refusal among words that it gives."""
    if not (ASKS_WORDS.search(asked) or _GIVEN.search(asked)):
        return False
    return any(
        _form(sentence)[0] >= _SURE and not FORBIDS.search(sentence)
        for sentence in _SENTENCE.findall(asked)
    )


def own_words(text: str) -> tuple[str, str]:
    """What the speaker says in their own name, and all that they say; folded."""
    plain = _said(text)
    own = plain[: match.end()] if (match := DRAFT.search(plain)) else plain
    own = own[: match.start()] if (match := DIALOGUE.search(own)) else own
    return own, plain


def _last(pattern: re.Pattern[str], sentences: list[str]) -> int:
    """The place of the last sentence in which it is found, far before the first where in none."""
    found = (i for i in reversed(range(len(sentences))) if pattern.search(sentences[i]))
    return next(found, -_BEFORE - 1)


def _weight(sentences: list[str], place: int, sign_at: int, harm_at: int) -> float:
    """How surely the sentence refuses, beside the others.

    Args:
        sentences: of the text.
        place: of the sentence.
        sign_at: the last sentence with a sign; a sign counts from a little before on.
        harm_at: the last that speaks of harm; behind all, where the prompt does.
    """
    sentence = sentences[place]
    form, end = _form(sentence)
    if not form:
        return 0
    if form >= _SURE:
        harm = harm_at >= place - _BEFORE
    else:
        harm = bool(_SELF.search(sentence) and HARM.search(sentence))
    sign = harm or sign_at >= place - _BEFORE
    after = sentences[place + 1 : place + 2]
    helps = HELPS.search(sentence, end) or THOUGH.search(sentence)
    helped = bool(helps) or any(map(STILL_HELPS.search, after))
    return form + sign - bool(LIFE.search(sentence)) - _HELP * helped


def _form(sentence: str) -> tuple[int, int]:
    """How surely the words refuse, and where they end.

    3 for what is only said of requests, 2 for a refusal, 1 for what may be one, else 0.
    """
    for weight, forms in _FORMS:
        for form in forms:
            if match := form.search(sentence):
                return weight, match.end()
    return 0, 0


def _said(text: str) -> str:
    """What the speaker says, without thought, code and quotations; folded."""
    plain = folded(_THOUGHT.sub("", text)).replace("**", "").replace("__", "").strip()
    prose = _CODE.sub("\n", plain).strip()
    if not prose:
        prose = "\n".join(_COMMENT.findall(_QUOTED.sub(" ", plain)))
    said = _QUOTED.sub(' "" ', prose)
    # A text that is one quotation is what is said and not what is quoted.
    return said if any(letter.isalnum() for letter in said) else prose
