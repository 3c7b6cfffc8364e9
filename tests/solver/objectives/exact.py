"""Losses worked out again in float64 from their formulas, and the gradients that a solver took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from transformers import AutoModelForCausalLM

from selfplay.core.types import Group
from solver.solver import Solver

Tensors: TypeAlias = dict[str, torch.Tensor]
Place: TypeAlias = tuple[int, int]


@dataclass
class Step:
    """One optimiser step: the weights before it, and the gradient."""

    weights: Tensors
    gradient: Tensors


@dataclass
class Watch:
    """Keeps every optimiser step that a solver takes."""

    solver: Solver
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.solver.policy.optimizer.register_step_pre_hook(self._keep)

    def _keep(self, *_: Any) -> None:
        named = dict(self.solver.policy.named_parameters())
        self.steps.append(
            Step(
                {name: p.detach().double().clone() for name, p in named.items()},
                {n: p.grad.double().clone() for n, p in named.items() if p.grad is not None},
            )
        )


class Exact:
    """A model in float64 at given weights."""

    def __init__(self, solver: Solver, weights: Mapping[str, torch.Tensor]) -> None:
        path = solver.policy.chosen.path
        self.module: Any = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float64).eval()
        with torch.no_grad():
            for name, parameter in self.module.named_parameters():
                parameter.copy_(weights[name])
        self._solver = solver

    def logps(self, group: Group, response: int, temperature: float = 1.0) -> torch.Tensor:
        """log π of each token of a response, shape (T,)."""
        states_TH = self.states(group, response)
        logits_TV = self.module.lm_head(states_TH) / temperature
        targets_T = torch.tensor(group.responses[response].token_ids.tolist())
        return torch.log_softmax(logits_TV, -1).gather(1, targets_T[:, None])[:, 0]

    def states(self, group: Group, response: int) -> torch.Tensor:
        """Last hidden states that the tokens of a response are drawn from, shape (T, H)."""
        (prompt,) = self._solver.prompt_ids([group.prompt.messages])
        ids = [*prompt, *group.responses[response].token_ids.tolist()]
        states: torch.Tensor = self.module.model(torch.tensor([ids])).last_hidden_state
        return states[0, len(prompt) - 1 : -1]

    def gradient(self, loss: torch.Tensor, *more: torch.Tensor) -> tuple[Tensors, list[Any]]:
        """Of every weight by its name, and of further tensors."""
        named = dict(self.module.named_parameters())
        found = torch.autograd.grad(loss, [*named.values(), *more], materialize_grads=True)
        return dict(zip(named, found, strict=False)), list(found[len(named) :])


def off(found: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> float:
    """Norm of the difference of two gradients over the norm of the second."""
    ours = torch.cat([found.get(n, torch.zeros_like(t)).flatten() for n, t in expected.items()])
    theirs = torch.cat([t.flatten() for t in expected.values()])
    return float((ours - theirs).norm() / theirs.norm())


def flat(gradient: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """All of it in one row."""
    return torch.cat([tensor.flatten() for tensor in gradient.values()])
