"""TRL's trainers as loss functions: recorded responses go in, a scalar comes out.

A trainer is built with the options of its own configuration, computes the losses of a stage's
passes and reports its metrics; it never trains by itself. Its data loading, reference model,
generation and telemetry have nothing to do here, and its collective operations would wait for
processes whose passes differ: they stay local.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import torch
from datasets import Dataset

from solver.learning.plan import averaged
from solver.learning.scoring import EXTRAS, TokenScorer
from solver.learning.stage import Stage
from solver.learning.trl_options import told, trainer_of
from solver.policy import Policy

UNTOLD = frozenset({"step_time", "num_tokens"})
"""Of TRL's metrics: wall-clock times, which would make equal runs differ, and what is counted
already."""


Own: TypeAlias = Callable[[torch.Tensor], Mapping[str, torch.Tensor]]
"""From the log-probabilities that a pass scores, shape (B, L - 1), to inputs of TRL's by name."""


ROUTING = ("router_aux_loss_coef", "output_router_logits")


class LossOnly:
    """Mixed in before a TRL trainer class: no data of its own, no telemetry."""

    def _send_telemetry(self) -> None:
        """Sends nothing: a run works without a network and tells nobody of itself."""

    def _prepare_dataset(self, dataset: Any, *_options: Any, **_more: Any) -> Any:
        """Nothing to prepare: passes hold token ids."""
        return dataset

    def _precompute_ref_logps(self, dataset: Any, *_options: Any, **_more: Any) -> Any:
        """Nothing to compute: passes hold the reference's log-probabilities."""
        return dataset


class TrlLoss:
    """One trainer for one stage."""

    def __init__(
        self,
        trainer_class: type,
        config_class: type,
        stage: Stage,
        options: Mapping[str, Any],
        temperature: float = 1.0,
        **arguments: Any,
    ) -> None:
        """Builds the trainer.

        Args:
            trainer_class: a TRL trainer with `LossOnly` mixed in.
            options: the objective's part of `config_class`; the rest is `trl_options.told`'s.
            temperature: logits are divided by it.
            arguments: further arguments of the trainer.
        """
        policy = stage.policy
        module = policy.module
        settings = told(trainer_of(config_class), options, stage.config.trl)
        if settings.get("precompute_ref_log_probs"):
            arguments["ref_model"] = _Elsewhere(module.config)
        before = vars(module).get("forward")
        routing = vars(module.config.get_text_config())
        # SFT's trainer writes what it is told of the router into the model's own configuration.
        told_by_model = {name: routing[name] for name in ROUTING if name in routing}
        with tempfile.TemporaryDirectory(prefix="solver-") as scratch, warnings.catch_warnings():
            self.trainer = trainer_class(
                model=module,
                args=config_class(**_arguments(policy, stage, scratch), **settings),
                train_dataset=_nothing(),
                processing_class=policy.pretrained.tokenizer,
                **arguments,
            )
        routing.update(told_by_model)
        # The trainer puts a fused output head on the module; `TokenScorer` brings its own.
        vars(module).pop("forward", None)
        if before is not None:
            module.forward = before
        self.trainer.accelerator = _Alone(self.trainer.accelerator)
        self._team = policy.team
        self._logged: list[tuple[float, dict[str, float]]] = []
        # Gradients of an entropy, and what TRL weighs by confidence, only its fused head gives.
        weighing = getattr(self.trainer, "use_weighting", False)
        fused = weighing or getattr(self.trainer, "_entropy_bonus_enabled", False)
        self._scorer: Callable[..., Any] = TokenScorer(
            module,
            temperature,
            extras=(*EXTRAS, "log_sum_sq_probs") if weighing else EXTRAS,
            **({"plain_logits": 0} if fused else {}),
        )

    def __call__(self, inputs: Mapping[str, Any], own: Own | None = None) -> torch.Tensor:
        """The loss of a micro-batch: TRL's own, a mean over its rows or pairs.

        Args:
            own: where the policy is as the stage began (`Stage.begins`): what takes the place of
                inputs that are the same policy's.
        """
        trainer = self.trainer
        found = {
            k: v.to(trainer.accelerator.device) if isinstance(v, torch.Tensor) else v
            for k, v in inputs.items()
        }
        scorer = self._scorer if own is None else _AtStart(self._scorer, found, own)
        loss: torch.Tensor = trainer.compute_loss(scorer, found)
        logged = trainer._metrics["train"]
        rows = float(len(next(iter(found.values()))))
        self._logged.append((rows, {name: float(np.mean(v)) for name, v in logged.items() if v}))
        logged.clear()
        return loss

    def metrics(self) -> dict[str, float]:
        """Means over rows of what was logged in the passes, those of other processes included."""
        found = averaged([entry for part in self._team.gathered(self._logged) for entry in part])
        return {name: value for name, value in found.items() if name not in UNTOLD}


@dataclass(frozen=True)
class _AtStart:
    """A scorer whose figures are those of π_old, and of a reference that is the same policy."""

    scorer: Callable[..., Any]
    inputs: Mapping[str, torch.Tensor]
    own: Own

    def __call__(self, input_ids: torch.Tensor, labels: torch.Tensor, **options: Any) -> Any:
        """As the scorer; TRL reads the inputs after it."""
        output = self.scorer(input_ids, labels, **options)
        for name, values in self.own(output.log_probs.detach()).items():
            self.inputs[name].copy_(values)
        return output


@cache
def _nothing() -> Dataset:
    """TRL asks for a dataset of its own kind; the plan takes its place."""
    return Dataset.from_dict({"prompt": ["recorded"]})


class _Elsewhere(torch.nn.Module):
    """Stands for a reference whose scores are in the passes; TRL would hash the policy instead."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config

    def forward(self) -> None:
        """Is never called, but wrapped."""
        raise AssertionError("the reference's log-probabilities are in the passes")


class _Alone:
    """An accelerator whose collective operations stay in this process."""

    num_processes = 1

    def __init__(self, accelerator: Any) -> None:
        self._accelerator = accelerator

    def __getattr__(self, name: str) -> Any:
        return getattr(self._accelerator, name)

    def gather(self, tensor: Any) -> Any:
        """This process's own."""
        return tensor

    def gather_for_metrics(self, tensor: Any, use_gather_object: bool = False) -> Any:
        """This process's own."""
        return tensor

    def reduce(self, tensor: Any, reduction: str = "sum", scale: float = 1.0) -> Any:
        """This process's own."""
        return tensor


def _arguments(policy: Policy, stage: Stage, scratch: str) -> dict[str, Any]:
    config = stage.config
    return {
        "output_dir": scratch,
        "seed": stage.seed.integer(bits=31),
        "bf16": config.mixed_precision,
        "use_cpu": policy.device.type == "cpu",
        "activation_checkpointing": False,
        "logging_strategy": "no",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }
