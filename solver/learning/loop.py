"""The learning loop: a plan's passes, one optimiser step after another.

A stage leaves nothing behind but the weights and AdamW's moments, which are the policy's. Where a
loss or a gradient is not finite the step is not taken. In a team of processes each pass of a step
is made by one of them, and all of them take the step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch.autograd.graph import increment_version
from torch.nn.utils import clip_grad_norm_
from trl.trainer.utils import disable_dropout_in_model

from solver.learning.errors import NotFiniteError
from solver.learning.plan import Pass, Plan, averaged
from solver.learning.router import Balance, balanced
from solver.learning.stage import Stage
from solver.policy import Policy


@dataclass(frozen=True)
class Done:
    """What became of one pass."""

    position: int
    """In its optimiser step."""
    loss: float
    metrics: Mapping[str, float]
    memory: Mapping[str, float]
    """What the pass keeps for the next step."""


def run(stage: Stage, plan: Plan) -> dict[str, float]:
    """Takes the plan's optimiser steps; weights and moments change in place.

    Returns:
        loss and grad_norm (means over the steps, before clipping), steps, tokens (in all passes),
        kl (nats per response, to the stage's start), the plan's metrics and those of its passes.

    Raises:
        NotFiniteError: a loss or a gradient is not finite.
    """
    steps = [step for step in plan.steps if step]
    if not steps:
        nothing = {"loss": 0.0, "grad_norm": 0.0, "steps": 0.0, "tokens": 0.0, "kl": 0.0}
        return {**plan.metrics, **plan.close(), **nothing}
    policy = stage.policy
    # Both are of the policy as it is before the first step.
    _, generated = stage.probe_start, stage.generated.found()
    reported: list[tuple[float, Mapping[str, float]]] = []
    norms: list[float] = []
    losses: list[float] = []
    with _learning(stage), balanced(policy.module, stage.config.router_loss) as balance:
        for number, step in enumerate(steps):
            done = _passes(stage, step, number, balance)
            losses.append(sum(step[one.position].share * one.loss for one in done))
            reported += [(abs(step[one.position].share), one.metrics) for one in done]
            norms.append(_advance(policy, step, number))
    found = {
        "loss": float(np.mean(losses)),
        "grad_norm": float(np.mean(norms)),
        "steps": float(np.count_nonzero(norms)),
        "tokens": float(sum(one.tokens for step in steps for one in step)),
        "kl": stage.moved(),
    }
    return {**plan.metrics, **averaged(reported), **plan.close(), **found, **generated}


def _passes(stage: Stage, step: Sequence[Pass], number: int, balance: Balance) -> list[Done]:
    """All passes of one step, each made by one process; leaves the step's gradients behind."""
    team = stage.policy.team
    own: list[Done] = []
    total = sum(one.tokens for one in step)
    for position in team.portion([one.tokens for one in step]):
        # Named by its place, so that a pass draws the same whichever process makes it.
        torch.manual_seed(stage.seed.at("dropout", number, position).integer())
        own.append(_passed(stage, step[position], position, balance, total))
        if not np.isfinite(own[-1].loss):
            break
    done = [one for part in team.gathered(own) for one in part]
    for one in done:
        if not np.isfinite(one.loss):
            raise _not_finite("loss", one.loss, stage.policy, [step[one.position]], number)
    for one in done:
        # Whichever process made the pass, all of them know what it keeps.
        step[one.position].memory.update(one.memory)
    team.add_gradients(stage.policy.learned)
    return done


def _passed(stage: Stage, one: Pass, position: int, balance: Balance, total: int) -> Done:
    """One pass forward and, where its loss is finite, backward, with its part of the router's loss.

    Args:
        total: tokens of the step.
    """
    device = stage.policy.device.type
    with torch.autocast(device, torch.bfloat16, enabled=stage.config.mixed_precision):
        loss, metrics = one.loss()
    value, balancing, known = float(loss.detach()), balance.taken(), dict(metrics)
    if np.isfinite(value):
        whole = one.share * loss
        if balancing is not None:
            whole = whole + balance.weight * one.tokens / total * balancing
            known["aux_loss"] = float(balancing.detach())
        whole.backward()
    return Done(position, value, known, dict(one.memory))


def _advance(policy: Policy, step: Sequence[Pass], number: int) -> float:
    """One optimiser step on the gradients that are there; their norm before clipping.

    Without a gradient there is no step: AdamW would go on by its momentum, having learned nothing.
    """
    norm = float(clip_grad_norm_(policy.learned, policy.config.max_grad_norm))
    if not np.isfinite(norm):
        raise _not_finite("gradient", norm, policy, step, number)
    if norm:
        policy.optimizer.step()
        # A fused optimiser does not count its writes, by which a stage knows that it has begun.
        increment_version(policy.learned)
        policy.masters.round()
    policy.optimizer.zero_grad(set_to_none=True)
    return norm


def _not_finite(
    what: str, found: float, policy: Policy, passes: Sequence[Pass], number: int
) -> NotFiniteError:
    batch = {
        f"{i}.{name}": tensor.detach().cpu().clone().contiguous()
        for i, one in enumerate(passes)
        for name, tensor in one.batch.items()
    }
    return NotFiniteError(
        f"Expected a finite {what} in optimiser step {number} of the learning stage of policy "
        f"version {policy.version}, found {found}. The step was not taken. Lower "
        "solver.learning_rate, or check the rewards and the dtype.",
        batch,
    )


@contextmanager
def _learning(stage: Stage) -> Iterator[None]:
    """Training mode, checkpointing and derived randomness, all undone at the end."""
    policy, module = stage.policy, stage.policy.module
    # Masters are there before the first gradient, and none is left over.
    policy.optimizer.zero_grad(set_to_none=True)
    module.train()
    if policy.chosen.lora.dropout == 0.0:
        # A dropped-out policy is not the one that answered, unless the adapter asks for it.
        disable_dropout_in_model(module)
    if stage.config.gradient_checkpointing:
        module.activation_checkpointing_enable({"use_reentrant": False})
    try:
        with torch.random.fork_rng():
            yield
    finally:
        if stage.config.gradient_checkpointing:
            module.activation_checkpointing_disable()
            # Enabling puts hooks on the embeddings, which disabling leaves where nothing is frozen.
            module.disable_input_require_grads()
        policy.optimizer.zero_grad(set_to_none=True)
        policy.pretrained.module.eval()
