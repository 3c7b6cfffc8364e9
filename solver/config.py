"""The solver's configuration. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selfplay.core.components import Choice, component, model_place
from selfplay.core.errors import ConfigError, nearest, require
from selfplay.core.types import Sampling
from solver.objectives.needs import needs_of
from solver.objectives.table import OBJECTIVES
from solver.schedule import check_schedule

LORA_INITS = ("kaiming", "gaussian")
QUANTIZATIONS = ("4bit", "8bit")


@dataclass(frozen=True)
class LoraConfig:
    """Low-rank adapters (PEFT) in place of full fine-tuning."""

    enabled: bool = False
    """Whether adapters learn in place of the whole weights."""
    r: int = 16
    """Rank."""
    alpha: int = 32
    """The adapters' part is scaled by alpha / r."""
    dropout: float = 0.0
    """Share of the adapters' inputs that are dropped while learning."""
    target_modules: str | list[str] = "all-linear"
    """Module names, or `all-linear`: every linear layer but the output head."""
    rslora: bool = False
    """Scale by alpha / √r in place of alpha / r, which keeps large ranks learning (rsLoRA,
    Kalajdzievski, 2023, arXiv 2312.03732)."""
    dora: bool = False
    """Learn each weight's magnitude apart from its direction: slower, and often better at small
    ranks (DoRA, Liu et al., 2024, arXiv 2402.09353)."""
    modules_to_save: list[str] = field(default_factory=list)
    """Modules that learn whole beside the adapters and are saved with them, such as norms."""
    init: str = "kaiming"
    """What the first factor is drawn from, `kaiming` (uniform) or `gaussian`; the second begins at
    zero, so that the policy begins as its base. Inits that change the base are left out: the base
    is the initial policy."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range, or an unknown word.
        """
        require(self.r >= 1, f"{where}.r", "1 or more", self.r)
        require(self.alpha > 0, f"{where}.alpha", "above 0", self.alpha)
        require(0 <= self.dropout < 1, f"{where}.dropout", "0 or more and below 1", self.dropout)
        hint = f"'{self.init}'; {nearest(self.init, LORA_INITS)}"
        require(self.init in LORA_INITS, f"{where}.init", " or ".join(LORA_INITS), hint)


@dataclass(frozen=True)
class PolicyConfig:
    """Which model plays the solver."""

    path: str = model_place("tiny", ("tiny",))
    """A model directory in Hugging Face layout, a hub name, or `tiny`, the model that ships."""
    dtype: str = "float32"
    """Of the weights as they answer and score: `float32`, `bfloat16` or `float16`. Whatever it is,
    what learns is kept in float32: whole weights in bfloat16 by float32 masters beside them,
    adapters and `lora.modules_to_save` by themselves. `float16` is for a frozen base under LoRA."""
    device: str = "auto"
    """`cpu`, `cuda` or `auto`: CUDA where there is one."""
    threads: int | None = None
    """CPU threads of torch; part of the environment that a bit-exact repetition needs."""
    lora: LoraConfig = field(default_factory=LoraConfig)
    """Low-rank adapters in place of whole weights."""
    quantization: str | None = None
    """`4bit` (NF4, doubly quantised: QLoRA, Dettmers et al., 2023, arXiv 2305.14314) or `8bit`
    (LLM.int8) for a frozen base under LoRA, through bitsandbytes on CUDA; `dtype` is then what is
    computed in, best bfloat16."""

    @property
    def adapted(self) -> bool:
        """Do adapters learn: new ones, or those of an adapter directory?"""
        return self.lora.enabled or (Path(self.path) / "adapter_config.json").is_file()

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: an unknown quantisation, or one without LoRA.
        """
        if self.quantization is None:
            return
        known = " or ".join(QUANTIZATIONS)
        hint = f"'{self.quantization}'; {nearest(self.quantization, QUANTIZATIONS)}"
        require(self.quantization in QUANTIZATIONS, f"{where}.quantization", known, hint)
        require(
            self.lora.enabled,
            f"{where}.lora.enabled",
            f"true with {where}.quantization, since quantised weights cannot learn",
            "false",
        )


REFERENCES = ("round_start", "initial", "moving_average", "precomputed")
"""What `solver.reference` may name besides a model directory."""

BASELINES = ("gold", "initial")
"""What `solver.baseline` may name."""


@dataclass(frozen=True)
class LengthConfig:
    """A penalty on the distance of a response's length from a target, taken from its reward."""

    target: int | None = None
    """Tokens that a response should have; null asks for none."""
    weight: float = 0.0
    """Reward that each token above or below the target costs. For rewards of 0 to 1 and answers of
    some hundred tokens 1e-3 is strong."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range, or a target without a weight or the reverse.
        """
        target, weight = self.target, self.weight
        require(target is None or target >= 1, f"{where}.target", "null, or 1 or more", target)
        if target is None:
            require(weight == 0, f"{where}.weight", "0 where no target is set", weight)
        else:
            require(weight > 0, f"{where}.weight", "above 0 where a target is set", weight)


