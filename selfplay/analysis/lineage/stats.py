"""What a run's operators have yielded, what its prompts are, and how diverse they are.

What operators have yielded is told by `creator.bandits.yields`, as it is when operators are chosen:
*learnable* is the share of an operator's judged children some of whose first responses succeed and
some fail, *solved later* the share that was below the bar at first and reached it in a later round.
Diversity is measured on equally many originals and children, since distinct n-grams and clusters
depend on how many texts there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from creator.bandits.yields import Yield, Yields
from creator.scales import on_one_scale
from selfplay.analysis.successes import SUCCESS, scales_of
from selfplay.core.types import Group, Prompt, Rejection
from selfplay.ledger import census, pool
from selfplay.ledger.census import Born, RoundCount, Trained, Turned
from selfplay.ledger.database import Database
from selfplay.ledger.reading import reading

BAR = 0.5
"""The success rate from which on a prompt counts as solved."""
SAMPLE = 1000
"""Texts of each kind that diversity is measured on, at most."""


ORIGINALS, CHILDREN = "originals", "children"


@dataclass(frozen=True)
class TaskCount:
    """The prompts of one task."""

    task: str
    originals: int
    """Imported ones included."""
    heldout: int
    children: int
    """Admitted ones."""
    trained: int
    """Groups that were trained on."""
    reward: float | None
    """Mean reward of these; None where none is known."""


@dataclass(frozen=True)
class Diversity:
    """How different the prompts of one kind are from each other."""

    prompts: str
    """Which."""
    sample: int
    """Texts that it was measured on."""
    distinct: tuple[float, ...]
    """Distinct 1-, 2- and 3-grams among all of them."""
    clusters: float | None = None
    """Effective number of clusters of meanings; None without an embedding model."""
    spread: float | None = None
    """Mean cosine distance of meanings; None without an embedding model."""


@dataclass(frozen=True)
class Statistics:
    """A run's prompts in numbers."""

    operators: Mapping[str, Yield]
    """By name."""
    turned_down: tuple[Turned, ...]
    """Rejections by operator and reason, commonest first."""
    tasks: tuple[TaskCount, ...]
    rounds: tuple[RoundCount, ...]
    diversity: tuple[Diversity, ...]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "operators": {name: asdict(made) for name, made in self.operators.items()},
            "turned_down": [turned._asdict() for turned in self.turned_down],
            "tasks": [asdict(task) for task in self.tasks],
            "rounds": [counted._asdict() for counted in self.rounds],
            "diversity": [asdict(measured) for measured in self.diversity],
        }


def statistics(
    directory: Path, success: float = SUCCESS, bar: float = BAR, embedder: str | None = None
) -> Statistics:
    """Reads a run.

    Args:
        directory: the run's.
        success: the lowest reward of a response that succeeds, as a share of the judge's scale.
        bar: the success rate from which on a prompt counts as solved.
        embedder: a sentence-transformers directory or name, or `packaged`, for the diversity
            of meanings; None leaves that out.

    Raises:
        LedgerError: there is no readable ledger in the directory.
        ModelError, ResourceError: the embedding model cannot be loaded.
    """
    with reading(directory) as database:
        operators = _operators(database, success, bar)
        turned = census.turned_down(database)
        born = census.born(database)
        tasks = _tasks(born, census.trained(database))
        rounds = census.rounds(database)
        texts = _texts(database, born)
    return Statistics(
        operators=operators,
        turned_down=tuple(turned),
        tasks=tuple(tasks),
        rounds=tuple(rounds),
        diversity=tuple(_diversity(texts, embedder)),
    )


@dataclass
class _Past:
    """What the yields of operators are folded from: a round's children, and what they earned."""

    database: Database
    children: dict[str, Prompt] = field(default_factory=dict)
    """Of the round that was composed last, so that they are read once."""

    def composition(self, t: int) -> list[Prompt]:
        self.children = census.children_of(self.database, t)
        return list(self.children.values())

    def rejections(self, t: int) -> list[Rejection]:
        return pool.rejections(self.database, t)

    def judged(self, t: int) -> list[Group]:
        return census.rewarded(self.database, t, self.children)


def _operators(database: Database, success: float, bar: float) -> dict[str, Yield]:
    """Round by round, so that no more than one round's prompts are in memory."""
    past, scales = _Past(database), scales_of(database)

    def judged(t: int) -> list[Group]:
        return on_one_scale(past.judged(t), scales)

    cohorts = Yields(past, judged, success, bar).until(census.last_round(database))
    return dict(sorted(cohorts.totals().items()))


def _tasks(born: Sequence[Born], trained: Sequence[Trained]) -> list[TaskCount]:
    lessons = {row.task: row for row in trained}
    found = []
    for task, rows in groupby(sorted(born, key=attrgetter("task")), attrgetter("task")):
        counts = {row.operator: row.prompts for row in rows}
        roots = {name: counts.pop(name, 0) for name in census.ROOTS}
        lesson = lessons.get(task, Trained(task, 0, None))
        found.append(
            TaskCount(
                task=task,
                originals=roots["original"] + roots["imported"],
                heldout=roots["heldout"],
                children=sum(counts.values()),
                trained=lesson.groups,
                reward=lesson.reward,
            )
        )
    return found


def _texts(database: Database, born: Sequence[Born]) -> dict[str, list[str]]:
    """As many texts of originals as of children; those of one kind where there is no other."""
    counts = {
        ORIGINALS: sum(row.prompts for row in born if row.operator == "original"),
        CHILDREN: sum(row.prompts for row in born if row.operator not in census.ROOTS),
    }
    there = {kind: count for kind, count in counts.items() if count}
    size = min([SAMPLE, *there.values()])
    return {
        kind: [prompt.text for prompt in census.spaced(database, kind == CHILDREN, count, size)]
        for kind, count in there.items()
    }


def _diversity(texts: Mapping[str, Sequence[str]], embedder: str | None) -> list[Diversity]:
    from creator.diversity import distinct_ngrams

    found = [
        Diversity(kind, len(sample), tuple(distinct_ngrams(sample, n) for n in (1, 2, 3)))
        for kind, sample in texts.items()
    ]
    return found if embedder is None else _with_meanings(found, texts, embedder)


def _with_meanings(
    found: Sequence[Diversity], texts: Mapping[str, Sequence[str]], embedder: str
) -> list[Diversity]:
    from creator.diversity import effective_clusters, embedding_spread
    from selfplay.core.embedding import Embedder

    model = Embedder(embedder)
    vectors_ND = {kind: model.embed(sample) for kind, sample in texts.items()}
    return [
        replace(
            row,
            clusters=effective_clusters(vectors_ND[row.prompts]),
            spread=embedding_spread(vectors_ND[row.prompts]),
        )
        for row in found
    ]
