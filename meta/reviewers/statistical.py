"""The reviewer that needs no language model: it edits `check` criteria by what the anchors say.

Each step tries every edit (`meta.reviewers.edits`) on the `propose` anchors and measures by how
much the within-prompt pairwise accuracy changes: on all pairs, on those with a suspect, and on
those with one of the newest version, which the many older pairs would drown. Of the edits that lose
nothing on any, nor on the core, it takes the one whose gain's low end is highest on one of them, if
that is above 0; ends are those of t-intervals over prompts, widened for the number of tests
(Bonferroni), so that noise alone seldom proposes anything. Of edits that are equally sure it takes
the one with the widest mean margin between better and worse: ranks are what anchors test, margins
what a policy climbs. Steps follow until none helps or `max_edits` is reached: a greedy forward and
backward search as in stepwise regression. At the end of a proposal, criteria go that its accuracy
does not need: what no anchor speaks for, a policy can game.

The seed draws the prompts where there are more than it looks at. Criteria that it must not edit,
those of kind `judge` and those on denied checks, it cannot edit around either, since it must not
know what they say: their part of the score is left out of what it measures, and it changes the
rest as if they were silent.

Left out: several edits that help only together, and free texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from meta.acceptance.intervals import Interval, interval
from meta.acceptance.pairwise import Pairs, accuracy_by_prompt, pairs_of
from meta.anchors.anchors import Anchor
from meta.reviewers import Evidence, Proposal
from meta.reviewers.catalogue import Measure, catalogue, denied_checks, measure_of
from meta.reviewers.edits import dropping, edits_of
from meta.reviewers.table import StatisticalOptions
from meta.rubrics.diff import diff
from meta.rubrics.rubric import Rubric
from selfplay.core.checks import check_parameters, run_check
from selfplay.core.errors import DataError
from selfplay.core.seeding import Seed
from selfplay.core.text import TextModel

_AS_SURE = 0.005
"""Of pairwise accuracy: edits whose gains' low ends are nearer than this are equally sure."""
LEAST_PROMPTS = 8
"""Prompts with a pair, below which nothing is proposed."""
LEAST_CHANGED = 6
"""Prompts that have to be ranked otherwise for a gain to count, as at the gate: an interval over
fewer holds only if they happen to differ."""
MAX_INAPPLICABLE = 0.02
"""A measure that does not apply to more of the responses is no candidate: it would unscore them."""


class StatisticalReviewer:
    """Proposes edits of `check` criteria."""

    def __init__(self, options: StatisticalOptions, model: TextModel | None = None) -> None:
        """Looks at no model."""
        self._options = options
        self._denied = denied_checks(options.deny)

    def propose(self, evidence: Evidence, seed: Seed) -> Proposal:
        """The rubric in force with up to `max_edits` edits, or none with the reason."""
        table = Table(self._drawn(evidence.anchors.by_prompt, seed), self._denied)
        if table.prompts < LEAST_PROMPTS:
            return Proposal(
                None,
                f"too few anchors to propose from: {table.prompts} prompts with a better and a "
                f"worse response, expected {LEAST_PROMPTS} or more",
            )
        texts, common = table.texts, self._options.common
        found = catalogue(texts, self._denied, common)
        measures = [measure for measure in found if table.applies(measure)]
        best, tried = evidence.rubric, 0
        for _ in range(self._options.max_edits):
            step = self._step(table, best, measures)
            tried += step.tried
            if step.rubric is None:
                break
            best = step.rubric
        if self._options.prune and best is not evidence.rubric:
            best = self._pruned(table, best)
        words = tuple(diff(evidence.rubric, best).words())
        if words and words in {p.words for p in evidence.past if p.outcome == "rolled_back"}:
            return Proposal(None, "the surest edits are those that were rolled back before")
        return _proposal(table, evidence.rubric, best, tried)

    def _drawn(self, prompts: Sequence[Sequence[Anchor]], seed: Seed) -> list[Sequence[Anchor]]:
        limit = self._options.max_prompts
        if len(prompts) <= limit:
            return list(prompts)
        drawn = seed.numpy().choice(len(prompts), size=limit, replace=False)
        return [prompts[int(i)] for i in sorted(drawn)]

    def _step(self, table: Table, rubric: Rubric, measures: Sequence[Measure]) -> Step:
        """The surest edit, if one is sure: of those as sure, the one of the widest margin."""
        edits = list(edits_of(rubric, measures, self._denied, self._options.weights))
        before, kept = table.accuracies(rubric), table.core_accuracy(rubric)
        tail = self._options.level / max(len(before) * len(edits), 1)
        found: list[tuple[float, Rubric]] = []
        for edit in edits:
            after = table.accuracies(edit)
            gains = [
                interval(new_P - old_P, tail) for new_P, old_P in zip(after, before, strict=True)
            ]
            low = max((gain.low for gain in gains if gain.changed >= LEAST_CHANGED), default=0.0)
            harmless = all(gain.mean >= 0 for gain in gains)
            if low > 1e-9 and harmless and table.core_accuracy(edit) >= kept:
                found.append((low, edit))
        if not found:
            return Step(None, len(edits))
        highest = max(low for low, _ in found)
        sure = [edit for low, edit in found if low >= highest - _AS_SURE]
        return Step(max(sure, key=table.margin), len(edits))

    def _pruned(self, table: Table, rubric: Rubric) -> Rubric:
        """The rubric without the criteria whose loss costs no accuracy, the most useless first."""
        while True:
            accuracy, core = float(table.accuracy_P(rubric).mean()), table.core_accuracy(rubric)
            without = [
                (float(table.accuracy_P(edit).mean()), edit)
                for edit in dropping(rubric, self._denied)
                if table.core_accuracy(edit) >= core
            ]
            best, shorter = max(without, key=lambda found: found[0], default=(-1.0, rubric))
            if best < accuracy:
                return rubric
            rubric = shorter


