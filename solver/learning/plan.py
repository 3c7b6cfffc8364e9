"""What an objective makes of a round: optimiser steps, each of some passes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    memory: dict[str, float] = field(default_factory=dict)
    """What the loss keeps from one optimiser step to the next (`Stage.memory`). A step has one pass
    that keeps anything there, of all its items, so that processes need not agree on parts of it."""


@dataclass(frozen=True, eq=False)
class Plan:
    """A learning stage: optimiser steps, and what is known of its data before the first."""

    steps: Sequence[Sequence[Pass]]
    metrics: Mapping[str, float] = field(default_factory=dict)
    close: Callable[[], Mapping[str, float]] = dict
    """Called in every process when the steps are done; further metrics, the same in each."""


def combined(plans: Sequence[tuple[float, Plan]], names: Sequence[str] = ()) -> Plan:
    """One plan whose step k holds step k of every plan: gradients add up with the given weights.

    Metrics of each plan and of its passes stand under its name, or its position without names.
    """
    named = list(zip(names or map(str, range(len(plans))), plans, strict=True))
    parts = [
        [[_weighted(one, weight, name) for one in step] for step in plan.steps]
        for name, (weight, plan) in named
    ]
    steps = [
        [one for passes in level for one in passes] for level in zip_longest(*parts, fillvalue=[])
    ]
    metrics: dict[str, float] = {}
    for name, (_, plan) in named:
        metrics |= _prefixed(plan.metrics, name)

    def close() -> Mapping[str, float]:
        found: dict[str, float] = {}
        for name, (_, plan) in named:
            found |= _prefixed(plan.close(), name)
        return found

    return Plan(steps, metrics, close)


def _weighted(one: Pass, weight: float, name: str) -> Pass:
    def loss() -> Loss:
        value, metrics = one.loss()
        return value, _prefixed(metrics, name)

    return replace(one, loss=loss, share=weight * one.share)


def _prefixed(metrics: Mapping[str, float], name: str) -> dict[str, float]:
    return {f"{name}/{key}": value for key, value in metrics.items()}


def averaged(found: Sequence[tuple[float, Mapping[str, float]]]) -> dict[str, float]:
    """The mean of each metric over passes, each weighing what it stands for."""
    sums: dict[str, float] = defaultdict(float)
    weights: dict[str, float] = defaultdict(float)
    for weight, metrics in found:
        for name, value in metrics.items():
            sums[name] += weight * value
            weights[name] += weight
    return {name: total / weights[name] for name, total in sums.items() if weights[name]}
