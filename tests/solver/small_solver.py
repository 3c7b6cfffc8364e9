"""A solver on a real tiny model, and judged groups for it to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from selfplay.core.components import chosen
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Prompt, Sampling, Verdict, user
from solver.config import LoraConfig, PolicyConfig, SolverConfig
from solver.objectives.table import OBJECTIVES
from solver.policy import Policy
from solver.solver import Solver

PROMPTS = [Prompt(user(text)) for text in ("one", "number two", "3", "the fourth one")]


def make(
    directory: Path,
    name: str = "rloo",
    options: Any = None,
    lora: bool | LoraConfig = False,
    dtype: str = "float32",
    **rest: Any,
) -> Solver:
    """A solver under one objective, with its default options where none are given."""
    adapter = lora if isinstance(lora, LoraConfig) else LoraConfig(enabled=lora)
    policy = PolicyConfig(str(directory), dtype, device="cpu", threads=1, lora=adapter)
    objective = chosen(name, OBJECTIVES, options)
    defaults = {"learning_rate": 1e-3, "sampling": Sampling(n=4, max_new_tokens=6)}
    config = SolverConfig(objective=objective, **defaults | rest)
    return Solver(config, Policy.load(policy, config))


def judged(
    solver: Solver, rewards: Any = None, seed: int = 0, violating: Sequence[int] = ()
) -> list[Group]:
    """Groups with continuous rewards drawn from `seed`, or with the given ones (NaN: missing).

    Args:
        violating: positions, in every group, of responses that break a constraint.
    """
    drawn = np.random.default_rng(seed).normal(size=(len(PROMPTS), 4))
    rewards_PG = drawn if rewards is None else np.broadcast_to(rewards, drawn.shape)
    responses = solver.respond(PROMPTS, Seed(seed))
    return [
        Group(prompt, answers, "train", solver.version).judged(
            [
                Verdict(float(reward), violations=("rule",) if g in violating else ())
                if np.isfinite(reward)
                else Verdict.missing("not judged")
                for g, reward in enumerate(rewards_G)
            ],
            "f",
        )
        for prompt, answers, rewards_G in zip(PROMPTS, responses, rewards_PG, strict=True)
    ]


def weights(solver: Solver) -> dict[str, torch.Tensor]:
    """Copies of the weights that learn."""
    module = solver.policy.pretrained.module
    return {k: v.detach().clone() for k, v in module.named_parameters() if v.requires_grad}
