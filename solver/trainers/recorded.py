"""Learning from recorded responses on a TRL trainer, as a function of (policy, batch, seed).

`RecordedTrainer` is mixed into a TRL trainer. The loss stays TRL's; what changes is where the data
comes from (padded tensors made by the objective, one list of micro-batches for each optimiser
step), how tokens are scored (`TokenScorer`) and what is left out: data loaders, logging,
checkpoints, telemetry. A trainer lives for one learning stage; the optimiser is the policy's.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from datasets import Dataset
from torch.optim.lr_scheduler import LambdaLR
from transformers import PrinterCallback, Trainer

from selfplay.core.errors import ModelError
from selfplay.core.seeding import Seed
from selfplay.core.types import Group
from solver.config import SolverConfig
from solver.policy import Policy
from solver.trainers.batches import Row
from solver.trainers.scoring import TokenScorer, token_logps

Tensors: TypeAlias = dict[str, Any]
Plan: TypeAlias = Sequence[Sequence[Tensors]]
"""Optimiser steps, each a list of micro-batches."""

UNTOLD = frozenset(
    {
        *("train_runtime", "train_samples_per_second", "train_steps_per_second", "step_time"),
        *("total_flos", "epoch", "step"),
    }
)
"""Of TRL's metrics: wall-clock times, which would make equal runs differ, and what says nothing."""

KL_ROWS = 32
"""Most responses on which the distance to the round's start is measured."""


class Objective(Protocol):
    """What a row of `solver.config.OBJECTIVES` builds, from its options and the solver's."""

    def learn(self, policy: Policy, groups: Sequence[Group], seed: Seed) -> dict[str, float]:
        """Optimises the policy in place; returns metrics. Leaves it alone if nothing informs.

        Raises:
            ModelError: the loss or the gradient is not finite.
        """


