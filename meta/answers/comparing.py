"""Is an answer the gold answer? By what both are; only mathematics goes to the engine.

Gold answer and answer are spelled and read by the same functions. What neither form nor value makes
equal is different: nothing is right because it could not be read.
"""

from __future__ import annotations

import re
from dataclasses import replace

from meta.answers.candidates import LONGEST_END, candidates
from meta.answers.choices import key_of, letters, mentioned, options, said
from meta.answers.commas import decimal_commas, pointed, pointed_decimal
from meta.answers.equality import Engine, Question, same
from meta.answers.finding import Answer
from meta.answers.literals import Literal
from meta.answers.reading import Text, folded, read
from meta.answers.spelling import spelled
from meta.answers.units import Quantity
from selfplay.core.errors import DataError

_NOT_A_NUMBER = frozenset({"nan", "inf", "+inf", "-inf"})
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,14}")
"""Bare numbers that are equal only if written alike: most answers, and nothing to read in them."""
_PERCENTS = re.compile(r"%|percent|百分", re.IGNORECASE)
_LAST = re.compile(r"(?<=[.!?])\s+|[。！？\n]\s*(?=\S)")
"""Between sentences; what semicolons join is one."""
_ORDERED = re.compile(
    r"\b(?:sort|order(?:ed)?|ascending|descending|arrange|rank|sequence|respectively)\b"
    r"|排列|顺序|依次",
    re.IGNORECASE,
)


def question(prompt: str) -> Question:
    """What a prompt's text says about answers to it."""
    return Question(
        options(prompt),
        bool(_PERCENTS.search(prompt)),
        bool(_ORDERED.search(prompt)),
        decimal_commas(prompt),
    )


def no_answer(gold: str) -> bool:
    """Whether a gold answer is what programs write for none: NaN, an infinite float."""
    return gold.strip().casefold() in _NOT_A_NUMBER


def compare(gold: str, given: Answer, asked: Question, engine: Engine) -> bool | None:
    """Whether an answer is right; None where nothing of the gold answer's kind is in it."""
    if not asked.listed and _INTEGER.fullmatch(gold) and _INTEGER.fullmatch(given.text):
        return gold == given.text
    if given.commas or asked.commas:
        gold, given = pointed_decimal(gold), replace(given, text=pointed(given.text))
    wanted = spelled(gold)
    verdict = _chosen(wanted, given, asked, engine)
    if verdict is not None:
        return verdict
    expected = read(wanted)
    plain = isinstance(expected, Text | Literal)
    for candidate in candidates(given, plain, expected):
        found = spelled(candidate)
        if plain or isinstance(read(found), Text):
            if same(wanted, found, asked, engine):
                return True
        else:  # the first that is mathematics is the answer
            return same(wanted, found, asked, engine)
    return False if plain else None


def canonical(text: str) -> str:
    """An answer by itself, equal numbers written alike."""
    found = spelled(text)
    reading = read(found)
    if isinstance(reading, Quantity):
        return str(reading.number.value)
    if named := letters(found, {}):
        return ",".join(sorted(named)).casefold()
    return folded(found)


def _chosen(wanted: str, given: Answer, asked: Question, engine: Engine) -> bool | None:
    """The verdict of multiple choice; None where the gold answer is no choice."""
    keys = _keys(wanted, asked, engine)
    if not keys:
        return None
    named = _named_letters(given, asked)
    if named:
        return named == keys
    if len(keys) > 1:
        return False
    (key,) = keys
    if key not in asked.listed:
        return None if asked.listed or len(wanted) > 3 else False
    matching = {
        other
        for other, option in asked.listed.items()
        if any(
            _same_option(option, spelled(text), asked, engine)
            for text in candidates(given, True, Text(""))
        )
    }
    if given.delimited:
        return matching == {key}
    sentence = _LAST.split(given.text.rstrip())[-1]
    asserted = mentioned(sentence[-LONGEST_END:], asked.listed)
    return key in (matching or asserted) and len(matching | asserted) == 1


def _same_option(option: str, text: str, asked: Question, engine: Engine) -> bool:
    """Whether an answer is an option's text; not, where the engine cannot read the option."""
    try:
        return bool(same(option, text, asked, engine))
    except DataError:
        return False


def _keys(wanted: str, asked: Question, engine: Engine) -> frozenset[str]:
    """The letters of a gold answer: its own, or that of the option whose text it is."""
    single = re.fullmatch(r"[(\[]?[A-Z][)\]]?|[(\[][a-z][)\]]", wanted)
    named = letters(wanted, asked.listed)
    if asked.listed and not named <= set(asked.listed):
        named = frozenset()
    if named and (single or asked.listed or (len(named) > 1 and re.search(r"[,&]| and ", wanted))):
        return named
    if named and re.match(r"[(\[]?[A-J][).\]]+\s", wanted):
        return named
    same_text = [key for key, option in asked.listed.items() if folded(option) == folded(wanted)]
    return frozenset(same_text) if len(same_text) == 1 else frozenset()


def _named_letters(given: Answer, asked: Question) -> frozenset[str]:
    """The letters that an answer names, in as much of it as is needed."""
    for text in candidates(given, True, Text("")):
        if named := letters(spelled(text), asked.listed):
            return named
    found = _leading(given.text) if given.delimited else frozenset()
    found = found or said(given.text[-LONGEST_END:])
    return frozenset(key_of(letter, asked.listed) for letter in found)


def _leading(text: str) -> frozenset[str]:
    """The letter that a marked answer begins with, if it is set off from what follows."""
    match = re.match(r"\W*\(?([A-Z])(?:\)|[.:]\s|\W*$)", text)
    return frozenset(match[1]) if match else frozenset()
