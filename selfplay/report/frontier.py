"""Where the edge of the solver's ability lies, round after round.

Two views of the training groups. *Outcomes*: the share of a round's groups that no response, some
and all responses solved; the middle one is what teaches. *Cells*: the success rate at each
difficulty, or on each task where prompts have no levels, over neighbouring rounds; where it falls
from high to low is the frontier.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from selfplay.analysis.status import standing
from selfplay.analysis.successes import least_rewards
from selfplay.ledger import survey
from selfplay.ledger.reading import reading
from selfplay.ledger.survey import TrainedGroup
from selfplay.report.curves import LIMIT, rubric_note, short

COLUMNS, BINS = 24, 10
"""Of the cells: at most as many spans of rounds, and difficulties."""
TASKS = 12
"""The commonest tasks, where there are no levels."""
Spaces = Mapping[str, Mapping[str, Sequence[float]]]


@dataclass(frozen=True)
class Outcomes:
    """Shares of the groups of some neighbouring rounds; they add up to 1."""

    round: float
    none: float
    some: float
    all: float


@dataclass(frozen=True)
class Cell:
    """Groups of some neighbouring rounds at one difficulty, or of one task."""

    column: int
    row: int
    groups: int
    success: float
    """Share of responses that succeed."""


def frontier(directory: Path, success: float) -> dict[str, Any]:
    """Both views of a run.

    Raises:
        LedgerError: there is no readable ledger.
    """
    rounds = max(1, standing(directory).round)
    with reading(directory) as database:
        settings = json.loads(database.rows("SELECT value FROM run WHERE key = 'settings'")[0][0])
        groups = list(survey.trained_groups(database, least_rewards(database, success)))
    last = max([rounds, *(group.round for group in groups)])
    by_level = _rows_by_level(groups, settings.get("spaces") or {})
    rows, names = by_level or _rows_by_task(groups)
    spans = _spans(last)
    return {
        "success": success,
        "rubric": rubric_note(directory),
        "outcomes": [asdict(found) for found in _outcomes(groups)],
        "kind": "difficulty" if by_level else "task",
        "rows": names,
        "columns": [f"{a}–{b}" if b > a else str(a) for a, b in spans],
        "cells": [asdict(cell) for cell in _cells(groups, rows, spans)],
    }


def _outcomes(groups: Sequence[TrainedGroup]) -> list[Outcomes]:
    by_round: dict[int, Counter[str]] = defaultdict(Counter)
    for group in groups:
        solved = group.successes
        kind = "none" if not solved else "all" if solved == group.n else "some"
        by_round[group.round][kind] += 1
    rounds = sorted(by_round)
    width = max(1, -(-len(rounds) // LIMIT))
    found = []
    for start in range(0, len(rounds), width):
        part = rounds[start : start + width]
        counts = sum((by_round[t] for t in part), Counter[str]())
        shares = {kind: counts[kind] / counts.total() for kind in ("none", "some", "all")}
        found.append(Outcomes(fmean(part), **shares))
    return found


def _spans(last: int) -> list[tuple[int, int]]:
    """First and last rounds of at most `COLUMNS` spans, beginning with round 1."""
    width = -(-last // COLUMNS)
    return [(a, min(a + width - 1, last)) for a in range(1, last + 1, width)]


def _rows_by_level(
    groups: Sequence[TrainedGroup], spaces: Spaces
) -> tuple[list[int | None], list[str]] | None:
    """A row for each tenth of the difficulty; None where no prompt has levels of the run's."""
    known: dict[str, int | None] = {}
    rows = []
    for group in groups:
        # Without the index, which makes every puzzle's text another.
        key = group.puzzle.rsplit(",", 1)[0] if group.puzzle else ""
        if key not in known:
            known[key] = _bin(group.puzzle, spaces)
        rows.append(known[key])
    if all(row is None for row in rows):
        return None
    return rows, [f"{b / BINS:.1f}–{(b + 1) / BINS:.1f}" for b in range(BINS)]


def _bin(puzzle: str | None, spaces: Spaces) -> int | None:
    """As `creator.difficulty`: the mean place of the levels on their ladders."""
    generator, attributes, _ = json.loads(puzzle) if puzzle else ("", [], 0)
    levels = spaces.get(generator)
    if levels is None or any(level not in levels.get(name, ()) for name, level in attributes):
        return None
    ladders = [(list(levels[name]), level) for name, level in attributes]
    places = [ladder.index(level) / max(1, len(ladder) - 1) for ladder, level in ladders]
    return min(BINS - 1, int(fmean(places) * BINS)) if places else None


def _rows_by_task(groups: Sequence[TrainedGroup]) -> tuple[list[int | None], list[str]]:
    names = [task for task, _ in Counter(group.task for group in groups).most_common(TASKS)]
    places = {name: place for place, name in enumerate(names)}
    return [places.get(group.task) for group in groups], names


def _cells(
    groups: Sequence[TrainedGroup], rows: Sequence[int | None], spans: Sequence[tuple[int, int]]
) -> list[Cell]:
    width = spans[0][1] - spans[0][0] + 1
    counts: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0, 0])
    for group, row in zip(groups, rows, strict=True):
        # Recorded groups stand in round 0, before anything was asked.
        if row is not None and group.round > 0:
            cell = counts[(group.round - 1) // width, row]
            cell[0] += 1
            cell[1] += group.n
            cell[2] += group.successes
    return [
        Cell(column, row, n, short(successes / responses) or 0.0)
        for (column, row), (n, responses, successes) in sorted(counts.items())
    ]
