"""The judge of judgements: responses are judged several times, and the judgements compared.

Meta-rewarding (Wu et al., 2024, arXiv 2407.19594): one model answers, judges its answers, and
judges its judgements, so that judging is trained too. Here are the two judging roles:

- a response's reward is the mean score of its readable judgements, each a reply to the rubric
  judge's request (`meta.judges.llm.grading`), read as strictly as there;
- of a prompt's responses, the one whose judgements' scores vary most has its judgements compared,
  all with all, in both orders, by the probabilities of "1" and "2" (`meta.judges.pairwise`). The
  best and the worst of them make a pair to train the judge on. Their order is that of the mean
  probability of winning: where all meet all, a fitted Elo or Bradley-Terry rating orders them alike
  (Ford, 1957, Amer. Math. Monthly 64, 28-33), so none is fitted;
- equal judgements are compared once, and scores that all agree make no pair: there is nothing to
  tell them apart by.

Its known failure is a judge that gives nearly everything the highest score by its second round: the
monitor `saturation` measures that, and its `limit` stops a run.

Left out: sampled meta-judgements with weights for each place (a probability needs no votes, and
averaging both orders takes off the bias); checks in code among the rubric's criteria; the choice of
pairs of *responses*, which is the solver's (`length_tiered`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean, pvariance

import numpy as np

from meta.judges.llm.asking import by_group
from meta.judges.llm.by_probability import ByProbability
from meta.judges.llm.grading import request
from meta.judges.llm.quoting import asked, code_for, material
from meta.judges.llm.reading import read_reply
from meta.judges.llm.table import MetaRewardingOptions
from meta.judges.pairwise import Outcome, outcome
from meta.rubrics.rubric import Rubric
from selfplay.core.errors import ConfigError
from selfplay.core.seeding import Seed
from selfplay.core.types import Chat, Group, Prompt, Response, Sampling, Verdict, user

_FRAME = """\
Two judgements of one response to one prompt are compared: which judgement applies the criteria \
more faithfully? A good judgement scores what the response does, gives reasons that are true of \
it, and scores that follow from them. The order in which they stand means nothing.

The criteria:
{criteria}

{shown}

Reply with the number of the better judgement alone: 1 or 2."""


@dataclass(frozen=True)
class Judgement:
    """One readable reply of the judge."""

    text: str
    score: float
    """The rubric's, in [0, 1]."""


@dataclass(frozen=True)
class Judged:
    """A response's judgements."""

    chat: Chat
    """What the judge was asked."""
    verdict: Verdict
    """The mean of the judgements; missing, with the first one's reason, where none is readable."""
    judgements: tuple[Judgement, ...]
    """The readable ones, equal texts once."""

    @property
    def spread(self) -> float:
        """Variance of the judgements' scores; 0 for fewer than two."""
        return pvariance(j.score for j in self.judgements) if len(self.judgements) > 1 else 0.0


@dataclass(frozen=True)
class JudgementPair:
    """A judgement that was preferred over another of the same response."""

    chat: Chat
    """What the judge was asked."""
    chosen: str
    rejected: str
    wins: tuple[float, float]
    """Mean probability of the chosen one, and of the rejected one, of being the better of two."""


