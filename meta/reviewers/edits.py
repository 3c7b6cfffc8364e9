"""Edits of a rubric, each of which is a small change that can be said in words.

Drop a criterion, turn a reward into a deduction or back, give it another weight, give its check
other parameters, add a criterion. Criteria that are fixed (a language model's, or on checks that
may not be used) are left as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from meta.reviewers.catalogue import Measure, measure_of
from meta.rubrics.rubric import MAX_CRITERIA, MAX_TEXT, Criterion, Rubric

SIGNS = ("reward", "deduction")


def edits_of(
    rubric: Rubric, measures: Sequence[Measure], denied: frozenset[str], weights: Sequence[float]
) -> Iterator[Rubric]:
    """Every rubric that is one edit away, simpler edits first."""
    for place, criterion in enumerate(rubric.criteria):
        if criterion.kind == "check" and criterion.check not in denied:
            yield from _edits_at(rubric, place, measures, weights)
    yield from _additions(rubric, measures, weights)


def dropping(rubric: Rubric, denied: frozenset[str]) -> Iterator[Rubric]:
    """Every rubric that has one criterion less."""
    for place, criterion in enumerate(rubric.criteria):
        if len(rubric.criteria) > 1 and criterion.kind == "check" and criterion.check not in denied:
            yield _with(rubric, place)


def _edits_at(
    rubric: Rubric, place: int, measures: Sequence[Measure], weights: Sequence[float]
) -> Iterator[Rubric]:
    criterion = rubric.criteria[place]
    if len(rubric.criteria) > 1:
        yield _with(rubric, place)
    flipped = SIGNS[1 - SIGNS.index(criterion.sign)]
    yield _with(rubric, place, replace(criterion, sign=flipped))
    for weight in weights:
        if weight != criterion.weight:
            yield _with(rubric, place, replace(criterion, weight=weight))
    used = {measure_of(other).key for other in rubric.criteria}
    for measure in measures:
        if measure.check == criterion.check and measure.key not in used:
            text = _text(measure)
            yield _with(rubric, place, replace(criterion, params=measure.params, text=text))


def _additions(
    rubric: Rubric, measures: Sequence[Measure], weights: Sequence[float]
) -> Iterator[Rubric]:
    if len(rubric.criteria) >= MAX_CRITERIA:
        return
    used = {measure_of(criterion).key for criterion in rubric.criteria}
    for measure in measures:
        if measure.key in used:
            continue
        id_, text = _free_id(rubric, measure.check), _text(measure)
        for sign in SIGNS:
            for weight in weights:
                added = Criterion(
                    id_, text, weight, sign=sign, check=measure.check, params=measure.params
                )
                yield replace(rubric, criteria=(*rubric.criteria, added))


def _with(rubric: Rubric, place: int, *instead: Criterion) -> Rubric:
    criteria = (*rubric.criteria[:place], *instead, *rubric.criteria[place + 1 :])
    return replace(rubric, criteria=criteria)


def _text(measure: Measure) -> str:
    return measure.words()[:MAX_TEXT]


def _free_id(rubric: Rubric, check: str) -> str:
    """The check's name, with a number where that is taken."""
    base = re.sub(r"[^\w-]", "-", check)
    taken = {criterion.id for criterion in rubric.criteria}
    numbers = (f"{base}-{i}" for i in range(2, MAX_CRITERIA + 2))
    return base if base not in taken else next(id_ for id_ in numbers if id_ not in taken)
