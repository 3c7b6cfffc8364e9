"""What an objective makes of a round: optimiser steps, each of some passes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TypeAlias

import torch

Loss: TypeAlias = tuple[torch.Tensor, Mapping[str, float]]
"""A scalar with its graph, and what is worth reporting of the pass."""


@dataclass(frozen=True, eq=False)
class Pass:
    """One forward and backward pass over a micro-batch."""

    loss: Callable[[], Loss]
    share: float
    """Weight of the loss in its optimiser step."""
    tokens: int
    """Prompt and response tokens, padding left out."""
    batch: Mapping[str, torch.Tensor] = field(default_factory=dict)
    """The tensors behind it, kept for inspection where the loss is not finite."""


@dataclass(frozen=True, eq=False)
class Plan:
    """A learning stage: optimiser steps, and what is known of its data before the first."""

    steps: Sequence[Sequence[Pass]]
    metrics: Mapping[str, float] = field(default_factory=dict)
    close: Callable[[], Mapping[str, float]] = dict
    """Called when the steps are done; further metrics."""


def combined(plans: Sequence[tuple[float, Plan]]) -> Plan:
    """One plan whose step k holds step k of every plan: gradients add up with the given weights.

    Metrics of the plan at position i get the prefix `i/`, besides counts, which are added.
    """
    steps = [
        [
            Pass(one.loss, weight * one.share, one.tokens, one.batch)
            for (weight, _), passes in zip(plans, level, strict=True)
            for one in passes
        ]
        for level in zip_longest(*(plan.steps for _, plan in plans), fillvalue=())
    ]
    metrics = {
        f"{i}/{name}": value
        for i, (_, plan) in enumerate(plans)
        for name, value in plan.metrics.items()
    }

    def close() -> Mapping[str, float]:
        return {
            f"{i}/{name}": value
            for i, (_, plan) in enumerate(plans)
            for name, value in plan.close().items()
        }

    return Plan(steps, metrics, close)


def averaged(found: Sequence[tuple[float, Mapping[str, float]]]) -> dict[str, float]:
    """The mean of each metric over passes, each weighing what it stands for."""
    sums: dict[str, float] = defaultdict(float)
    weights: dict[str, float] = defaultdict(float)
    for weight, metrics in found:
        for name, value in metrics.items():
            sums[name] += weight * value
            weights[name] += weight
    return {name: total / weights[name] for name, total in sums.items() if weights[name]}
