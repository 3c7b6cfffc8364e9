"""The reviewer that is a language model: MPO's meta reward model (arXiv 2504.20157).

Three steps: each shown rollout is analysed, with the judge's scores and rationales; each batch of
analyses becomes a refined rubric; the refinements are merged into one. The candidate then loses
what speaks of single rollouts (`meta.reviewers.leak`): it is sent back once with the reason, and
criteria that still do are left out, or stay as they are in force. It proposes; the gate decides.

Unlike MPO's public code: rubrics are typed and bounded and read strictly, what cannot be read is
sent back a few times and then left out, the model sees the judge's rationales, what became of past
edits and the training state, and a review that comes to nothing says why. A dead server, unusable
replies or a spent budget end a review without a candidate, and nothing else.

Left out: several rounds of analysis; the model looking anything up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from math import ceil
from typing import TypeAlias

from meta.reviewers import Evidence, Proposal
from meta.reviewers.catalogue import denied_checks
from meta.reviewers.leak import Leak, leaked
from meta.reviewers.llm.asking import OVER_BUDGET, Asking, Later, Question
from meta.reviewers.llm.replies import (
    Analysis,
    Draft,
    Fault,
    Rules,
    analysis_format,
    assembled,
    read_analysis,
    read_rubric,
    rubric_format,
)
from meta.reviewers.llm.shown import select
from meta.reviewers.llm.wording import Request, Wording
from meta.reviewers.table import LLMOptions
from meta.rubrics.diff import diff
from meta.rubrics.rubric import Rubric
from selfplay.core.checks import CHECKS
from selfplay.core.errors import ConfigError, DataError, EndpointError
from selfplay.core.instructions.table import INSTRUCTIONS
from selfplay.core.seeding import Seed
from selfplay.core.text import TextModel

_Written: TypeAlias = tuple[Question[Draft], Draft]
"""A draft behind the question that it answers."""


class LLMReviewer:
    """Proposes what a language model makes of rollouts."""

    def __init__(self, options: LLMOptions, model: TextModel | None) -> None:
        """Raises ConfigError without a model."""
        if model is None:
            raise ConfigError("reviewer 'llm': expected a model that writes, found none")
        self._options, self._model = options, model

    def propose(self, evidence: Evidence, seed: Seed) -> Proposal:
        """A rubric, or none with the reason.

        Raises:
            ConfigError: the model is the policy's, and there is none.
            PausedError: the model's `max_money` is spent.
        """
        most = self._options.max_tokens
        left = most if evidence.max_tokens is None else min(most, evidence.max_tokens)
        try:
            options = replace(self._options, max_tokens=left)
            review = _Review(options, self._model, evidence, seed)
        except EndpointError as error:
            return Proposal(None, f"the judge's server failed, asked for its rationales: {error}")
        try:
            found = review.candidate()
        except EndpointError as error:
            found = _Ended(f"the model's server failed: {error}")
        if isinstance(found, _Ended):
            return Proposal(None, review.told(found.reason), review.tokens)
        return Proposal(found, review.told("; ".join(review.changes(found))), review.tokens)


@dataclass(frozen=True)
class _Ended:
    """Why there is no candidate."""

    reason: str


class _Review:
    """One review."""

    def __init__(
        self, options: LLMOptions, model: TextModel, evidence: Evidence, seed: Seed
    ) -> None:
        self._options, self._evidence = options, evidence
        self._rollouts = select(evidence, options.rollouts, seed.at("shown"))
        self._rules = Rules(evidence.rubric, _allowed(options), options.max_weight)
        self._words = Wording(evidence, self._rules, options.reference, options.max_characters)
        self._asking = Asking(model, options, seed)
        self._rubric_format = rubric_format(checks=options.checks)
        self._done: list[str] = []

    @property
    def tokens(self) -> int:
        """Spent so far."""
        return self._asking.spent

    def told(self, outcome: str) -> str:
        """The outcome, and what was done."""
        done = [*self._done, f"{self.tokens:,} tokens"]
        if self._asking.unusable:
            done.insert(-1, f"{self._asking.unusable} unusable replies")
        return f"{outcome}. By {', '.join(done)}"

    def changes(self, rubric: Rubric) -> list[str]:
        """In words."""
        return diff(self._evidence.rubric, rubric).words()

    def candidate(self) -> Rubric | _Ended:
        """The three steps."""
        if not self._rollouts:
            return _Ended("there are no scored rollouts to look at")
        analyses = self._analyses()
        if isinstance(analyses, _Ended):
            return analyses
        drafts = self._refinements(analyses)
        if isinstance(drafts, _Ended):
            return drafts
        merged = self._merged(drafts)
        if isinstance(merged, _Ended):
            return merged
        rubric = self._general(*merged)
        if isinstance(rubric, Rubric) and not self.changes(rubric):
            return _Ended("the model leaves the rubric as it is")
        return rubric

    # Steps

    def _analyses(self) -> list[Analysis] | _Ended:
        requests = self._words.analyses(self._rollouts)
        found = self._asking.ask(
            "analysis",
            [Question(r.chat, partial(read_analysis, code=r.code)) for r in requests],
            analysis_format(),
            self._after_analysis,
        )
        usable = [outcome for outcome in found if isinstance(outcome, Analysis)]
        if not usable:
            return self._ended("analysis", found)
        self._note(found, Analysis, "rollouts analysed")
        return usable

    def _refinements(self, analyses: Sequence[Analysis]) -> list[_Written] | _Ended:
        texts, size = [analysis.text for analysis in analyses], self._options.batch
        batches = [texts[i : i + size] for i in range(0, len(texts), size)]
        questions = [self._question(request) for request in self._words.refinements(batches)]
        # Without merging the first readable refinement is enough, and the others are not asked for.
        at_once = len(questions) if self._options.merge else 1
        found: list[Draft | Fault] = []
        while len(found) < len(questions):
            some = questions[len(found) : len(found) + at_once]
            outcomes = self._asking.ask(
                "refinement", some, self._rubric_format, self._after_refining
            )
            found += outcomes
            if not self._options.merge and isinstance(found[-1], Draft):
                break
        usable = [
            (question, outcome)
            for question, outcome in zip(questions, found, strict=False)
            if isinstance(outcome, Draft)
        ]
        if not usable:
            return self._ended("refinement", found)
        self._note(found, Draft, "refinements")
        return usable

    def _merged(self, drafts: Sequence[_Written]) -> _Written | _Ended:
        if len(drafts) == 1 or not self._options.merge:
            return drafts[0]
        texts = [draft.rubric.to_yaml() for _, draft in drafts]
        question = self._question(self._words.merging(texts))
        while len(texts) > 2 and self._asking.cost(question.chat) > self._asking.left:
            question = self._question(self._words.merging(texts := texts[:-1]))
        (found,) = self._asking.ask("merging", [question], self._rubric_format)
        if isinstance(found, Fault):
            return self._ended("merging", [found])
        self._done.append(f"{len(texts)} of them merged")
        return question, found

    def _general(self, question: Question[Draft], draft: Draft) -> Rubric | _Ended:
        """The draft without what speaks of single rollouts."""
        leaks = self._leaks(draft.rubric)
        if leaks and self._options.repairs:
            again = question.again(draft.reply, _leaking(leaks))
            (found,) = self._asking.ask("general", [again], self._rubric_format)
            if isinstance(found, Draft):
                draft, leaks = found, self._leaks(found.rubric)
        if not leaks:
            return draft.rubric
        self._done.append(f"{len(leaks)} criteria kept out for details of single rollouts")
        leaking = {leak.id for leak in leaks}
        old = {criterion.id: criterion for criterion in self._rules.force.criteria}
        free = [c for c in draft.rubric.criteria if c not in self._rules.fixed]
        kept = [old.get(c.id) if c.id in leaking else c for c in free]
        try:
            return assembled([c for c in kept if c is not None], self._rules)
        except DataError:
            return _Ended("all criteria name details of single rollouts")

    # What the steps need

    def _question(self, request: Request) -> Question[Draft]:
        return Question(request.chat, partial(read_rubric, code=request.code, rules=self._rules))

    def _leaks(self, rubric: Rubric) -> tuple[Leak, ...]:
        return leaked(rubric, self._texts, self._rules.force, common=self._options.common)

    @cached_property
    def _texts(self) -> list[list[str]]:
        """What the rollouts say, by prompt; those that were not shown tell what is common."""
        found: dict[str, list[str]] = {}
        for group in self._evidence.rollouts:
            own = found.setdefault(group.prompt.id, [group.prompt.text, group.prompt.answer or ""])
            own += [response.text for response in group.responses]
        return list(found.values())

    def _after_analysis(self, analyses: int) -> Later:
        """What refining and merging may take after so many analyses, about."""
        batches = ceil(analyses / self._options.batch) if self._options.merge else 1
        each = self._heads[0] + min(analyses, self._options.batch) * self._asking.quoted
        merging = self._after_refining(batches)
        return Later(batches * each + merging.most, max(each, merging.least))

    def _after_refining(self, drafts: int) -> Later:
        """What merging so many drafts, and two of them, may take, about."""
        if drafts < 2 or not self._options.merge:
            return Later()
        head, quoted = self._heads[1], self._asking.quoted
        return Later(head + drafts * quoted, head + 2 * quoted)

    @cached_property
    def _heads(self) -> tuple[int, int]:
        """What a refinement of no analyses, and a merging of no refinements, may take."""
        (refinement,), merging = self._words.refinements([()]), self._words.merging(())
        return self._asking.cost(refinement.chat), self._asking.cost(merging.chat)

    def _note(self, found: Sequence[object], kind: type, what: str) -> None:
        """Puts down how many came of a step."""
        usable = sum(isinstance(outcome, kind) for outcome in found)
        unasked = sum(outcome == Fault(OVER_BUDGET) for outcome in found)
        cut = f" ({unasked} more were over the budget)" if unasked else ""
        self._done.append(f"{usable} of {len(found) - unasked} {what}{cut}")

    def _ended(self, step: str, found: Sequence[object]) -> _Ended:
        """Why a step came to nothing."""
        faults = [outcome for outcome in found if isinstance(outcome, Fault)]
        reasons = [fault.reason for fault in faults if fault.reason != OVER_BUDGET]
        if reasons:
            return _Ended(f"{step}: no reply can be used: {reasons[0]}")
        return _Ended(
            f"{step}: might exceed the budget of {self._options.max_tokens:,} tokens "
            f"(max_tokens), {self._asking.left:,} of which are left"
        )


def _allowed(options: LLMOptions) -> frozenset[str]:
    """Checks that may be proposed: cheap ones that say the same of every prompt's responses."""
    if not options.checks:
        return frozenset()
    return frozenset(CHECKS) - denied_checks(options.deny) - set(INSTRUCTIONS) - {"pattern"}


def _leaking(leaks: Sequence[Leak]) -> str:
    named = "; ".join(f"'{leak.id}' says {', '.join(map(repr, leak.details))}" for leak in leaks)
    return f"criteria name details of single rollouts, which no rubric may: {named}"
