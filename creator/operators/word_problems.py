"""Edits of word problems that keep an exact answer: other numbers, other people.

`Numbers` draws new values for some of a problem's numbers and computes its worked solution anew
(`problems.solution`). A draw is kept only if every number of the solution can be traced, every
result is of its old kind (whole, positive, as many places) and all quantities compare as they did,
constants such as the days of a week included; otherwise it draws again. `Names` gives the people
other first names, which leaves the answer as it is.

Checked against the templates of GSM-Symbolic (Mirzadeh et al., 2024, arXiv 2410.05229) as
reasoning-gym has them, which vary GSM8K's problems in the same way and compute the answers from
code.

Left out: numbers in words, other things than people (their articles, plurals and plausible
quantities), the solution's prose: a child's solution has the steps alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil, floor
from random import Random

from creator.operators.problems.arithmetic import decimal
from creator.operators.problems.first_names import other_names
from creator.operators.problems.quantities import Quantity, constants_of, read_quantities, rewritten
from creator.operators.problems.solution import Step, read_solution, recompute, same_order, written
from creator.operators.puzzles import Child
from creator.operators.table import NumbersOptions, WordProblemOptions
from selfplay.core.seeding import Seed
from selfplay.core.types import Lineage, Prompt

NO_SOLUTION = "no worked solution that can be followed"
UNTRACEABLE = "a number of the solution is not the problem's"
NOTHING_FREE = "no number that can change"
NOTHING_FITS = "no new numbers fit"
NOBODY = "nobody to give another name"
PUZZLE = "a puzzle's text is its generator's"


class Numbers:
    """`Operator` that changes a word problem's numbers and computes its answer."""

    def __init__(self, options: NumbersOptions, surroundings: object) -> None:
        self._options = options

    def evolve(self, parents: Sequence[Prompt], seed: Seed) -> list[Child]:
        """A child with its new gold answer and solution, or a reason, for each parent."""
        rng = Random(seed.integer())
        return [self._edit(parent, rng, seed.integer()) for parent in parents]

    def _edit(self, parent: Prompt, rng: Random, drawn: int) -> Child:
        options = self._options
        steps = _steps(parent, options)
        if not steps:
            return NO_SOLUTION
        problem = _Problem(parent.messages[-1].content, steps)
        if problem.with_values({}) is None:
            return UNTRACEABLE
        groups = problem.groups()
        if not groups:
            return NOTHING_FREE
        for attempt in range(options.attempts):
            # Fewer numbers fit more easily, so later attempts ask for fewer.
            count = max(1, options.changes - options.changes * attempt // options.attempts)
            changes = _draw(groups, min(count, len(groups)), options.spread, rng)
            made = problem.with_values(changes) if changes else None
            if made is not None:
                text = rewritten(problem.text, changes)
                answer = decimal(made[-1].result)
                return _child(parent, options, drawn, text, answer, written(made))
        return NOTHING_FITS


class Names:
    """`Operator` that gives the people of a word problem other first names."""

    def __init__(self, options: WordProblemOptions, surroundings: object) -> None:
        self._options = options

    def evolve(self, parents: Sequence[Prompt], seed: Seed) -> list[Child]:
        """A child with its parent's gold answer, or a reason, for each parent."""
        rng = Random(seed.integer())
        return [self._edit(parent, rng, seed.integer()) for parent in parents]

    def _edit(self, parent: Prompt, rng: Random, drawn: int) -> Child:
        if parent.puzzle is not None:
            return PUZZLE
        text = parent.messages[-1].content
        names = other_names(text, rng)
        if not names:
            return NOBODY
        pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, names))})\b")

        def renamed(text: str) -> str:
            return pattern.sub(lambda found: names[found[0]], text)

        answer = None if parent.answer is None else renamed(parent.answer)
        solution = parent.extra.get(self._options.solution)
        solution = renamed(solution) if isinstance(solution, str) else None
        return _child(parent, self._options, drawn, renamed(text), answer, solution)


class _Problem:
    """A text with its quantities and its solution."""

    def __init__(self, text: str, steps: Sequence[Step]) -> None:
        self.text = text
        self._steps = steps
        self._quantities = read_quantities(text)
        self._constants = [(constant, constant) for constant in constants_of(text)]

    def groups(self) -> list[list[Quantity]]:
        """Free numbers that the solution uses, equal ones together: which is which is unknown."""
        used = {number for step in self._steps for number in step.numbers}
        groups: dict[tuple[Fraction, bool], list[Quantity]] = {}
        for quantity in self._quantities:
            if quantity.free and used.intersection(quantity.meanings(quantity.value)):
                groups.setdefault((quantity.value, quantity.percent), []).append(quantity)
        return list(groups.values())

    def with_values(self, changes: Mapping[Quantity, Fraction]) -> list[Step] | None:
        """The solution with some quantities changed; None where it would not be one."""
        values = [
            (quantity, changes.get(quantity, quantity.value)) for quantity in self._quantities
        ]
        given = [
            pair
            for quantity, value in values
            for pair in zip(
                quantity.meanings(quantity.value), quantity.meanings(value), strict=True
            )
        ]
        made = recompute(self._steps, [*given, *self._constants])
        if made is None:
            return None
        results = [(old.result, new.result) for old, new in zip(self._steps, made, strict=True)]
        stated = [(quantity.value, value) for quantity, value in values]
        return made if same_order([*stated, *self._constants, *results]) else None


def _steps(parent: Prompt, options: WordProblemOptions) -> list[Step]:
    """The worked solution of a prompt; empty without one."""
    solution = parent.extra.get(options.solution)
    if parent.answer is None or not isinstance(solution, str) or parent.puzzle is not None:
        return []
    return read_solution(solution, parent.answer)


def _draw(
    groups: Sequence[list[Quantity]], count: int, spread: float, rng: Random
) -> dict[Quantity, Fraction]:
    """New values for the quantities of up to `count` groups."""
    changes: dict[Quantity, Fraction] = {}
    for group in rng.sample(groups, count):
        value, unit = group[0].value, group[0].unit
        times = float(value / unit)
        drawn = rng.randint(ceil(times / spread), floor(times * spread)) * unit
        if drawn not in (value, 1):
            changes |= dict.fromkeys(group, drawn)
    return changes


def _child(
    parent: Prompt,
    options: WordProblemOptions,
    drawn: int,
    text: str,
    answer: str | None,
    solution: str | None,
) -> Child:
    kept = {name: parent.extra[name] for name in options.columns if name in parent.extra}
    return Prompt(
        (*parent.messages[:-1], replace(parent.messages[-1], content=text)),
        task=parent.task,
        answer=answer,
        extra=kept if solution is None else {**kept, options.solution: solution},
        lineage=Lineage(parents=(parent.id,), seed=drawn),
    )
