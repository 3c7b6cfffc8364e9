"""The solver's configuration and its table of objectives. Torch-free.

To add an objective: write a class that satisfies `solver.trainers.recorded.Objective`, a dataclass
of its options, and one row of `OBJECTIVES`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from selfplay.core.components import Choice, Row, component
from selfplay.core.errors import ConfigError, nearest, require
from selfplay.core.types import Sampling
from solver.schedule import check_schedule


@dataclass(frozen=True)
class LoraConfig:
    """Low-rank adapters (PEFT) in place of full fine-tuning."""

    enabled: bool = False
    r: int = 16
    alpha: int = 32
    dropout: float = 0.0
    target_modules: str | list[str] = "all-linear"
    """Module names, or `all-linear`: every linear layer but the output head."""


@dataclass(frozen=True)
class PolicyConfig:
    """Which model plays the solver."""

    path: str = "tiny"
    """A model directory in Hugging Face layout, a hub name, or `tiny`, the model that ships."""
    dtype: str = "float32"
    """Of the weights. Whole weights learn in float32; a frozen base under LoRA may be bfloat16."""
    device: str = "auto"
    threads: int | None = None
    """CPU threads of torch; part of the environment that a bit-exact repetition needs."""
    lora: LoraConfig = field(default_factory=LoraConfig)


@dataclass(frozen=True)
class RlooOptions:
    """REINFORCE leave-one-out (Ahmadian et al., 2024), clipped at the sequence level."""

    beta: float = 0.05
    """Weight of the KL to the initial policy inside the reward; 0 needs no reference."""
    epsilon: float = 0.2
    """Clip of the sequence ratio: at least 1 - epsilon."""
    epsilon_high: float | None = None
    """At most 1 + epsilon_high; `epsilon` when null."""
    normalize_advantages: bool = False
    """Divide the round's advantages by their standard deviation."""


DPO_LOSSES = (
    "sigmoid",
    "hinge",
    "ipo",
    "exo_pair",
    "nca_pair",
    "robust",
    "bco_pair",
    "sppo_hard",
    "aot",
    "aot_unpaired",
    "apo_zero",
    "apo_down",
    "discopop",
    "sft",
    "sigmoid_norm",
)


@dataclass(frozen=True)
class DpoOptions:
    """Direct preference optimisation on the best and the worst response of each group."""

    beta: float = 0.1
    loss_type: str = "sigmoid"
    """One of `DPO_LOSSES`, TRL's names."""
    pairs: str = "max_min"
    """How a group becomes pairs; a name of `solver.pairs.PAIRINGS`."""
    reference: str = "round_start"
    """`round_start`: the policy as the round begins (online iterative DPO); `initial`: the model
    that the run began with."""

    def __post_init__(self) -> None:
        if self.loss_type not in DPO_LOSSES:
            raise ConfigError(
                f"dpo.loss_type: TRL has no loss '{self.loss_type}'; "
                f"{nearest(self.loss_type, DPO_LOSSES)}"
            )


OBJECTIVES = {
    "rloo": Row(
        "solver.trainers.rloo:Rloo", RlooOptions, "leave-one-out policy gradient on whole groups"
    ),
    "dpo": Row("solver.trainers.dpo:Dpo", DpoOptions, "preference loss on max/min pairs"),
}


@dataclass(frozen=True)
class SolverConfig:
    """How the solver answers and how it learns."""

    sampling: Sampling = field(default_factory=Sampling)
    """How training responses are drawn."""
    objective: Choice = component("rloo", OBJECTIVES)
    learning_rate: float = 1e-6
    """Peak rate. Whole weights of large models: around 1e-6; LoRA: 1e-5; the tiny model: 1e-3."""
    schedule: str = "constant"
    """`constant`, `linear` or `cosine`, over the rounds; constant within a round."""
    rounds: int | None = None
    """Rounds until a decaying schedule reaches zero; a decaying schedule needs it. Apart from the
    run's own length, which may grow, so that a longer run never changes what was learned."""
    warmup_rounds: int = 0
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    """Of matrices; vectors (norms, biases) are never decayed."""
    max_grad_norm: float = 1.0
    epochs: int = 1
    """Passes over a round's batch."""
    minibatches: int = 1
    """Optimiser steps in each pass."""
    micro_batch_tokens: int = 16384
    """Tokens, padding included, in one forward and backward pass: bounds the memory."""
    gradient_checkpointing: bool = False
    mixed_precision: bool = False
    """Learn under bfloat16 autocast, the weights staying float32."""
    trl: dict[str, Any] = field(default_factory=dict)
    """Further options of TRL's trainer configuration, passed through as they are."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range, or a schedule that cannot be followed.
        """
        require(self.learning_rate >= 0, f"{where}.learning_rate", "0 or more", self.learning_rate)
        require(self.max_grad_norm > 0, f"{where}.max_grad_norm", "above 0", self.max_grad_norm)
        for name in ("epochs", "minibatches", "micro_batch_tokens"):
            require(getattr(self, name) >= 1, f"{where}.{name}", "1 or more", getattr(self, name))
        check_schedule(self.schedule, self.rounds, self.warmup_rounds)
