"""Worked solutions with calculator annotations (GSM8K, Cobbe et al., 2021, arXiv 2110.14168).

`<<48/2=24>>` says that 48/2 was computed and gave 24; `#### 72` is the answer. A solution can be
followed if every annotation computes something and is exactly right, and the last one's result is
the answer. (`<<52=52>>` computes nothing: where the 52 came from was left to the reader's head.)

To compute it anew, every number in it is traced to where it came from: a quantity of the problem, a
constant that the problem's words bring along, or an earlier result. A number from nowhere, or from
several places that no longer agree, means that nobody can tell what the new solution is.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from creator.operators.problems.arithmetic import (
    decimal,
    decimals,
    evaluate,
    numbers_of,
    substitute,
)

_ANNOTATION = re.compile(r"<<([^<>=]+)=([^<>=]+)>>")
MARKER = "####"


@dataclass(frozen=True)
class Step:
    """One annotation."""

    expression: str
    numbers: tuple[Fraction, ...]
    """Those of the expression, in order."""
    result: Fraction


def read_solution(text: str, answer: str) -> list[Step]:
    """The steps of a solution that can be followed; none of another one."""
    try:
        steps = [_step(*found) for found in _ANNOTATION.findall(text)]
        wanted = Fraction(answer.replace(",", "").strip().lstrip("$"))
    except (ValueError, ZeroDivisionError):
        return []
    right = all(
        len(step.numbers) > 1 and evaluate(step.expression) == step.result for step in steps
    )
    return steps if steps and right and steps[-1].result == wanted else []


def _step(expression: str, result: str) -> Step:
    evaluate(expression)
    return Step(expression, tuple(numbers_of(expression)), Fraction(result))


def recompute(
    steps: Sequence[Step], given: Iterable[tuple[Fraction, Fraction]]
) -> list[Step] | None:
    """The steps with new numbers; None where they cannot be told or are of another kind.

    `given` has the old and the new value of everything that the problem gives. A result is of the
    same kind if its sign is the old one's and it has no more places after the point.
    """
    known: Mapping[Fraction, set[Fraction]] = defaultdict(set)
    for old, new in given:
        known[old].add(new)
    made: list[Step] = []
    for step in steps:
        origins = [known[number] for number in step.numbers]
        if any(len(origin) != 1 for origin in origins):
            return None
        numbers = tuple(new for origin in origins for new in origin)
        try:
            expression = substitute(step.expression, numbers)
            result = evaluate(step.expression, numbers)
        except (ValueError, ZeroDivisionError):
            return None
        if not _same_kind(step.result, result):
            return None
        known[step.result].add(result)
        made.append(Step(expression, numbers, result))
    return made


def _same_kind(old: Fraction, new: Fraction) -> bool:
    places, allowed = decimals(new), decimals(old)
    if places is None or allowed is None or places > allowed:
        return False
    return (old > 0) == (new > 0) and (old < 0) == (new < 0)


def same_order(pairs: Sequence[tuple[Fraction, Fraction]]) -> bool:
    """Whether any two new values compare as the two old ones did.

    A problem that says "above 50" or "the rest" is another one when its quantities change places.
    """
    return all(
        old < next_old and new < next_new
        for (old, new), (next_old, next_new) in pairwise(sorted(set(pairs)))
    )


def written(steps: Sequence[Step]) -> str:
    """A solution in the same notation: one annotation a line, and the answer."""
    lines = [
        f"{step.expression} = <<{step.expression}={decimal(step.result)}>>{decimal(step.result)}"
        for step in steps
    ]
    return "\n".join([*lines, f"{MARKER} {decimal(steps[-1].result)}"])
