"""The judge of a rubric set: every prompt is judged by its cluster's rubric (MPO, 2504.20157).

It builds one judge for each different rubric and hands it the groups of that rubric's prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from meta.judges import Judge
from meta.rubric import Rubric
from meta.rubric_set import RubricSet
from selfplay.core.types import Group, Prompt, Verdict

Embed: TypeAlias = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to unit vectors, shape (N, D): `selfplay.core.embedding.Embedder.embed`."""


class ByCluster:
    """Judges groups by the rubrics of their prompts' clusters."""

    def __init__(self, rubrics: RubricSet, build: Callable[[Rubric], Judge], embed: Embed) -> None:
        """Builds the judges; `embed` is called only where there are clusters."""
        self._rubrics, self._embed = rubrics, embed
        self._judges = {name: build(rubrics.rubric_of(name)) for name in rubrics.by_cluster}
        self._default = build(rubrics.default)
        self._known: dict[str, str | None] = {}

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
        """The rubric set's fingerprint."""
        return self._rubrics.fingerprint

    def judge(self, groups: Sequence[Group], repeat: int = 0) -> list[tuple[Verdict, ...]]:
        """One verdict for each response, in order."""
        names = self.clusters_of([group.prompt for group in groups])
        places: dict[str | None, list[int]] = {}
        for i, name in enumerate(names):
            places.setdefault(name if name in self._judges else None, []).append(i)
        found: dict[int, tuple[Verdict, ...]] = {}
        for name, own in places.items():
            judge = self._default if name is None else self._judges[name]
            verdicts = judge.judge([groups[i] for i in own], repeat)
            found |= dict(zip(own, verdicts, strict=True))
        return [found[i] for i in range(len(groups))]

    def clusters_of(self, prompts: Sequence[Prompt]) -> list[str | None]:
        """Each prompt's cluster; a prompt is embedded once."""
        clusters = self._rubrics.clusters
        if clusters is None:
            return [None] * len(prompts)
        new = list({p.id: p for p in prompts if p.id not in self._known}.values())
        if new:
            vectors_PD = self._embed([prompt.text for prompt in new])
            assigned = clusters.assign(new, vectors_PD)
            self._known |= {p.id: name for p, name in zip(new, assigned, strict=True)}
        return [self._known[prompt.id] for prompt in prompts]
