"""The pairwise judge: how likely a response is the better one of two, averaged over its opponents.

As in RLAIF (Lee et al., arXiv 2309.00267): the model is shown both and its soft label is the
softmax of log P("1") and log P("2"). Models favour a position, so each pair is shown in both
orders, and each order's label is mapped back to the responses before the two are averaged:

    P(i better than j) = 1/2 [P("1" | i, j) + P("2" | j, i)],

which makes P(i, j) + P(j, i) = 1 exactly. A response's reward is the mean over those it was
compared with: all others of its group, some of them, or the prompt's gold answer. Equal texts are
a tie and are not asked about. The comparisons themselves are in the scores
(`meta.judges.llm.wins`).

Under a constitution each pair is compared under one drawn principle, the same in both orders; the
model may think first, and the label is then kept from 0 and 1, since a model that has reasoned is
sure of its verdict (Constitutional AI, Bai et al., 2022, arXiv 2212.08073, section 4.1, clamps to
0.4 and 0.6). Both ends are kept from alike, so the sum above stays 1.

Left out: few-shot examples; ratings from comparisons that are not complete (Bradley-Terry); with
few opponents a reward depends on which ones were drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from statistics import fmean

from meta.constitution.constitution import constitution_file, read_constitution
from meta.judges.llm.by_probability import ByProbability
from meta.judges.llm.masses import Masses
from meta.judges.llm.quoting import NO_REFERENCE, asked, code_for, material
from meta.judges.llm.table import PairwiseOptions
from meta.judges.llm.thinking import THINK, after_thinking
from meta.rubrics.rubric import Rubric
from selfplay.core.seeding import Seed
from selfplay.core.types import WIN, Chat, Group, Prompt, Verdict, user

REFERENCE = "reference"
NO_OTHER = "the group has no other response to compare with"

_FRAME = """\
Two responses to one prompt are compared: which response is {quality}? The order in which they \
stand means nothing.

{shown}

{task}"""
_TASK = "Reply with the number of the better response alone: 1 or 2."


@dataclass(frozen=True)
class Match:
    """Two texts to compare."""

    one: int
    """Position of a response."""
    other: int | None
    """Position of another one behind it; None: the reference."""
    texts: tuple[str, str]


@dataclass(frozen=True)
class Outcome:
    """How a match ended."""

    probability: float
    """That the first of its texts is the better."""
    lean: float = 0.0
    """How much likelier than even the model finds the first place, over both orders."""
    principle: str = ""
    """Id of the principle that decided, where one did."""
    replies: tuple[str, ...] = field(default=(), compare=False)
    """What the model thought, where it was let think."""

    @property
    def reversed(self) -> Outcome:
        """The same for the second of its texts."""
        return replace(self, probability=1.0 - self.probability)

    def clamped(self, least: float) -> Outcome:
        """The same, its probability from `least` to 1 - `least`."""
        return replace(self, probability=min(max(self.probability, least), 1.0 - least))


class Pairwise(ByProbability):
    """Rewards are mean probabilities of winning."""

    name = "pairwise"
    scale = (0.0, 1.0)
    candidates = ("1", "2")

    def __init__(self, options: PairwiseOptions, rubric: Rubric | None = None) -> None:
        """Builds the model; the rubric is not used.

        Raises:
            ConfigError, ModelError: the model cannot be had.
            DataError: there is no such constitution, or it cannot compare.
        """
        super().__init__(options)
        self._options = options
        self._constitution = None
        if options.principles:
            self._constitution = read_constitution(constitution_file(options.principles))
            self._constitution.check_comparing()

    @property
    def content(self) -> str:
        """Names the wording, the model's weights where they lie in a directory, the principles."""
        if self._constitution is None:
            return super().content
        return f"{super().content} {self._constitution.fingerprint}"

    def covers(self, prompt: Prompt) -> bool:
        """Whether there is a reference, where that is the opponent."""
        return prompt.answer is not None or self._options.against != REFERENCE

    def judge(self, groups: Sequence[Group], repeat: int = 0) -> list[tuple[Verdict, ...]]:
        """Verdicts with `win/j` against each opponent j.

        `lean` is by how much the model favours the first place: from -0.5 to 0.5, 0 for not at all.
        """
        matches = [self._matches(group, repeat) for group in groups]
        contests = [
            (group.prompt, match.texts)
            for group, played in zip(groups, matches, strict=True)
            for match in played
        ]
        outcomes = iter(self.outcomes(contests, repeat))
        return [
            self._verdicts(group, [(match, next(outcomes)) for match in played])
            for group, played in zip(groups, matches, strict=True)
        ]

    def outcomes(
        self, contests: Sequence[tuple[Prompt, tuple[str, str]]], repeat: int = 0
    ) -> list[Outcome | str]:
        """How likely the first of each two texts is the better, or why that cannot be said."""
        drawn = [self._criterion(prompt, texts, repeat) for prompt, texts in contests]
        chats = [
            self._chat(prompt, first, second, quality)
            for (prompt, (one, other)), (_, quality) in zip(contests, drawn, strict=True)
            if one != other
            for first, second in ((one, other), (other, one))
        ]
        found = iter(self._verdict_masses(chats))
        least = self._options.least_doubt
        outcomes: list[Outcome | str] = []
        for (_, (one, other)), (principle, _) in zip(contests, drawn, strict=True):
            ended = Outcome(0.5) if one == other else outcome(next(found), next(found))
            if isinstance(ended, Outcome):
                ended = replace(ended.clamped(least), principle=principle)
            outcomes.append(ended)
        return outcomes

    def _criterion(self, prompt: Prompt, texts: tuple[str, str], repeat: int) -> tuple[str, str]:
        """Under which principle, if any, two texts are compared, and what decides."""
        if self._constitution is None:
            return "", self._options.quality
        seed = Seed(0, (self.name, "principle", repeat, prompt.id, *sorted(texts)))
        principle = self._constitution.drawn(seed)
        return principle.id, principle.prefer

    def _verdict_masses(self, chats: Sequence[Chat]) -> list[Masses | str]:
        """How likely "1" and "2" are, after thinking where that is asked for."""
        if not self._options.reasoning:
            return self.masses(chats)
        return after_thinking(self._asked, chats, self._options.reasoning, _TASK, self.masses)

    def _matches(self, group: Group, repeat: int) -> list[Match]:
        texts = [response.text for response in group.responses]
        if self._options.against == REFERENCE:
            answer = group.prompt.answer
            known = texts if answer is not None else []
            return [Match(i, None, (text, str(answer))) for i, text in enumerate(known)]
        seed = Seed(0, (self.name, repeat, group.prompt.id))
        drawn = pairs(len(texts), self._options.opponents, seed)
        return [Match(i, j, (texts[i], texts[j])) for i, j in drawn]

    def _chat(self, prompt: Prompt, first: str, second: str, quality: str) -> Chat:
        question = asked(prompt)
        # Both orders have one code, so that nothing but the order differs between them.
        code = code_for([question, *sorted((first, second))])
        texts = {"prompt": question, "response 1": first, "response 2": second}
        task = THINK if self._options.reasoning else _TASK
        return user(_FRAME.format(quality=quality, shown=material(texts, code), task=task))

    def _verdicts(
        self, group: Group, ended: Sequence[tuple[Match, Outcome | str]]
    ) -> tuple[Verdict, ...]:
        views: list[dict[str, Outcome | str]] = [{} for _ in group.responses]
        for match, outcome in ended:
            if match.other is None:
                views[match.one][REFERENCE] = outcome
                continue
            views[match.one][str(match.other)] = outcome
            views[match.other][str(match.one)] = (
                outcome if isinstance(outcome, str) else outcome.reversed
            )
        nothing = NO_REFERENCE if self._options.against == REFERENCE else NO_OTHER
        return tuple(_verdict(view, nothing) for view in views)


