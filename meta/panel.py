"""A mixture of judges: one gives the reward, the others say which constraints a response breaks.

The mixture is an AND (CGPO, Xu et al., 2024, arXiv 2409.20370): a response satisfies the
constraints if every judge passes it, and one that fails is enough for a violation. (The paper's
algorithm box prints an OR; its text says AND.) A violation leaves the reward as it is: what to make
of it is the objective's business, by a mask and never by a product.

A constraint whose judge has no verdict is neither passed nor failed. The whole verdict is then
missing, with the constraint's reason, and nothing is learned from the response, even where another
constraint is known to be broken: else the set of violations would depend on which judge happened
to answer. What is known is kept in the scores and violations all the same.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean
from typing import TypeAlias

from meta.config import Constraint
from meta.judges import Judge, Named, fingerprint_of, judging_fingerprint
from meta.judges.by_cluster import ByCluster, Members
from meta.rubrics.rubric import Rubric
from meta.rubrics.set import RubricSet
from selfplay.core.components import Choice
from selfplay.core.text import TextModel
from selfplay.core.types import JUDGEMENT, Group, Verdict

SCORE = "constraint/"
"""Before a constraint's name: its judge's score among a verdict's scores."""

Build: TypeAlias = Callable[[Choice, RubricSet | None], Judge]
"""From a choice of judge and the rubric in force to the judge."""


def built(choice: Choice, rubrics: RubricSet | None, members: Members) -> Judge:
    """The judge, which judges every prompt by its cluster's rubric where there are clusters.

    Raises:
        ConfigError: the judge lacks what it needs.
    """

    def build(rubric: Rubric | None) -> Judge:
        judge: Judge = choice.build(rubric)
        return judge

    judge = build(None if rubrics is None else rubrics.default)
    if rubrics is None or rubrics.clusters is None or not reads_rubric(judge):
        return judge
    return ByCluster(rubrics, build, members)


def reads_rubric(judge: Judge) -> bool:
    """Whether the judge's rewards depend on the rubric."""
    return bool(getattr(judge, "reads_rubric", False))