class RecordedTrainer(Trainer):
    """Mixed in before a TRL trainer: feeds it `plan`, a round's recorded responses."""

    def __init__(self, *, plan: Plan, policy: Policy, temperature: float, **options: Any) -> None:
        self._plan = plan
        self._policy = policy
        self._temperature = temperature
        self.grad_norms: list[float] = []
        super().__init__(**options)
        self.remove_callback(PrinterCallback)

    def _send_telemetry(self) -> None:
        """Sends nothing: a run works without a network and tells nobody of itself."""

    def create_accelerator_and_postprocess(self) -> None:
        """TRL's accelerator, less the full garbage collection with which it starts a training.

        A new accelerator has nothing to free, and the collection takes 0.4 s with these libraries.
        """
        super().create_accelerator_and_postprocess()
        self.accelerator.free_memory = _nothing_to_free

    def get_train_dataloader(self) -> Plan:  # type: ignore[override]
        """The plan itself: its tensors are padded and in order already."""
        return self._plan

    def training_step(  # type: ignore[override]
        self, model: Any, inputs: Sequence[Tensors], num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """One optimiser step's forward and backward passes; the loss of the whole step."""
        passes = super().training_step
        losses = [passes(model, micro_batch, num_items_in_batch) for micro_batch in inputs]
        return torch.stack(losses).sum()

    def _prepare_inputs(self, inputs: Tensors) -> Tensors:
        """Moves a micro-batch to the device, past a trainer's own generation."""
        return Trainer._prepare_inputs(self, inputs)

    def _compute_loss(self, model: Any, inputs: Tensors, *rest: Any) -> torch.Tensor:
        """TRL's loss of a micro-batch, weighted by its share of the step."""
        inputs = dict(inputs)
        share = inputs.pop("share")
        plain = {"plain_logits": 0} if getattr(self, "use_weighting", False) else {}
        scorer = TokenScorer(model, self._temperature, **plain)
        loss: torch.Tensor = super()._compute_loss(scorer, inputs, *rest)  # type: ignore[misc]
        weighted: torch.Tensor = share * loss
        return weighted

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> float:
        """The norm before clipping; called before each optimiser step, so a bad one is not taken.

        Raises:
            ModelError: the gradient is not finite.
        """
        norm = float(super()._get_grad_norm(model, grad_norm=grad_norm))  # type: ignore[no-untyped-call]
        if not math.isfinite(norm):
            raise ModelError(
                f"Expected a finite gradient in the learning stage of policy version "
                f"{self._policy.version}, found {norm}. The step was not taken. Lower "
                "solver.learning_rate, or check the rewards and the dtype."
            )
        self.grad_norms.append(norm)
        return norm


def learn_from(
    trainer_class: type,
    config_class: type,
    policy: Policy,
    plan: Plan,
    seed: Seed,
    temperature: float = 1.0,
    options: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> dict[str, float]:
    """Runs a TRL trainer over `plan`; the policy's weights and moments change in place.

    Args:
        options: the objective's part of TRL's configuration.
        arguments: further arguments of the trainer.

    Returns:
        The trainer's own metrics, and loss, grad_norm (mean, before clipping) and steps.

    Raises:
        ModelError: the gradient is not finite.
    """
    with tempfile.TemporaryDirectory(prefix="solver-") as scratch:
        trainer = trainer_class(
            plan=plan,
            policy=policy,
            temperature=temperature,
            model=policy.module,
            args=config_class(**_arguments(policy, seed, scratch), **(options or {})),
            # TRL asks for a dataset of its own kind; the plan takes its place.
            train_dataset=Dataset.from_dict({"prompt": ["recorded"]}),
            processing_class=policy.pretrained.tokenizer,
            optimizers=(policy.optimizer, LambdaLR(policy.optimizer, _constant)),
            **arguments,
        )
        try:
            trainer.train()
        finally:
            _release(policy)
    logged = trainer.state.log_history[-1]
    metrics = {k: float(v) for k, v in logged.items() if v is not None and k not in UNTOLD}
    metrics["loss"] = metrics.pop("train_loss")
    return metrics | {"grad_norm": float(np.mean(trainer.grad_norms)), "steps": len(plan)}


def shares(chunks: Sequence[Sequence[int]]) -> list[float]:
    """Each micro-batch's share of its step's items; the shares of a step sum to 1."""
    total = sum(len(chunk) for chunk in chunks)
    return [len(chunk) / total for chunk in chunks]


class KlProbe:
    """KL(policy at the start ‖ policy now) over sampled responses, in nats per response.

    Estimated on at most `KL_ROWS` of them, and on no more than an eighth, as the sum over tokens
    of r - 1 - log r with r the ratio now / start (Schulman's k3): unbiased where the responses are
    the starting policy's own samples, never negative.
    """

    def __init__(self, policy: Policy, rows: Sequence[Row], config: SolverConfig) -> None:
        count = max(1, min(KL_ROWS, len(rows) // 8))
        places = np.linspace(0, len(rows) - 1, count).round().astype(int)
        self._rows = [rows[i] for i in places]
        self._policy, self._config = policy, config
        self._before = self._score()

    def measure(self) -> float:
        """The distance travelled since this probe was made."""
        ratios = [now - old for now, old in zip(self._score(), self._before, strict=True)]
        return float(np.mean([np.sum(np.expm1(ratio) - ratio) for ratio in ratios]))

    def _score(self) -> list[Any]:
        policy = self._policy
        return token_logps(
            policy.module, self._rows, policy.pad_id, mixed_precision=self._config.mixed_precision
        )


def _constant(_step: int) -> float:
    return 1.0


def _nothing_to_free(*objects: Any) -> list[Any]:
    return list(objects)


def _arguments(policy: Policy, seed: Seed, scratch: str) -> dict[str, Any]:
    config = policy.config
    ours = {
        "output_dir": scratch,
        "seed": seed.integer(bits=31),
        "num_train_epochs": 1,
        "max_grad_norm": config.max_grad_norm,
        "activation_checkpointing": config.gradient_checkpointing,
        "bf16": config.mixed_precision,
        "use_cpu": policy.device.type == "cpu",
        "dataloader_pin_memory": False,
        "logging_strategy": "no",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        # A dropped-out policy is not the one that answered, unless the adapter asks for it.
        "disable_dropout": policy.chosen.lora.dropout == 0.0,
    }
    return ours | dict(config.trl)


def _release(policy: Policy) -> None:
    """Takes back what the trainer put on the module, so that stages do not pile up."""
    vars(policy.module).pop("forward", None)
    vars(policy.module).pop("_original_forward", None)
    policy.optimizer.zero_grad(set_to_none=True)
    policy.pretrained.module.eval()
