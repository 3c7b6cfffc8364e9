"""Checks: pure functions from a text (and the prompt it answers) to a degree in [0, 1].

Rubrics, constraints, monitors and admission gates all use them. 1 means that the text does what
the check's name says, so `repetition` is 1 for a text that repeats nothing, and a deduction for
shouting is a deduction on `case`. A check that cannot apply (the exact answer of a prompt without
one) raises DataError: it is missing, never 0.

The first rows of the table are graded where a count allows it; those of IFEval (arXiv 2311.07911,
`selfplay.core.instructions`) are kept or broken, 1 or 0, as there. Left out: anything that needs a
model.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from selfplay.core.check_rows import CheckRow, NoParameters
from selfplay.core.errors import ConfigError, DataError, nearest
from selfplay.core.instructions.table import INSTRUCTIONS
from selfplay.core.json_text import parse_json
from selfplay.core.language import scripts_of
from selfplay.core.patterns import is_found, pattern_fault
from selfplay.core.relations import ROWS as RELATIONS
from selfplay.core.types import Prompt


@dataclass(frozen=True)
class Length:
    """Bounds on a count, both included."""

    unit: str = "words"
    """`characters`, `words`, `sentences` or `lines`."""
    minimum: int = 0
    maximum: int = 0
    """0 means no upper bound."""

    def __post_init__(self) -> None:
        if self.unit not in _COUNTERS:
            raise ConfigError(f"length: no unit is called '{self.unit}'; {_units(self.unit)}")
        if self.minimum < 0 or self.maximum < 0 or 0 < self.maximum < self.minimum:
            raise ConfigError(
                f"length: expected 0 <= minimum <= maximum, found {self.minimum} and {self.maximum}"
            )


@dataclass(frozen=True)
class Pattern:
    """A regular expression."""

    regex: str
    whole: bool = False
    """Whether the whole text must match, surrounding space aside; else anywhere is enough."""

    def __post_init__(self) -> None:
        if fault := pattern_fault(self.regex):
            raise ConfigError(f"pattern: '{self.regex}' is no regular expression: {fault}")


@dataclass(frozen=True)
class Repetition:
    """Which n-grams are compared."""

    n: int = 3
    """Words per n-gram."""

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ConfigError(f"repetition: expected n of 1 or more, found {self.n}")


@dataclass(frozen=True)
class Alphabet:
    """Which letters count."""

    script: str = "latin"
    """First word of the letters' Unicode names (`latin`, `greek`, `cjk`, ...), or `ascii`."""


@dataclass(frozen=True)
class Texts:
    """Some strings."""

    texts: tuple[str, ...]
    ignore_case: bool = True

    def __post_init__(self) -> None:
        if not self.texts or not all(isinstance(text, str) and text for text in self.texts):
            raise ConfigError(f"texts: expected a list of non-empty strings, found {self.texts!r}")


@dataclass(frozen=True)
class Json:
    """What the JSON value must be."""

    keys: tuple[str, ...] = ()
    """Keys that the value, then an object, must have."""


@dataclass(frozen=True)
class Case:
    """Which case the letters have."""

    upper: bool = True
    """Upper case; else lower."""


def run_check(name: str, parameters: Any, text: str, prompt: Prompt) -> float:
    """The degree in [0, 1] to which `text`, answering `prompt`, passes the check.

    Raises:
        DataError: the check does not apply to this prompt.
    """
    degree: float = CHECKS[name].function(text, prompt, parameters)
    return min(max(degree, 0.0), 1.0)


def check_parameters(name: str, given: Mapping[str, Any], where: str) -> Any:
    """The typed parameters of the check called `name`.

    Raises:
        ConfigError: no such check, an unknown or missing parameter, or a value it refuses.
    """
    if name not in CHECKS:
        raise ConfigError(f"{where}: no check is called '{name}'; {nearest(name, CHECKS)}")
    kind = CHECKS[name].parameters
    known = {field.name: field for field in fields(kind)}
    for key, value in given.items():
        if key not in known:
            raise ConfigError(
                f"{where}: check '{name}' has no parameter '{key}'; {nearest(key, known)}"
            )
        _check_type(f"{where}: {name}.{key}", str(known[key].type), value)
    try:
        return kind(**{key: _frozen(value) for key, value in given.items()})
    except TypeError as error:
        raise ConfigError(f"{where}: check '{name}': {error}") from error
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


_TYPES: Mapping[str, tuple[type, ...]] = {
    "int": (int,),
    "bool": (bool,),
    "str": (str,),
    "tuple[str, ...]": (list, tuple),
}


def _check_type(where: str, expected: str, value: object) -> None:
    """Raises ConfigError unless `value` has the annotated type; a bool is no int."""
    wrong_bool = isinstance(value, bool) and expected != "bool"
    if wrong_bool or not isinstance(value, _TYPES[expected]):
        raise ConfigError(f"{where}: expected {expected}, found {value!r}")


def _frozen(value: Any) -> Any:
    """A list, as YAML gives it, as a tuple."""
    return tuple(value) if isinstance(value, list) else value


_COUNTERS: Mapping[str, Callable[[str], int]] = {
    "characters": len,
    "words": lambda text: len(text.split()),
    "sentences": lambda text: len(re.findall(r"[^.!?\s][^.!?]*", text)),
    "lines": lambda text: sum(bool(line.strip()) for line in text.splitlines()),
}


def _units(unit: str) -> str:
    return nearest(unit, _COUNTERS)