class MetaRewarding(ByProbability):
    """Judges responses by a rubric, and its judgements by each other."""

    candidates = ("1", "2")

    def __init__(self, options: MetaRewardingOptions, rubric: Rubric) -> None:
        """Builds the model.

        Raises:
            ConfigError: the rubric has criteria that code scores, or the model cannot be had.
            ModelError: the model cannot be had.
        """
        super().__init__(options)
        in_code = [criterion.id for criterion in rubric.criteria if criterion.kind == "check"]
        if in_code:
            raise ConfigError(
                f"rubric '{rubric.name}': expected criteria of kind 'judge' alone, since it is "
                f"judgements that are compared, found checks: {', '.join(in_code)}"
            )
        self._options, self._rubric = options, rubric
        self._sampling = Sampling(
            n=options.judgements,
            temperature=options.temperature,
            top_p=options.top_p,
            max_new_tokens=options.max_new_tokens,
        )

    def judged(self, groups: Sequence[Group], seed: Seed) -> list[tuple[Judged, ...]]:
        """The judgements of each response, in order.

        Raises:
            EndpointError: the model's server answers nothing at all.
        """
        requests = [
            request(self._rubric.criteria, group.prompt, response.text, plan=False, reference=False)
            for group in groups
            for response in group.responses
        ]
        replies = self._asked.replies(
            [chat for chat, _ in requests], self._sampling, seed.at("judgements")
        )
        return by_group(groups, map(self._judged, requests, replies))

    def pairs(
        self, groups: Sequence[Group], judged: Sequence[Sequence[Judged]]
    ) -> list[JudgementPair | str]:
        """A pair of judgements for each group, or why there is none."""
        chosen = [_most_disputed(row) for row in judged]
        chats: list[Chat] = []
        for group, place, row in zip(groups, chosen, judged, strict=True):
            if isinstance(place, int):
                chats += self._contests(group.prompt, group.responses[place], row[place])
        found = iter(self.masses(chats))
        pairs: list[JudgementPair | str] = []
        for place, row in zip(chosen, judged, strict=True):
            if isinstance(place, str):
                pairs.append(place)
                continue
            met = [*combinations(range(len(row[place].judgements)), 2)]
            outcomes = [outcome(next(found), next(found)) for _ in met]
            pairs.append(self._pair(row[place], dict(zip(met, outcomes, strict=True))))
        return pairs

    def _judged(self, asked_for: tuple[Chat, str], replies: tuple[Response, ...] | str) -> Judged:
        chat, code = asked_for
        if isinstance(replies, str):
            return Judged(chat, Verdict.missing(replies), ())
        judgements, reasons = [], []
        for reply in replies:
            read = read_reply(reply, self._rubric.criteria, code)
            if isinstance(read, str):
                reasons.append(read)
            else:
                judgements.append(Judgement(reply.text.strip(), self._rubric.score(read.values)))
        if not judgements:
            return Judged(chat, Verdict.missing(reasons[0]), ())
        reward = fmean(judgement.score for judgement in judgements)
        return Judged(chat, Verdict(reward), tuple(dict.fromkeys(judgements)))

    def _contests(self, prompt: Prompt, response: Response, judged: Judged) -> list[Chat]:
        """The questions about every two judgements, in both orders."""
        texts = [judgement.text for judgement in judged.judgements]
        return [
            self._question(prompt, response.text, first, second)
            for one, other in combinations(texts, 2)
            for first, second in ((one, other), (other, one))
        ]

    def _question(self, prompt: Prompt, response: str, first: str, second: str) -> Chat:
        shown = {"prompt": asked(prompt), "response": response}
        # Both orders have one code, so that nothing but the order differs between them.
        code = code_for([*shown.values(), *sorted((first, second))])
        shown |= {"judgement 1": first, "judgement 2": second}
        criteria = "\n".join(f"- {c.id}: {c.text}" for c in self._rubric.criteria)
        return user(_FRAME.format(criteria=criteria, shown=material(shown, code)))

    def _pair(
        self, judged: Judged, outcomes: dict[tuple[int, int], Outcome | str]
    ) -> JudgementPair | str:
        """The judgement that wins most against the one that wins least."""
        wins: dict[int, list[float]] = {i: [] for i in range(len(judged.judgements))}
        for (i, j), ended in outcomes.items():
            if isinstance(ended, str):
                return ended
            wins[i].append(ended.probability)
            wins[j].append(1.0 - ended.probability)
        rates = [fmean(of) for of in wins.values()]
        best, worst = int(np.argmax(rates)), int(np.argmin(rates))
        if rates[best] == rates[worst]:
            return "the judgements are equally good"
        chosen, rejected = judged.judgements[best], judged.judgements[worst]
        if 0 < self._options.longest < len(chosen.text):
            return "the preferred judgement is too long"
        return JudgementPair(judged.chat, chosen.text, rejected.text, (rates[best], rates[worst]))


def _most_disputed(row: Sequence[Judged]) -> int | str:
    """Position of the response whose judgements differ most, or why there is none."""
    if not any(judged.judgements for judged in row):
        return next((judged.verdict.reason for judged in row), "the prompt has no response")
    spreads = [judged.spread for judged in row]
    widest = int(np.argmax(spreads))
    return widest if spreads[widest] > 0 else "the judgements of every response agree"
