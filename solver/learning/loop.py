"""The learning loop: a plan's passes, one optimiser step after another.

A stage leaves nothing behind but the weights and AdamW's moments, which are the policy's. Where a
loss or a gradient is not finite the step is not taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch.nn.utils import clip_grad_norm_
from trl.trainer.utils import disable_dropout_in_model

from selfplay.core.errors import ModelError
from solver.learning.plan import Pass, Plan, averaged
from solver.learning.stage import Stage
from solver.policy import Policy


class NotFiniteError(ModelError):
    """A loss or a gradient is not finite; holds the batch that it came from."""

    def __init__(self, message: str, batch: dict[str, torch.Tensor]) -> None:
        super().__init__(message)
        self.batch = batch


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
    _ = stage.probe_start
    reported: list[tuple[float, dict[str, float]]] = []
    norms: list[float] = []
    losses: list[float] = []
    with _learning(stage):
        for number, step in enumerate(steps):
            losses.append(_passes(stage, step, number, reported))
            norms.append(_advance(stage.policy, step, number))
    found = {
        "loss": float(np.mean(losses)),
        "grad_norm": float(np.mean(norms)),
        "steps": float(len(steps)),
        "tokens": float(sum(one.tokens for step in steps for one in step)),
        "kl": stage.moved(),
    }
    if np.isfinite(stage.mismatch):
        found["generation_mismatch"] = stage.mismatch
    return {**plan.metrics, **averaged(reported), **plan.close(), **found}


def _passes(
    stage: Stage,
    step: Sequence[Pass],
    number: int,
    reported: list[tuple[float, dict[str, float]]],
) -> float:
    """The forward and backward passes of one step; its loss."""
    total = 0.0
    device = stage.policy.device.type
    for one in step:
        with torch.autocast(device, torch.bfloat16, enabled=stage.config.mixed_precision):
            loss, metrics = one.loss()
        value = float(loss.detach())
        if not np.isfinite(value):
            raise _not_finite("loss", value, stage.policy, [one], number)
        (one.share * loss).backward()
        total += one.share * value
        reported.append((abs(one.share), dict(metrics)))
    return total


def _advance(policy: Policy, step: Sequence[Pass], number: int) -> float:
    """One optimiser step on the gradients that are there; their norm before clipping."""
    norm = float(clip_grad_norm_(policy.learned, policy.config.max_grad_norm))
    if not np.isfinite(norm):
        raise _not_finite("gradient", norm, policy, step, number)
    policy.optimizer.step()
    policy.optimizer.zero_grad(set_to_none=True)
    return norm


def _not_finite(
    what: str, found: float, policy: Policy, passes: Sequence[Pass], number: int
) -> NotFiniteError:
    batch = {
        f"{i}.{name}": tensor.detach().cpu().contiguous()
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
    module.train()
    if policy.chosen.lora.dropout == 0.0:
        # A dropped-out policy is not the one that answered, unless the adapter asks for it.
        disable_dropout_in_model(module)
    if stage.config.gradient_checkpointing:
        module.gradient_checkpointing_enable({"use_reentrant": False})
        module.enable_input_require_grads()
    try:
        with torch.random.fork_rng():
            torch.manual_seed(stage.seed.at("dropout").integer())
            yield
    finally:
        if stage.config.gradient_checkpointing:
            module.gradient_checkpointing_disable()
            module.disable_input_require_grads()
        policy.optimizer.zero_grad(set_to_none=True)
        policy.pretrained.module.eval()
