"""Rewards of different judges brought to one scale, from 0 to 1, before anything is made of them.

Kinds of prompts may have judges of their own, with scales of their own: a gap of 5 is little on a
scale from 0 to 100 and everything on one from 0 to 5. What the creator compares (estimates,
successes, what operators bring) is therefore counted in shares of the judge's scale, by kind of
prompt:

- where the judge declares bounds, and keeps them, (r − lowest) / (highest − lowest);
- where it has none, as a reward model, or gives rewards beyond them, by the spread within the task:
  (r − q₅) / (q₉₅ − q₅), quantiles of the rewards of the groups at hand. The extremes take the
  quantiles' place where those are equal, and rewards that are all equal count as 0.5.

So a success threshold of 0.5 is halfway up, whether rewards are around 7 or below 0. A scale from 0
to 1 changes nothing. The spread is that of one round: values of different rounds under an unbounded
judge are as comparable as their rounds' spreads are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from creator.estimators.moments import FloatArray
from selfplay.core.types import JUDGEMENT, Group, Prompt, Verdict

_TAIL = 0.05
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Scale:
    """What the rewards of some prompts are counted in."""

    judge: str = ""
    """Tells whose it is: rewards of different ones are brought to the scale apart."""
    lowest: float = 0.0
    highest: float = 1.0
    """Infinite where there is no bound."""

    def holds(self, rewards: FloatArray) -> bool:
        """Whether it has bounds, and the rewards are within."""
        slack = _ROUNDING * max(1.0, abs(self.highest - self.lowest))
        return bool(
            np.isfinite([self.lowest, self.highest]).all()
            and self.highest > self.lowest
            and (rewards >= self.lowest - slack).all()
            and (rewards <= self.highest + slack).all()
        )


Scales: TypeAlias = Callable[[Sequence[Prompt]], Sequence[Scale]]
"""From prompts to the scales that their responses are judged on."""


def unit(prompts: Sequence[Prompt]) -> list[Scale]:
    """`Scales` of judges that all give rewards from 0 to 1."""
    return [Scale()] * len(prompts)


def on_one_scale(groups: Sequence[Group], scales: Scales) -> list[Group]:
    """The groups with their rewards, and the repeats of those, from 0 to 1; in their order."""
    kinds: dict[tuple[Scale, str], list[int]] = {}
    for i, scale in enumerate(scales([group.prompt for group in groups])):
        kinds.setdefault((scale, groups[i].prompt.task), []).append(i)
    found = list(groups)
    for (scale, _), places in kinds.items():
        rewards = np.concatenate([np.zeros(0), *(groups[i].rewards for i in places)])
        lowest, highest = bounds(rewards, scale)
        if (lowest, highest) != (0.0, 1.0):
            for i in places:
                found[i] = _moved(groups[i], lowest, highest)
    return found


def bounds(rewards: FloatArray, scale: Scale) -> tuple[float, float]:
    """Which rewards count as 0 and as 1: the scale's own bounds, or those of the spread.

    Args:
        rewards: those that are compared, shape (N,); not finite where missing.
        scale: what they are counted in.
    """
    rewards = rewards[np.isfinite(rewards)]
    if scale.holds(rewards):
        return scale.lowest, scale.highest
    if not len(rewards):
        return 0.0, 1.0
    low, high = np.quantile(rewards, [_TAIL, 1.0 - _TAIL]).tolist()
    if not high > low:
        low, high = float(rewards.min()), float(rewards.max())
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _moved(group: Group, lowest: float, highest: float) -> Group:
    def share(reward: float) -> float:
        return (reward - lowest) / (highest - lowest)

    def scores(verdict: Verdict) -> Mapping[str, float]:
        return {
            name: share(score) if name.startswith(JUDGEMENT) else score
            for name, score in verdict.scores.items()
        }

    return replace(
        group,
        verdicts=tuple(
            verdict
            if verdict.reward is None
            else replace(verdict, reward=share(verdict.reward), scores=scores(verdict))
            for verdict in group.verdicts
        ),
    )