@dataclass(frozen=True)
class SolverConfig:
    """How the solver answers and how it learns."""

    sampling: Sampling = field(default_factory=Sampling)
    """How training responses are drawn."""
    objective: Choice = component("rloo", OBJECTIVES)
    """What is minimised; docs/objectives.md has the formulas and advice."""
    reference: str | None = model_place(None, REFERENCES)
    """The policy that an objective keeps to: `round_start` (as the round begins), `initial` (as the
    run began), `moving_average` (of the weights, over the rounds), `precomputed` (the
    log-probabilities that were recorded with the responses), or a model directory with the same
    vocabulary. Null leaves it to the objective (docs/objectives.md)."""
    reference_decay: float = 0.99
    """Of `moving_average`: after each learning stage, what stays of the average; the rest is the
    policy's weights. 0 makes it the policy as the round begins."""
    baseline: str | None = None
    """The response ȳ of each prompt that rewards are calibrated against (CGPO): `gold` (its gold
    answer), `initial` (one sample of the policy as the run began, always the same for a prompt), or
    null for none. It is judged and kept like any response, and costs one more for each prompt."""
    length: LengthConfig = field(default_factory=LengthConfig)
    """A target for the length of responses, whatever the objective."""
    refill: int = 0
    """Most times that a round draws further prompts in place of groups whose rewards are all equal,
    which are then left out of learning (DAPO's dynamic sampling). 0 draws none."""
    learning_rate: float = 1e-6
    """Peak rate. Whole weights of large models: around 1e-6; LoRA: 1e-5; the tiny model: 1e-3."""
    head_rate: float = 1.0
    """Learning rate of value and reward heads, in units of `learning_rate`: a new head on a large
    model learns too slowly at the body's rate, and takes 10 to 1000."""
    schedule: str = "constant"
    """`constant`, `linear` or `cosine`, over the rounds; constant within a round."""
    rounds: int | None = None
    """Rounds until a decaying schedule reaches zero; a decaying schedule needs it. Apart from the
    run's own length, which may grow, so that a longer run never changes what was learned."""
    warmup_rounds: int = 0
    """Rounds over which the learning rate rises to its peak; 0: none."""
    betas: tuple[float, float] = (0.9, 0.999)
    """AdamW's decay rates of the running mean and of the mean square."""
    weight_decay: float = 0.0
    """Of matrices; vectors (norms, biases) are never decayed."""
    max_grad_norm: float = 1.0
    """Gradients with a larger norm are scaled down to it."""
    epochs: int = 1
    """Passes over a round's batch."""
    minibatches: int = 1
    """Optimiser steps in each pass."""
    micro_batch_tokens: int = 16384
    """Tokens, padding included, in one forward and backward pass: bounds the memory."""
    gradient_checkpointing: bool = False
    """Compute activations anew in the backward pass: less memory, more time."""
    mixed_precision: bool = False
    """Learn under bfloat16 autocast, the weights staying float32. Weights in `model.dtype` bfloat16
    compute in it already."""
    router_loss: float | None = None
    """Weight of a mixture of experts' load-balancing loss beside any objective, once in each
    optimiser step; null takes the model's own (`router_aux_loss_coef`), 0 none."""
    trl: dict[str, Any] = field(default_factory=dict)
    """Further options of TRL's trainer configuration that act in the chosen loss; others are
    refused (docs/objectives.md)."""

    @property
    def reference_directory(self) -> str | None:
        """The model directory that `reference` names, if it names one."""
        named = self.reference is None or self.reference in REFERENCES
        return None if named else self.reference

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range, or a schedule that cannot be followed.
        """
        baseline = self.baseline
        expected = f"null or {' or '.join(BASELINES)}"
        require(baseline in (None, *BASELINES), f"{where}.baseline", expected, f"'{baseline}'")
        require(self.learning_rate >= 0, f"{where}.learning_rate", "0 or more", self.learning_rate)
        require(self.head_rate > 0, f"{where}.head_rate", "above 0", self.head_rate)
        require(self.max_grad_norm > 0, f"{where}.max_grad_norm", "above 0", self.max_grad_norm)
        decay = self.reference_decay
        require(0 <= decay < 1, f"{where}.reference_decay", "0 or more and below 1", decay)
        weight = self.router_loss
        require(weight is None or weight >= 0, f"{where}.router_loss", "null, or 0 or more", weight)
        require(self.refill >= 0, f"{where}.refill", "0 or more", self.refill)
        for name in ("epochs", "minibatches", "micro_batch_tokens"):
            require(getattr(self, name) >= 1, f"{where}.{name}", "1 or more", getattr(self, name))
        check_schedule(self.schedule, self.rounds, self.warmup_rounds)


def check_together(policy: PolicyConfig, solver: SolverConfig) -> None:
    """Refuses a policy that the solver cannot change.

    Raises:
        ConfigError: the weights are frozen under adapters, and the objective learns whole weights;
            or they are float16 and learn whole.
    """
    if policy.dtype == "float16" and not policy.adapted:
        raise ConfigError(
            "model.dtype: expected bfloat16 or float32 where whole weights learn, since float16 "
            "loses gradients below 6e-8 and overflows above 65,504; found float16. Choose one of "
            "these, or set model.lora.enabled to true, which leaves the float16 weights frozen."
        )
    if policy.lora.enabled and "whole weights" in needs_of(solver):
        raise ConfigError(
            f"model.lora.enabled: expected false, since the objective '{solver.objective.name}' "
            "merges adapters of its own into the whole weights, and LoRA freezes these; found "
            "true. Set it to false, or choose an objective without 'whole weights' among its "
            "needs (docs/objectives.md), such as dpo."
        )
