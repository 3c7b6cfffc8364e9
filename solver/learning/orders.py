"""What the first process of a team tells the others to do, and the state it hands them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from selfplay.core.seeding import Seed
from selfplay.core.types import Group
from solver.checkpoint import MOMENTS
from solver.policy import Policy


@dataclass(frozen=True)
class Learn:
    """Take part in a learning stage."""

    groups: Sequence[Group]
    seed: Seed


@dataclass(frozen=True)
class TakeOver:
    """Take over the first process's policy."""

    version: int
    begun: tuple[bool, ...]
    """Of the learned parameters in order: has AdamW moments of it?"""
    memory: dict[str, dict[str, float]]
    """What methods keep over training."""


def take_over(policy: Policy, order: TakeOver) -> None:
    """Fills weights, moments and averages with the first process's; all processes call it."""
    state = policy.optimizer.state
    for parameter, begun in zip(policy.learned, order.begun, strict=True):
        policy.team.copy(parameter.data)
        if not begun:
            state.pop(parameter, None)
            continue
        if parameter not in state:
            state[parameter] = {name: _empty(name, parameter) for name in MOMENTS}
        for name in MOMENTS:
            policy.team.copy(state[parameter][name])
    for average in policy.averaged.values():
        policy.team.copy(average)
    policy.round()
    policy.version = order.version
    policy.memory = order.memory


def state_of(policy: Policy) -> TakeOver:
    """The order to take over `policy`."""
    begun = tuple(p in policy.optimizer.state for p in policy.learned)
    return TakeOver(policy.version, begun, policy.memory)


def _empty(moment: str, parameter: torch.nn.Parameter) -> torch.Tensor:
    if moment == "step":
        return torch.zeros((), dtype=torch.float32, device=parameter.device)
    return torch.zeros_like(parameter.data)