def pairs(n: int, opponents: int, seed: Seed) -> list[tuple[int, int]]:
    """Which of n responses meet: (i, j) with i < j, each pair once.

    Args:
        n: responses.
        opponents: how many each draws, besides those that draw it; 0: all meet.
        seed: of the draw.
    """
    if not 0 < opponents < n - 1:
        return list(combinations(range(n), 2))
    drawn = set()
    for i in range(n):
        others = [j for j in range(n) if j != i]
        for j in seed.at(i).numpy().choice(others, opponents, replace=False).tolist():
            drawn.add((min(i, j), max(i, j)))
    return sorted(drawn)


def outcome(there: Masses | str, back: Masses | str) -> Outcome | str:
    """Both orders together, each mapped back to the texts before they are averaged.

    Args:
        there: shares of "1" and "2" where the first text stands first.
        back: the same where it stands second.
    """
    if isinstance(there, str) or isinstance(back, str):
        return there if isinstance(there, str) else str(back)
    first, swapped = float(there.shares[0]), float(back.shares[0])
    replies = tuple(found.thoughts for found in (there, back) if found.thoughts)
    return Outcome((first + (1.0 - swapped)) / 2, (first + swapped) / 2 - 0.5, replies=replies)


def _verdict(view: Mapping[str, Outcome | str], nothing: str) -> Verdict:
    """Of a response's matches by opponent; those that have no outcome do not count."""
    known = {name: ended for name, ended in view.items() if isinstance(ended, Outcome)}
    if not known:
        reasons = [ended for ended in view.values() if isinstance(ended, str)]
        return Verdict.missing(reasons[0] if reasons else nothing)
    scores = {f"{WIN}{name}": ended.probability for name, ended in known.items()}
    lean = fmean(ended.lean for ended in known.values())
    replies = tuple(reply for ended in known.values() for reply in ended.replies)
    return Verdict(fmean(scores.values()), scores={**scores, "lean": lean}, replies=replies)
