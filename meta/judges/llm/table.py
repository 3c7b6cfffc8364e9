"""Judges by a language model: names, options and where their code is. No NumPy, no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from selfplay.core.components import Row, Table, component
from selfplay.core.errors import require
from selfplay.core.models.table import IN_PROCESS, MODELS


@dataclass(frozen=True)
class RubricLLMOptions:
    """How a language model grades by the rubric."""

    model: Any = component("policy", MODELS)
    """Who judges; `policy`: the solver judges itself."""
    votes: int = 1
    """Replies about each response, which are averaged; several need a temperature."""
    temperature: float = 0.0
    """0 means greedy."""
    top_p: float = 1.0
    """The least mass of likeliest tokens that is drawn from."""
    max_new_tokens: int = 1024
    """A reply that does not end within so many tokens is none."""
    plan: bool = False
    """Have it write first how the prompt is to be answered."""
    reference: bool = False
    """Show it the prompt's gold answer; a prompt without one has no verdict."""
    structured: bool = True
    """Ask a server for replies of the rubric's JSON schema."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range, or votes that would all be the same.
        """
        require(self.votes >= 1, f"{where}.votes", "1 or more", self.votes)
        require(self.temperature >= 0, f"{where}.temperature", "0 or more", self.temperature)
        require(0 < self.top_p <= 1, f"{where}.top_p", "above 0 and up to 1", self.top_p)
        tokens = self.max_new_tokens
        require(tokens >= 1, f"{where}.max_new_tokens", "1 or more", tokens)
        require(
            self.votes == 1 or self.temperature > 0,
            f"{where}.temperature",
            f"above 0, so that {self.votes} votes differ",
            self.temperature,
        )


@dataclass(frozen=True)
class ProbabilityOptions:
    """Options of every judge that reads a model's probabilities."""

    model: Any = component("policy", IN_PROCESS)
    """Who judges; `policy`: the solver judges itself. Servers cannot score given texts."""
    least_mass: float = 0.01
    """Where the expected answers have less probability than this together, there is no verdict."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range.
        """
        found = self.least_mass
        require(0 <= found < 1, f"{where}.least_mass", "0 or more and below 1", found)


@dataclass(frozen=True)
class DirectScoreOptions(ProbabilityOptions):
    """How a response is rated from 1 to 10."""

    quality: str = "how helpful, correct and clear it is"
    """What the rating is of, as the end of the sentence "Rate the response by"."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range, or no quality.
        """
        super().check(where)
        require(bool(self.quality.strip()), f"{where}.quality", "what is rated", "none")


AGAINST = ("others", "reference")


@dataclass(frozen=True)
class PairwiseOptions(ProbabilityOptions):
    """Which comparisons a response's reward rests on."""

    against: str = "others"
    """`others`: the group's other responses; `reference`: the prompt's gold answer, and a prompt
    without one has no verdict."""
    opponents: int = 0
    """How many of the others each response meets at least, drawn anew for every repeat; 0: all."""
    quality: str = "more helpful, correct and clear"
    """What decides, as the end of the question "Which response is"."""
    principles: str = ""
    """A constitution (a YAML file, or the name of one that ships: `plain`): each pair is compared
    under one of its principles, drawn anew for every repeat, in place of `quality`."""
    reasoning: int = 0
    """Tokens for thinking before the verdict, greedily; 0: none. Thoughts that do not end within
    them are no verdict."""
    clamp: float | None = None
    """No probability of winning is nearer to 0 or 1 than this; null: 0.4 with `reasoning`, which
    makes verdicts surer than they are right (Constitutional AI), else 0."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range, an unknown opponent, or no quality.
        """
        super().check(where)
        expected = " or ".join(AGAINST)
        require(self.against in AGAINST, f"{where}.against", expected, self.against)
        require(self.opponents >= 0, f"{where}.opponents", "0 or more", self.opponents)
        require(self.reasoning >= 0, f"{where}.reasoning", "0 or more", self.reasoning)
        clamp = self.clamp
        fits = clamp is None or 0 <= clamp < 0.5
        require(fits, f"{where}.clamp", "0 or more and below 0.5, or null", clamp)
        require(bool(self.quality.strip()), f"{where}.quality", "what decides", "none")

    @property
    def least_doubt(self) -> float:
        """How far from 0 and from 1 probabilities stay."""
        if self.clamp is None:
            return 0.4 if self.reasoning else 0.0
        return self.clamp


@dataclass(frozen=True)
class VerdictTokenOptions(ProbabilityOptions):
    """How the probability of a violation becomes a reward."""

    binary: bool = True
    """The reward is 1 or 0 by the likelier verdict, as a constraint wants it; else it is the
    probability that the response is all right."""


@dataclass(frozen=True)
class MetaRewardingOptions(ProbabilityOptions):
    """How responses are judged several times, and the judgements compared."""

    judgements: int = 11
    """Of each response."""
    temperature: float = 1.0
    """Above 0, so that they differ."""
    top_p: float = 1.0
    """The least mass of likeliest tokens that is drawn from."""
    max_new_tokens: int = 1024
    """A judgement that does not end within so many tokens is none."""
    longest: int = 0
    """Characters of a preferred judgement: a longer one gives no pair; 0: any length."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range.
        """
        super().check(where)
        require(self.judgements >= 2, f"{where}.judgements", "2 or more", self.judgements)
        require(self.temperature > 0, f"{where}.temperature", "above 0", self.temperature)
        require(0 < self.top_p <= 1, f"{where}.top_p", "above 0 and up to 1", self.top_p)
        tokens = self.max_new_tokens
        require(tokens >= 1, f"{where}.max_new_tokens", "1 or more", tokens)
        require(self.longest >= 0, f"{where}.longest", "0 (any) or more", self.longest)


BY_MODELS: Table = {
    "rubric_llm": Row(
        "meta.judges.rubric_llm:RubricLLM",
        RubricLLMOptions,
        "the rubric's score by a language model, with rationales; checks in code beside",
    ),
    "direct_score": Row(
        "meta.judges.direct_score:DirectScore",
        DirectScoreOptions,
        "a rating from 1 to 10 by token probabilities, on [-1, 1] (d-RLAIF)",
    ),
    "pairwise": Row(
        "meta.judges.pairwise:Pairwise",
        PairwiseOptions,
        "the mean probability of being the better of two, in both orders",
    ),
    "factuality": Row(
        "meta.judges.verdict_token:factuality",
        VerdictTokenOptions,
        "no contradiction to the gold answer, by the probability of the verdict's token",
    ),
    "false_refusal": Row(
        "meta.judges.verdict_token:false_refusal",
        VerdictTokenOptions,
        "no refusal of a harmless request, by the probability of the verdict's token",
    ),
    "safety": Row(
        "meta.judges.verdict_token:safety",
        VerdictTokenOptions,
        "nothing that helps to do harm, by the probability of the verdict's token",
    ),
}