@dataclass(frozen=True)
class Step:
    """What one step found."""

    rubric: Rubric | None
    tried: int
    """Edits."""


class Table:
    """The degree of every measure on every anchor, computed when first asked for."""

    def __init__(self, prompts: Sequence[Sequence[Anchor]], denied: Iterable[str]) -> None:
        self._anchors = [anchor for own in prompts for anchor in own]
        self._pairs: Pairs = pairs_of(prompts)
        self._core = self._pairs.core
        suspects_M = self._pairs.suspect_M
        newest = self._pairs.where(suspects_M & self._new_M())
        self._families = (self._pairs, self._pairs.suspects, newest)
        self._denied = frozenset(denied)
        self._degrees: dict[str, NDArray[np.float64]] = {}
        self.texts = [[anchor.response for anchor in own] for own in prompts]

    def _new_M(self) -> NDArray[np.bool_]:
        """Whether one of a pair came with the newest version of the anchors."""
        versions_N = np.array([anchor.version for anchor in self._anchors])
        newest = versions_N.max(initial=0)
        better_M, worse_M = self._pairs.better_M, self._pairs.worse_M
        return np.asarray((versions_N[better_M] == newest) | (versions_N[worse_M] == newest))

    @property
    def prompts(self) -> int:
        """Prompts with a pair."""
        return len(np.unique(self._pairs.prompt_M))

    def applies(self, measure: Measure) -> bool:
        """Whether the check says something of nearly all responses, and not always the same."""
        degrees_N = self._degrees_N(measure)
        known_N = degrees_N[~np.isnan(degrees_N)]
        enough = len(known_N) >= (1.0 - MAX_INAPPLICABLE) * len(degrees_N)
        return bool(enough and known_N.size and known_N.min() < known_N.max())

    def accuracies(self, rubric: Rubric) -> list[NDArray[np.float64]]:
        """By prompt: of all pairs, of those with a suspect, and of those with a newest one.

        Only those are there that have enough prompts to tell anything.
        """
        scores_N = self._scores_N(rubric)
        found = [accuracy_by_prompt(pairs, scores_N) for pairs in self._families]
        return [accuracy_P for accuracy_P in found if len(accuracy_P) >= LEAST_PROMPTS]

    def margin(self, rubric: Rubric) -> float:
        """Mean over the pairs of how much higher the better response is scored, in [-1, 1]."""
        scores_N = self._scores_N(rubric)
        differences_M = scores_N[self._pairs.better_M] - scores_N[self._pairs.worse_M]
        return float(np.nanmean(differences_M)) / sum(c.weight for c in rubric.criteria)

    def accuracy_P(self, rubric: Rubric) -> NDArray[np.float64]:
        """Pairwise accuracy by prompt of what the usable criteria say, shape (P,)."""
        return accuracy_by_prompt(self._pairs, self._scores_N(rubric))

    def core_accuracy(self, rubric: Rubric) -> float:
        """Its mean on the pairs without a suspect; 0 where there are none."""
        accuracy_P = accuracy_by_prompt(self._core, self._scores_N(rubric))
        return float(accuracy_P.mean()) if accuracy_P.size else 0.0

    def _scores_N(self, rubric: Rubric) -> NDArray[np.float64]:
        scores_N = np.zeros(len(self._anchors))
        for criterion in rubric.criteria:
            if criterion.kind == "check" and criterion.check not in self._denied:
                sign = -1.0 if criterion.sign == "deduction" else 1.0
                scores_N = scores_N + sign * criterion.weight * self._degrees_N(
                    measure_of(criterion)
                )
        return scores_N

    def _degrees_N(self, measure: Measure) -> NDArray[np.float64]:
        """NaN where the check does not apply."""
        if measure.key not in self._degrees:
            parameters = check_parameters(measure.check, measure.params, "reviewer")
            degrees = [self._degree(measure.check, parameters, a) for a in self._anchors]
            self._degrees[measure.key] = np.array(degrees, dtype=np.float64)
        return self._degrees[measure.key]

    @staticmethod
    def _degree(check: str, parameters: object, anchor: Anchor) -> float:
        try:
            return run_check(check, parameters, anchor.response, anchor.prompt)
        except DataError:
            return np.nan


def _proposal(table: Table, rubric: Rubric, best: Rubric, tried: int) -> Proposal:
    before_P, after_P = table.accuracy_P(rubric), table.accuracy_P(best)
    gain: Interval = interval(after_P - before_P)
    accuracy = f"pairwise accuracy {float(before_P.mean()):.3f}"
    if best is rubric:
        return Proposal(
            None,
            f"none of {tried:,} edits is shown to help on {gain.prompts:,} prompts of the "
            f"anchors ({accuracy})",
        )
    words = "; ".join(diff(rubric, best).words())
    return Proposal(
        replace(best, version=rubric.version + 1),
        f"{words}. On {gain.prompts:,} prompts of the anchors, {accuracy} to "
        f"{float(after_P.mean()):.3f} ({gain.low:+.3f} to {gain.high:+.3f}), {tried:,} edits tried",
    )
