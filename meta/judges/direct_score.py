"""The direct score: a rating from 1 to 10 as the model's expectation, without sampling (d-RLAIF).

From Lee et al., RLAIF vs. RLHF (arXiv 2309.00267): with P(i) the probability of the rating i, among
the ten, the score is Σ i·P(i), rescaled linearly to [-1, 1], so that a model which finds all
ratings equally likely gives 0, and one that is sure of 10 gives 1. The wording is this project's.
A rating of two tokens is scored whole (`meta.judges.llm.masses`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from meta.judges.llm.asking import by_group
from meta.judges.llm.by_probability import ByProbability
from meta.judges.llm.masses import Masses
from meta.judges.llm.quoting import exhibit
from meta.judges.llm.table import DirectScoreOptions
from meta.rubrics.rubric import Rubric
from selfplay.core.types import Chat, Group, Prompt, Verdict, user

HIGHEST = 10

_FRAME = """\
Rate one response to one prompt, on a scale from 1 (worst) to 10 (best). Rate the response by \
{quality}.

{shown}

Reply with the rating alone, a number from 1 to 10."""


class DirectScore(ByProbability):
    """Rewards are expected ratings."""

    name = "direct_score"
    scale = (-1.0, 1.0)
    candidates = tuple(str(rating) for rating in range(1, HIGHEST + 1))

    def __init__(self, options: DirectScoreOptions, rubric: Rubric | None = None) -> None:
        """Builds the model; the rubric is not used.

        Raises:
            ConfigError, ModelError: the model cannot be had.
        """
        super().__init__(options)
        self._quality = options.quality

    def judge(self, groups: Sequence[Group], repeat: int = 0) -> list[tuple[Verdict, ...]]:
        """Verdicts with the expected rating as `rating` and the ratings' probability as `mass`."""
        chats = [
            self._chat(group.prompt, response.text)
            for group in groups
            for response in group.responses
        ]
        return by_group(groups, map(_verdict, self.masses(chats)))

    def _chat(self, prompt: Prompt, response: str) -> Chat:
        shown, _ = exhibit(prompt, response)
        return user(_FRAME.format(quality=self._quality, shown=shown))


def expected_rating(shares_K: NDArray[np.float64]) -> float:
    """Σ i·P(i).

    Args:
        shares_K: shape (10,): the probability of each rating, from 1 up; they sum to 1.
    """
    return float(shares_K @ np.arange(1, HIGHEST + 1))


def rescaled(rating: float) -> float:
    """A rating from 1 to 10 on [-1, 1], 5.5 being 0."""
    middle = (1 + HIGHEST) / 2
    return (rating - middle) / (HIGHEST - middle)


def _verdict(found: Masses | str) -> Verdict:
    if isinstance(found, str):
        return Verdict.missing(found)
    rating = expected_rating(found.shares)
    return Verdict(rescaled(rating), scores={"rating": rating, "mass": found.mass})
