"""The rubric judge: a language model scores what asks for judgement, code scores the rest.

Criteria of kind `judge` go to the model, all in one request with one structured reply; those of
kind `check` are scored by code, and the rubric's formula makes one reward of both
(`meta.rubric`). A response on which a check does not apply is not sent at all. With several `votes`
the model is asked several times at a temperature and the readable replies are averaged, which is
how a policy judges itself (self-rewarding language models, arXiv 2401.10020).

What was clamped or superfluous in the replies is counted among the verdict's scores, under `NOTE`.
The replies stand with the verdicts, word by word; `explain` reads the rationales out of them.

A server is asked for replies of the rubric's JSON schema. One that refuses that is asked without
(`selfplay.core.models.dialect`); the reading is as strict in either case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from meta.judges.llm.asking import Asked, by_group
from meta.judges.llm.grading import WORDING, request, response_format
from meta.judges.llm.quoting import NO_REFERENCE
from meta.judges.llm.reading import Reading, read_reply, read_text
from meta.judges.llm.table import RubricLLMOptions
from meta.judges.rubric_checks import RubricChecks
from meta.rubrics.rubric import Rubric
from selfplay.core.components import NoOptions
from selfplay.core.errors import ConfigError
from selfplay.core.models.live import ScoringModel
from selfplay.core.seeding import Seed
from selfplay.core.types import Chat, Group, Prompt, Response, Sampling, Verdict

NOTE = "note/"
"""Before what is counted of a response's replies, per reply: `clamped` and `extra` criteria; and
the share of `unreadable` replies among the votes. Absent where it would be 0."""


@dataclass(frozen=True)
class Question:
    """What the model is asked about one response."""

    chat: Chat
    code: str
    checked: Mapping[str, float]
    """The scores that code gives."""


class RubricLLM:
    """Scores responses by a rubric through a language model."""

    name = "rubric_llm"
    scale = (0.0, 1.0)
    reads_rubric = True

    def __init__(self, options: RubricLLMOptions, rubric: Rubric | None) -> None:
        """Builds the model.

        Raises:
            ConfigError: there is no rubric, or the model cannot be had.
            ModelError: the model cannot be had.
        """
        if rubric is None:
            raise ConfigError(
                "judge 'rubric_llm': there is no rubric; set meta.rubric to its YAML file"
            )
        self._options, self._rubric = options, rubric
        self._criteria = tuple(c for c in rubric.criteria if c.kind == "judge")
        self._checks = _checks_of(rubric)
        self._asked = Asked(options.model, self._form())
        self._sampling = Sampling(
            n=options.votes,
            temperature=options.temperature,
            top_p=options.top_p,
            max_new_tokens=options.max_new_tokens,
        )

    @property
    def costs(self) -> bool:
        """Whether a model is asked: a rubric of checks alone costs nothing."""
        return bool(self._criteria)

    @property
    def content(self) -> str:
        """Names the wording, and the model's weights where they lie in a directory."""
        return f"{WORDING} {self._asked.content}"

    def covers(self, prompt: Prompt) -> bool:
        """Whether there is a reference, where one is shown."""
        return prompt.answer is not None or not self._options.reference

    def meet(self, live: ScoringModel) -> None:
        """Makes the live policy known, should it be the judging model."""
        self._asked.meet(live)

    def judge(self, groups: Sequence[Group], repeat: int = 0) -> list[tuple[Verdict, ...]]:
        """Verdicts with the rubric's score and, per criterion, the mean value on its range.

        Raises:
            EndpointError: the model's server refuses the key, model or address.
            PausedError: the model's `max_money` is spent.
        """
        questions = list(self._questions(groups))
        chats = [q.chat for q in questions if isinstance(q, Question) and self._criteria]
        seed = Seed(0, (self.name, repeat))
        replies = iter(self._asked.replies(chats, self._sampling, seed) if chats else [])
        found: list[Verdict] = []
        for question in questions:
            if isinstance(question, str):
                found.append(Verdict.missing(question))
            elif not self._criteria:
                found.append(self._verdict(question, [], []))
            else:
                found.append(self._judged(question, next(replies)))
        return by_group(groups, found)

    def explain(self, groups: Sequence[Group]) -> list[tuple[tuple[Reading, ...], ...]]:
        """For each response, what the readable ones of its verdict's replies say; asks nobody.

        Args:
            groups: judged under this rubric, with the verdicts' replies.
        """
        replies = [verdict.replies for group in groups for verdict in group.verdicts]
        return by_group(groups, map(self._recalled, self._questions(groups), replies))

    def _recalled(self, question: Question | str, replies: Sequence[str]) -> tuple[Reading, ...]:
        if isinstance(question, str):
            return ()
        read = [read_text(reply, self._criteria, question.code) for reply in replies]
        return tuple(reading for reading in read if isinstance(reading, Reading))

    def _form(self) -> Mapping[str, Any] | None:
        """What a server is asked to reply in."""
        if not (self._options.structured and self._criteria):
            return None
        return response_format(self._criteria, plan=self._options.plan)

    def _questions(self, groups: Sequence[Group]) -> Iterator[Question | str]:
        """What to ask about each response, or why it cannot be judged."""
        for group in groups:
            lacking = self._options.reference and group.prompt.answer is None
            for response, checked in zip(group.responses, self._checked(group), strict=True):
                if lacking:
                    yield NO_REFERENCE
                elif checked.reward is None:
                    yield checked.reason
                else:
                    yield self._question(group.prompt, response.text, checked)

    def _checked(self, group: Group) -> Sequence[Verdict]:
        """What code says of each response."""
        if self._checks is None:
            return [Verdict(0.0)] * len(group.responses)
        return self._checks.judge([group])[0]

    def _question(self, prompt: Prompt, response: str, checked: Verdict) -> Question:
        plan, reference = self._options.plan, self._options.reference
        chat, code = request(self._criteria, prompt, response, plan=plan, reference=reference)
        return Question(chat, code, checked.scores)

    def _judged(self, question: Question, replies: tuple[Response, ...] | str) -> Verdict:
        if isinstance(replies, str):
            return Verdict.missing(replies)
        read = [read_reply(reply, self._criteria, question.code) for reply in replies]
        votes = tuple(reading for reading in read if isinstance(reading, Reading))
        reasons = [reading for reading in read if isinstance(reading, str)]
        verdict = self._verdict(question, votes, reasons)
        return replace(verdict, replies=tuple(reply.text for reply in replies))

    def _verdict(
        self, question: Question, votes: Sequence[Reading], reasons: Sequence[str]
    ) -> Verdict:
        """The mean of the votes; missing, with the first reply's reason, where there are none."""
        if self._criteria and not votes:
            return Verdict.missing(reasons[0])
        values = dict(question.checked)
        for criterion in self._criteria:
            values[criterion.id] = fmean(vote.values[criterion.id] for vote in votes)
        notes = {
            "clamped": fmean(len(vote.clamped) for vote in votes) if votes else 0.0,
            "extra": fmean(len(vote.extra) for vote in votes) if votes else 0.0,
            "unreadable": len(reasons) / (len(reasons) + len(votes)) if reasons else 0.0,
        }
        noted = {f"{NOTE}{name}": value for name, value in notes.items() if value}
        return Verdict(self._rubric.score(values), scores={**values, **noted})


def _checks_of(rubric: Rubric) -> RubricChecks | None:
    """The judge of the rubric's checks; None where it has none."""
    checks = tuple(criterion for criterion in rubric.criteria if criterion.kind == "check")
    return RubricChecks(NoOptions(), replace(rubric, criteria=checks)) if checks else None