def length(text: str, prompt: Prompt, parameters: Length) -> float:
    """1 within the bounds; below the minimum n / minimum, above the maximum maximum / n."""
    count = _COUNTERS[parameters.unit](text)
    if count < parameters.minimum:
        return count / parameters.minimum
    if 0 < parameters.maximum < count:
        return parameters.maximum / count
    return 1.0


def pattern(text: str, prompt: Prompt, parameters: Pattern) -> float:
    """1 if the text matches; `.` matches newlines too."""
    text, whole = text.strip(), parameters.whole
    return float(is_found(parameters.regex, text, whole=whole, flags=re.DOTALL))


def repetition(text: str, prompt: Prompt, parameters: Repetition) -> float:
    """Share of distinct word n-grams; 1 for a text of fewer than n words."""
    grams = _ngrams(text, parameters.n)
    return len(set(grams)) / len(grams) if grams else 1.0


def echo(text: str, prompt: Prompt, parameters: Repetition) -> float:
    """Share of the text's word n-grams that the prompt already has: 1 for a copy of the prompt."""
    grams = _ngrams(text, parameters.n)
    asked = _asked(prompt.text, parameters.n)
    return sum(gram in asked for gram in grams) / len(grams) if grams else 0.0


def _ngrams(text: str, n: int) -> list[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return list(zip(*(words[i:] for i in range(n)), strict=False))


@lru_cache(maxsize=256)
def _asked(text: str, n: int) -> frozenset[tuple[str, ...]]:
    """A prompt's word n-grams, which all of its responses are compared with."""
    return frozenset(_ngrams(text, n))


def alphabet(text: str, prompt: Prompt, parameters: Alphabet) -> float:
    """Share of the text's letters that belong to the script; 0 without letters."""
    script = parameters.script.upper()
    if script == "ASCII":
        ascii_letters = [char.isascii() for char in text if char.isalpha()]
        return sum(ascii_letters) / len(ascii_letters) if ascii_letters else 0.0
    letters = scripts_of(text)
    return letters[script] / letters.total() if letters else 0.0


def case(text: str, prompt: Prompt, parameters: Case) -> float:
    """Share of the cased letters that have the case; 0 without any."""
    counts = Counter(text)
    upper = sum(count for char, count in counts.items() if char.isupper())
    lower = sum(count for char, count in counts.items() if char.islower())
    asked = upper if parameters.upper else lower
    return asked / (upper + lower) if upper + lower else 0.0


def starts_with(text: str, prompt: Prompt, parameters: Texts) -> float:
    """1 if the text starts with one of the strings, leading space aside."""
    folded, texts = _folded(text, parameters)
    return float(folded.startswith(texts))


def ends_with(text: str, prompt: Prompt, parameters: Texts) -> float:
    """1 if the text ends with one of the strings, trailing space aside."""
    folded, texts = _folded(text, parameters)
    return float(folded.endswith(texts))


def keywords(text: str, prompt: Prompt, parameters: Texts) -> float:
    """Share of the strings that occur as whole words."""
    folded, texts = _folded(text, parameters)
    found = [
        word in folded and re.search(rf"(?<!\w){re.escape(word)}(?!\w)", folded) is not None
        for word in texts
    ]
    return sum(found) / len(texts)


def _folded(text: str, parameters: Texts) -> tuple[str, tuple[str, ...]]:
    if not parameters.ignore_case:
        return text.strip(), parameters.texts
    return text.strip().casefold(), tuple(word.casefold() for word in parameters.texts)


def number(text: str, prompt: Prompt, parameters: NoParameters) -> float:
    """1 if the text has a digit."""
    return float(any(map(str.isdigit, text)))


def json_value(text: str, prompt: Prompt, parameters: Json) -> float:
    """0 if the text is no JSON value; else 1, or the share of the required keys that it has."""
    try:
        value = parse_json(text)
    except ValueError:
        return 0.0
    if not parameters.keys:
        return 1.0
    found = value if isinstance(value, dict) else {}
    return sum(key in found for key in parameters.keys) / len(parameters.keys)


def exact_answer(text: str, prompt: Prompt, parameters: NoParameters) -> float:
    """1 if the text is the gold answer, case and surrounding space aside."""
    if prompt.answer is None:
        raise DataError("exact_answer: the prompt has no gold answer")
    return float(text.strip().casefold() == prompt.answer.strip().casefold())


CHECKS: Mapping[str, CheckRow] = {
    "length": CheckRow(length, Length, "as long as asked"),
    "pattern": CheckRow(pattern, Pattern, "matches a regular expression"),
    "repetition": CheckRow(repetition, Repetition, "does not repeat itself"),
    "echo": CheckRow(echo, Repetition, "copies the prompt"),
    "alphabet": CheckRow(alphabet, Alphabet, "is written in a script"),
    "case": CheckRow(case, Case, "is written in upper or lower case"),
    "starts_with": CheckRow(starts_with, Texts, "starts with one of some strings"),
    "ends_with": CheckRow(ends_with, Texts, "ends with one of some strings"),
    "keywords": CheckRow(keywords, Texts, "has some words"),
    "number": CheckRow(number, NoParameters, "has a number"),
    "json": CheckRow(json_value, Json, "is valid JSON"),
    "exact_answer": CheckRow(exact_answer, NoParameters, "is the gold answer", uses_answer=True),
    **RELATIONS,
    **INSTRUCTIONS,
}
"""Every check by name."""