class Panel:
    """A judge of the reward with constraint judges; equal judges are asked once."""

    def __init__(
        self,
        judge: Choice,
        constraints: Sequence[Constraint],
        rubric: RubricSet | None,
        repeats: int,
        build: Build,
    ) -> None:
        """Builds the judges.

        Args:
            judge: of the reward.
            constraints: what a response has to pass.
            rubric: the one in force.
            repeats: how often the judge of the reward is asked about each response.
            build: makes a judge.

        Raises:
            ConfigError: a judge lacks what it needs.
        """
        self._constraints = tuple(constraints)
        self._choices = [judge]
        for constraint in constraints:
            if constraint.judge not in self._choices:
                self._choices.append(constraint.judge)
        self._judges: list[Judge] = [build(choice, rubric) for choice in self._choices]
        self._rubric, self._repeats, self._build = rubric, repeats, build

    def under(self, rubric: RubricSet) -> Panel:
        """The panel with another rubric in force; judges that do not read it are the same ones."""
        panel = copy.copy(self)
        panel._rubric = rubric
        panel._judges = [
            self._build(choice, rubric) if reads_rubric(judge) else judge
            for choice, judge in zip(self._choices, self._judges, strict=True)
        ]
        return panel

    @property
    def reads_rubric(self) -> bool:
        """Whether the reward depends on the rubric."""
        return reads_rubric(self._judges[0])

    @property
    def any_reads_rubric(self) -> bool:
        """Whether a verdict depends on the rubric: the reward, or that a constraint holds."""
        return any(reads_rubric(judge) for judge in self._judges)

    def meet(self, live: TextModel) -> None:
        """Makes the live policy known to the judges that may ask it."""
        for judge in self._judges:
            if hasattr(judge, "meet"):
                judge.meet(live)

    @property
    def scale(self) -> tuple[float, float]:
        """Lowest and highest reward."""
        return self._judges[0].scale

    @property
    def fingerprint(self) -> str:
        """12 hex digits that name the judges, their options, their thresholds and the rubric."""
        contents = [str(getattr(judge, "content", "")) for judge in self._judges]
        return self._named(self._rubric, contents)

    def fingerprint_in(self, cluster: str | None) -> str:
        """The same for the prompts of one cluster: it depends on no other cluster's criteria, nor
        on the rubric's version.
        """
        assert self._rubric is not None, "who has clusters has a rubric"
        rubric = replace(self._rubric.rubric_of(cluster), version=1)
        contents = [
            str(
                judge.content_of(cluster)
                if isinstance(judge, ByCluster)
                else getattr(judge, "content", "")
            )
            for judge in self._judges
        ]
        return self._named(rubric, contents)

    def _named(self, rubric: Named | None, contents: Sequence[str]) -> str:
        prints = [
            judging_fingerprint(
                choice.name, choice.options, rubric if reads_rubric(judge) else None, content
            )
            for choice, judge, content in zip(self._choices, self._judges, contents, strict=True)
        ]
        if self._repeats > 1:
            prints[0] = fingerprint_of([prints[0], "repeats", self._repeats])
        if not self._constraints:
            return prints[0]
        rules = [
            [c.label, c.rule, c.threshold, prints[self._choices.index(c.judge)]]
            for c in self._constraints
        ]
        return fingerprint_of([prints[0], rules])

    def judge(self, groups: Sequence[Group]) -> list[tuple[Verdict, ...]]:
        """One verdict for each response, in order."""
        first, *others = self._judges
        found = [self._rewarded(first, groups), *(judge.judge(groups) for judge in others)]
        if not self._constraints:
            return found[0]
        asked = [self._choices.index(constraint.judge) for constraint in self._constraints]
        return [
            tuple(
                settled(
                    found[0][p][g],
                    [(c, found[i][p][g]) for c, i in zip(self._constraints, asked, strict=True)],
                )
                for g in range(len(group.responses))
            )
            for p, group in enumerate(groups)
        ]

    def _rewarded(self, judge: Judge, groups: Sequence[Group]) -> list[tuple[Verdict, ...]]:
        """The reward's verdicts, each of all its repeats together."""
        if self._repeats == 1:
            return judge.judge(groups)
        repeats = [judge.judge(groups, repeat) for repeat in range(self._repeats)]
        return [
            tuple(together(verdicts) for verdicts in zip(*judged, strict=True))
            for judged in zip(*repeats, strict=True)
        ]


def together(repeats: Sequence[Verdict]) -> Verdict:
    """The mean of repeated verdicts, each kept among the scores; missing where all of them are."""
    known = {k: verdict for k, verdict in enumerate(repeats) if verdict.reward is not None}
    replies = tuple(reply for verdict in repeats for reply in verdict.replies)
    if not known:
        return replace(repeats[0], replies=replies)
    rewards = {k: float(verdict.reward or 0.0) for k, verdict in known.items()}
    scores = {
        name: fmean(v.scores[name] for v in known.values() if name in v.scores)
        for name in dict.fromkeys(name for v in known.values() for name in v.scores)
    }
    scores |= {f"{JUDGEMENT}{k}": reward for k, reward in rewards.items()}
    return Verdict(fmean(rewards.values()), scores=scores, replies=replies)


def settled(reward: Verdict, parts: Sequence[tuple[Constraint, Verdict]]) -> Verdict:
    """One verdict of the reward's and of the constraints'."""
    known = [(c, v.reward) for c, v in parts if v.reward is not None]
    scores = {f"{SCORE}{constraint.label}": score for constraint, score in known}
    violations = tuple(c.label for c, score in known if not c.holds(score))
    reasons = [reward.reason] if reward.reward is None else []
    reasons += [f"constraint '{c.label}': {v.reason}" for c, v in parts if v.reward is None]
    return Verdict(
        None if reasons else reward.reward,
        "; ".join(reasons),
        {**reward.scores, **scores},
        violations,
        (*reward.replies, *(reply for _, verdict in parts for reply in verdict.replies)),
    )
