"""What people, or any trusted scorers, say of responses, as anchors: scores and comparisons.

Scores of two scorers are on two scales, and comparisons are on none, so within a prompt what is
said is put together before it becomes anchors:

- of what one scorer says twice of the same response, or of the same two, the later counts;
- responses that one scorer scored, or that were compared, hang together; those that nothing
  connects, directly or through others, are never put on one scale;
- where all that hangs together is the scores of one scorer, these are the anchors' scores;
- otherwise every two responses that a scorer scored count as a comparison too (the higher score
  wins, equal ones are a tie), what several scorers say of the same two is averaged, and the scores
  are Bradley–Terry strengths (`meta.anchors.bradley_terry`) in tenths: less is no difference. The
  anchors' scorer then names all of them, with `(compared)` behind.

Anchors are compared with others of the same prompt and scorer alone (`meta.acceptance.pairwise`),
so none of these scales is ever mixed with another, a verifier's for instance.

Left out: weights of scorers, and a test whether they agree.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from meta.anchors.anchors import Anchor
from meta.anchors.bradley_terry import strengths
from selfplay.core.errors import DataError
from selfplay.core.types import Prompt

DECIMALS = 1
"""Of a strength, in log-odds: 0.1 is a chance of 52.5 %."""
NAMED = 3
"""Scorers that a scale is named after; of more, it says how many."""


@dataclass(frozen=True)
class Rating:
    """A score of one response."""

    prompt: Prompt
    response: str
    score: float
    scorer: str
    note: str = ""

    def __post_init__(self) -> None:
        if not math.isfinite(self.score):
            raise DataError(f"score: expected a finite number, found {self.score}")
        _check_scorer(self.scorer)

    @property
    def texts(self) -> tuple[str, ...]:
        """The responses that it is about."""
        return (self.response,)


@dataclass(frozen=True)
class Preference:
    """A comparison of two responses to one prompt."""

    prompt: Prompt
    chosen: str
    rejected: str
    probability: float
    """That the chosen one is better; ½ is a tie."""
    scorer: str
    note: str = ""

    def __post_init__(self) -> None:
        if not 0.5 <= self.probability <= 1.0:
            raise DataError(
                f"probability: expected that of the chosen response being better, 0.5 (a tie) to "
                f"1, found {self.probability}; swap chosen and rejected if it is below 0.5"
            )
        if self.chosen == self.rejected:
            raise DataError("chosen and rejected: expected two responses, found the same twice")
        _check_scorer(self.scorer)

    @property
    def texts(self) -> tuple[str, ...]:
        """The responses that it is about."""
        return (self.chosen, self.rejected)


Opinion: TypeAlias = Rating | Preference


def _check_scorer(name: str) -> None:
    if not name.strip() or not name.isprintable():
        raise DataError(f"scorer: expected a name on one line, found {name!r}")


def anchors_from_opinions(opinions: Iterable[Opinion]) -> list[Anchor]:
    """One core anchor for each response that anything is said of, prompt by prompt.

    Args:
        opinions: in the order in which they were given.
    """
    by_prompt: dict[str, list[Opinion]] = {}
    for opinion in opinions:
        by_prompt.setdefault(opinion.prompt.id, []).append(opinion)
    return [anchor for own in by_prompt.values() for anchor in _of_prompt(own)]


def _of_prompt(opinions: Sequence[Opinion]) -> list[Anchor]:
    found: list[Anchor] = []
    named: Counter[str] = Counter()
    for own in connected(opinions):
        scorers = sorted({opinion.scorer for opinion in own})
        if len(scorers) == 1 and all(isinstance(opinion, Rating) for opinion in own):
            scores = {o.response: o.score for o in own if isinstance(o, Rating)}
            scale = scorers[0]
        else:
            scores, scale = _fitted(own), _named(scorers)
            named[scale] += 1
            scale += f" {named[scale]}" * (named[scale] > 1)
        prompt = own[0].prompt
        found += [Anchor(prompt, text, score, scale) for text, score in scores.items()]
    return found


def _named(scorers: Sequence[str]) -> str:
    who = "+".join(scorers) if len(scorers) <= NAMED else f"{len(scorers)} scorers"
    return f"{who} (compared)"


def connected(opinions: Sequence[Opinion]) -> list[list[Opinion]]:
    """The opinions of one prompt, those that hang together together, in their order."""
    parts: list[tuple[set[tuple[str, str]], list[int]]] = []
    for i, opinion in enumerate(opinions):
        nodes = {("response", text) for text in opinion.texts}
        if isinstance(opinion, Rating):
            nodes.add(("scorer", opinion.scorer))
        touched = [part for part in parts if part[0] & nodes]
        parts = [part for part in parts if not part[0] & nodes]
        members = sorted([i, *(j for _, own in touched for j in own)])
        parts.append((nodes.union(*(part[0] for part in touched)), members))
    return [[opinions[i] for i in own] for own in sorted((own for _, own in parts))]


def _fitted(opinions: Sequence[Opinion]) -> dict[str, float]:
    """Bradley–Terry strengths of the responses."""
    outcomes: dict[tuple[str, str, str], float] = {}
    for scorer, scores in _ballots(opinions).items():
        for (a, of_a), (b, of_b) in combinations(scores.items(), 2):
            outcomes[scorer, a, b] = 0.5 + 0.5 * float(np.sign(of_a - of_b))
    for opinion in opinions:
        if isinstance(opinion, Preference):
            outcomes.pop((opinion.scorer, opinion.rejected, opinion.chosen), None)
            outcomes[opinion.scorer, opinion.chosen, opinion.rejected] = opinion.probability
    texts = list(dict.fromkeys(text for opinion in opinions for text in opinion.texts))
    found = strengths(_wins(outcomes, texts))
    return {text: round(float(s), DECIMALS) + 0.0 for text, s in zip(texts, found, strict=True)}


def _ballots(opinions: Sequence[Opinion]) -> Mapping[str, Mapping[str, float]]:
    """By scorer, the newest score of each response."""
    found: dict[str, dict[str, float]] = {}
    for opinion in opinions:
        if isinstance(opinion, Rating):
            found.setdefault(opinion.scorer, {})[opinion.response] = opinion.score
    return found


def _wins(
    outcomes: Mapping[tuple[str, str, str], float], texts: Sequence[str]
) -> NDArray[np.float64]:
    """Mean outcome of each two responses over the scorers that say something of them, (N, N)."""
    place = {text: i for i, text in enumerate(texts)}
    sums_NN = np.zeros((len(texts), len(texts)))
    counts_NN = np.zeros_like(sums_NN)
    for (_, a, b), probability in outcomes.items():
        i, j = place[a], place[b]
        sums_NN[i, j] += probability
        sums_NN[j, i] += 1.0 - probability
        counts_NN[[i, j], [j, i]] += 1.0
    return sums_NN / np.maximum(counts_NN, 1.0)
