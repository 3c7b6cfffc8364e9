"""Anchors scored under a rubric, by whichever judge reads it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from meta.anchors import Anchor
from meta.judges import Judge
from meta.judges.rubric_checks import RubricChecks
from meta.rubric import Rubric
from meta.rubric_set import RubricSet
from selfplay.core.components import NoOptions
from selfplay.core.types import Group, Prompt, Response, Verdict

AnyRubric: TypeAlias = Rubric | RubricSet
Judging: TypeAlias = Callable[[AnyRubric], Judge]
"""From a rubric to the judge that scores by it."""


def checks_judging(rubric: AnyRubric) -> Judge:
    """The judge of `check` criteria, without a language model.

    Raises:
        ConfigError: the rubric needs a language model, or has clusters, which need embeddings.
    """
    plain = rubric.plain if isinstance(rubric, RubricSet) else rubric
    return RubricChecks(NoOptions(), plain)


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
    ranges = {c.id: c.range for c in rubric.criteria}
    counts: dict[str, int] = {}
    for verdict in verdicts:
        found = {} if verdict.reward is None else {"the score": (verdict.reward, scale)}
        found |= {f"criterion '{k}'": (v, ranges[k]) for k, v in verdict.scores.items() if k in ranges}
        for name, (value, (low, high)) in found.items():
            if not low <= value <= high:
                counts[name] = counts.get(name, 0) + 1
    return tuple(f"{name} lies outside of its bounds {n} times" for name, n in counts.items())
