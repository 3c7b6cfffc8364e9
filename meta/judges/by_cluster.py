"""The judge of a rubric set: every prompt is judged by its cluster's rubric (MPO, 2504.20157).

It builds one judge for each different rubric and hands it the groups of that rubric's prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from meta.judges import Judge, costs
from meta.judges.llm.reading import Reading
from meta.rubrics.rubric import Rubric
from meta.rubrics.set import RubricSet
from selfplay.core.text import TextModel
from selfplay.core.types import Group, Prompt, Verdict

Found = TypeVar("Found")

Embed: TypeAlias = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to unit vectors, shape (N, D): `selfplay.core.embedding.Embedder.embed`."""
Members: TypeAlias = Callable[[Sequence[Prompt]], list[str | None]]
"""Each prompt's cluster, None where it has none: `Membership.of`."""


class Membership:
    """Which cluster a prompt belongs to."""

    def __init__(self, rubrics: RubricSet, embed: Embed) -> None:
        """`embed` is called only where there are clusters."""
        self._clusters, self._embed = rubrics.clusters, embed
        self._known: dict[str, str | None] = {}

    def of(self, prompts: Sequence[Prompt]) -> list[str | None]:
        """Each prompt's cluster, None where it has none; a prompt is embedded once."""
        if self._clusters is None:
            return [None] * len(prompts)
        new = list({p.id: p for p in prompts if p.id not in self._known}.values())
        if new:
            vectors_PD = self._embed([prompt.text for prompt in new])
            assigned = self._clusters.assign(new, vectors_PD)
            self._known |= {p.id: name for p, name in zip(new, assigned, strict=True)}
        return [self._known[prompt.id] for prompt in prompts]


class ByCluster:
    """Judges groups by the rubrics of their prompts' clusters."""

    reads_rubric = True

    def __init__(
        self, rubrics: RubricSet, build: Callable[[Rubric], Judge], members: Members
    ) -> None:
        """Builds the judges; `members` tells whose prompts are whose."""
        self._rubrics = rubrics
        self._judges = {name: build(rubrics.rubric_of(name)) for name in rubrics.by_cluster}
        self._default = build(rubrics.default)
        self._members = members

    @property
    def name(self) -> str:
        """That of the judge of the default rubric."""
        return self._default.name

    @property
    def scale(self) -> tuple[float, float]:
        """That of the judge of the default rubric: rubrics share one scale."""
        return self._default.scale

    @property
    def content(self) -> str:
        """The rubric set's fingerprint, and what the judge of the default rubric adds."""
        return f"{self._rubrics.fingerprint} {getattr(self._default, 'content', '')}".strip()

    def content_of(self, cluster: str | None) -> str:
        """What the judge of one cluster adds."""
        judge = self._default if cluster is None else self._judges.get(cluster, self._default)
        return str(getattr(judge, "content", ""))

    @property
    def costs(self) -> bool:
        """Whether any of the judges does."""
        return any(costs(judge) for judge in self._all)

    def meet(self, live: TextModel) -> None:
        """Makes the live policy known to the judges that may ask it."""
        for judge in self._all:
            if hasattr(judge, "meet"):
                judge.meet(live)

    def judge(self, groups: Sequence[Group], repeat: int = 0) -> list[tuple[Verdict, ...]]:
        """One verdict for each response, in order."""
        return self._dealt(groups, lambda judge, own: judge.judge(own, repeat))

    def explain(self, groups: Sequence[Group]) -> list[tuple[tuple[Reading, ...], ...]]:
        """What the judges wrote of each response; nothing where they are no language models."""
        return self._dealt(groups, explained)

    @property
    def _all(self) -> tuple[Judge, ...]:
        return (self._default, *self._judges.values())

    def _dealt(
        self,
        groups: Sequence[Group],
        ask: Callable[[Judge, Sequence[Group]], list[tuple[Found, ...]]],
    ) -> list[tuple[Found, ...]]:
        """What each group's judge says of it, in the order of the groups."""
        names = self._members([group.prompt for group in groups])
        places: dict[str | None, list[int]] = {}
        for i, name in enumerate(names):
            places.setdefault(name if name in self._judges else None, []).append(i)
        found: dict[int, tuple[Found, ...]] = {}
        for name, own in places.items():
            judge = self._default if name is None else self._judges[name]
            said = ask(judge, [groups[i] for i in own])
            found |= dict(zip(own, said, strict=True))
        return [found[i] for i in range(len(groups))]


def explained(judge: Judge, groups: Sequence[Group]) -> list[tuple[tuple[Reading, ...], ...]]:
    """What the judge wrote of each response, out of the verdicts' replies; nothing where it is no
    language model that gives rationales.
    """
    if hasattr(judge, "explain"):
        rows: list[tuple[tuple[Reading, ...], ...]] = judge.explain(groups)
        return rows
    return [((),) * len(group.responses) for group in groups]
