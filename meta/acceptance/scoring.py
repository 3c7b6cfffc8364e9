"""Anchors scored under a rubric, by whichever judge reads it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from meta.anchors.anchors import Anchor
from meta.judges import Judge
from meta.judges.by_cluster import ByCluster, Embed, Membership
from meta.judges.rubric_checks import RubricChecks
from meta.rubrics.rubric import Rubric
from meta.rubrics.set import RubricSet
from selfplay.core.components import NoOptions
from selfplay.core.errors import ConfigError
from selfplay.core.types import Group, Prompt, Response, Verdict

AnyRubric: TypeAlias = Rubric | RubricSet
Judging: TypeAlias = Callable[[AnyRubric], Judge]
"""From a rubric to the judge that scores by it."""


def as_set(rubric: AnyRubric) -> RubricSet:
    """A plain rubric as a set without clusters."""
    return RubricSet(rubric) if isinstance(rubric, Rubric) else rubric


def checks_judging(embed: Embed | None = None) -> Judging:
    """Judges of `check` criteria, without a language model.

    Args:
        embed: tells prompts' clusters; needed for rubric sets that have some.

    Raises:
        ConfigError: the returned function does, for a rubric that needs a language model, or
            clusters without `embed`.
    """

    def build(rubric: Rubric) -> Judge:
        return RubricChecks(NoOptions(), rubric)

    def judging(rubric: AnyRubric) -> Judge:
        if isinstance(rubric, Rubric):
            return build(rubric)
        if rubric.clusters is None:
            return build(rubric.default)
        if embed is None:
            raise ConfigError(
                f"rubric '{rubric.default.name}' has clusters: give the embedding model "
                f"'{rubric.clusters.model}' that tells which prompt belongs to which"
            )
        return ByCluster(rubric, build, Membership(rubric, embed).of)

    return judging


def groups_of(prompts: Sequence[tuple[Prompt, Sequence[str]]]) -> list[Group]:
    """Prompts with texts as groups that a judge takes; they have no tokens."""
    none = np.zeros(0, dtype=np.int32)
    return [
        Group(
            prompt,
            tuple(Response(text, none, None, "recorded") for text in texts),
            "evaluate",
            0,
        )
        for prompt, texts in prompts
    ]


@dataclass(frozen=True, eq=False)
class Scored:
    """Verdicts on N anchors."""

    scores_N: NDArray[np.float64]
    """NaN where the judge has none."""
    outside: tuple[str, ...]
    """What lies outside of its bounds, in words."""

    @property
    def missing(self) -> float:
        """Share without a score."""
        return float(np.isnan(self.scores_N).mean()) if self.scores_N.size else 0.0


def score_anchors(judge: Judge, rubric: AnyRubric, prompts: Sequence[Sequence[Anchor]]) -> Scored:
    """The judge's scores of the anchors, prompt after prompt."""
    groups = groups_of([(own[0].prompt, [a.response for a in own]) for own in prompts])
    verdicts = [verdict for judged in judge.judge(groups) for verdict in judged]
    scores = [np.nan if v.reward is None else v.reward for v in verdicts]
    outside = outside_bounds(verdicts, rubric, judge.scale)
    return Scored(np.array(scores, dtype=np.float64), outside)


def outside_bounds(
    verdicts: Sequence[Verdict], rubric: AnyRubric, scale: tuple[float, float]
) -> tuple[str, ...]:
    """Which scores lie outside of the judge's scale or their criterion's range, and how often."""
    ranges = _ranges(rubric)
    counts: dict[str, int] = {}
    for verdict in verdicts:
        found = {} if verdict.reward is None else {"the score": (verdict.reward, scale)}
        own = {name: value for name, value in verdict.scores.items() if name in ranges}
        found |= {f"criterion '{name}'": (value, ranges[name]) for name, value in own.items()}
        for name, (value, (low, high)) in found.items():
            if not low <= value <= high:
                counts[name] = counts.get(name, 0) + 1
    return tuple(f"{name} lies outside of its bounds {n} times" for name, n in counts.items())


def _ranges(rubric: AnyRubric) -> dict[str, tuple[float, float]]:
    """By criterion; the widest where clusters have one of the same id."""
    plain = [rubric] if isinstance(rubric, Rubric) else [rubric.default]
    if isinstance(rubric, RubricSet):
        plain += [rubric.rubric_of(name) for name in rubric.by_cluster]
    found: dict[str, tuple[float, float]] = {}
    for criterion in (criterion for rubric in plain for criterion in rubric.criteria):
        low, high = found.get(criterion.id, criterion.range)
        found[criterion.id] = (min(low, criterion.range[0]), max(high, criterion.range[1]))
    return found
