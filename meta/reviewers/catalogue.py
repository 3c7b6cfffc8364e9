"""Checks with parameters that the statistical reviewer may put into a rubric.

Three sources: each check as it is where it needs no parameters; forms that hold of responses in
general; and parameters read off the responses: quantiles of their lengths, and endings and
beginnings that the responses of many prompts share, never those of one. Checks that look at the
gold answer are never among them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

import numpy as np

from meta.rubrics.rubric import MAX_NAME, Criterion
from selfplay.core.checks import CHECKS
from selfplay.core.instructions.table import INSTRUCTIONS

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
AFFIXES = 12
"""Endings, and beginnings, at most."""

MATERIALS = (("last_word", "characters"), ("last_line", "characters"), ("last_line", "words"))
"""Parts of a prompt, in units, that a response may be made of."""

FORMS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "pattern": (
        {"regex": r"\d\W*$"},
        {"regex": r"\S+", "whole": True},
        {"regex": r"-?\d+(\.\d+)?", "whole": True},
        {"regex": r"[.!?][\"')]*$"},
        {"regex": r"\?"},
        {"regex": r"!"},
        {"regex": r"="},
        {"regex": r"\\boxed\{"},
        {"regex": r"####"},
        {"regex": r"^#+ "},
        {"regex": r"^\W*$"},
        {"regex": r"^(sure|certainly|of course|great)\b"},
        {"regex": r"\b(as an ai|i cannot|i can't|i'm sorry)\b"},
        {"regex": r"[^\x00-\x7f]"},
    ),
    "repetition": ({"n": 1}, {"n": 2}, {"n": 3}, {"n": 4}),
    "echo": ({"n": 1}, {"n": 2}, {"n": 3}),
    "alphabet": ({"script": "latin"}, {"script": "ascii"}),
    "case": ({"upper": True}, {"upper": False}),
    "rearranges": tuple({"part": part, "unit": unit} for part, unit in MATERIALS),
    "neighbours": tuple(
        {"part": part, "unit": unit, "reverse": reverse}
        for part, unit in MATERIALS
        for reverse in (False, True)
    ),
}
"""Parameters worth trying whatever the responses are."""


@dataclass(frozen=True)
class Measure:
    """A check with its parameters: what a criterion of kind `check` measures."""

    check: str
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Tells measures apart."""
        return f"{self.check} {sorted(self.params.items())!r}"

    def words(self) -> str:
        """What is asked, for the text of a criterion."""
        if self.check == "length":
            return f"The response has {_bounds(**self.params)}."
        if self.check in ("rearranges", "neighbours"):
            return f"The response {_relation(self.check, **self.params)}."
        given = ", ".join(f"{name}={value!r}" for name, value in self.params.items())
        return f"The response {CHECKS[self.check].summary}{f' ({given})' if given else ''}."


def _relation(check: str, part: str, unit: str, reverse: bool = False) -> str:
    of = f"the {unit} of the prompt{f's {part}' if part != 'all' else ''}".replace("_", " ")
    of = of.replace("prompts", "prompt's")
    if check == "rearranges":
        return f"is made of {of}"
    return f"keeps {of} in {'the opposite' if reverse else 'their'} order"


def _bounds(unit: str = "words", minimum: int = 0, maximum: int = 0) -> str:
    least, most = f"at least {minimum:,}", f"at most {maximum:,}"
    bounds = [least] * (minimum > 0) + [most] * (maximum > 0)
    return f"{' and '.join(bounds) or 'any number of'} {unit}"


def measure_of(criterion: Criterion) -> Measure:
    """What the criterion measures."""
    return Measure(criterion.check, criterion.params)


def denied_checks(deny: Sequence[str]) -> frozenset[str]:
    """The given names, and every check that looks at the gold answer."""
    return frozenset(deny) | {name for name, row in CHECKS.items() if row.uses_answer}


def catalogue(
    texts: Sequence[Sequence[str]], denied: frozenset[str], common: float
) -> list[Measure]:
    """The measures to try, each once, in a fixed order.

    Args:
        texts: the responses of each prompt.
        denied: checks that are left out.
        common: share of the prompts that have to share an ending or a beginning.
    """
    sources: tuple[Callable[[], Iterator[Measure]], ...] = (
        _plain,
        _forms,
        lambda: _lengths([text for own in texts for text in own]),
        lambda: _affixes(texts, common),
    )
    found = {m.key: m for source in sources for m in source() if m.check not in denied}
    return list(found.values())


def _plain() -> Iterator[Measure]:
    """Checks without parameters; IFEval's kinds, which say what one prompt asks for, stay out."""
    for name, row in CHECKS.items():
        needed = [
            f
            for f in fields(row.parameters)
            if f.default is MISSING and f.default_factory is MISSING
        ]
        if not needed and name not in FORMS and name != "length" and name not in INSTRUCTIONS:
            yield Measure(name)


def _forms() -> Iterator[Measure]:
    for name, given in FORMS.items():
        for params in given:
            yield Measure(name, params)


def _lengths(texts: Sequence[str]) -> Iterator[Measure]:
    """At least, and at most, each quantile of the responses' own lengths."""
    counters: Mapping[str, Callable[[str], int]] = {
        "characters": len,
        "words": lambda text: len(text.split()),
        "lines": lambda text: sum(bool(line.strip()) for line in text.splitlines()),
    }
    for unit, count in counters.items():
        counts = [count(text) for text in texts]
        bounds = {math.ceil(value) for value in np.quantile(counts, QUANTILES)} if counts else set()
        for bound in sorted(bounds - {0}):
            yield Measure("length", {"unit": unit, "minimum": bound})
            yield Measure("length", {"unit": unit, "maximum": bound})


def _affixes(texts: Sequence[Sequence[str]], common: float) -> Iterator[Measure]:
    """Last characters and last words, first words: those that responses of many prompts share."""
    readers: tuple[tuple[str, Callable[[str], str]], ...] = (
        ("ends_with", lambda text: text[-1:]),
        ("ends_with", lambda text: text.split()[-1] if text.split() else ""),
        ("starts_with", lambda text: text.split()[0] if text.split() else ""),
    )
    for check, read in readers:
        seen: Counter[str] = Counter()
        for own in texts:
            seen.update({read(text.strip().casefold()) for text in own} - {""})
        often = [word for word, n in seen.items() if n >= max(common * len(texts), 2)]
        for word in sorted(often, key=lambda word: (-seen[word], word))[:AFFIXES]:
            if len(word) <= MAX_NAME:
                yield Measure(check, {"texts": [word]})
