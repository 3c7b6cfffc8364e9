"""The policy: one causal language model that answers and learns, with its optimiser.

Its state is the weights, AdamW's moments, the version and, where it is the reference, the moving
average of the weights, nothing else; `solver.checkpoint` writes and reads that state. Whole weights
learn, or low-rank adapters (PEFT) over frozen ones, which may be quantised (QLoRA). Left out:
sharded optimisers.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from selfplay.core.errors import ConfigError
from selfplay.core.models.pretrained import Pretrained, load_pretrained
from selfplay.core.models.transformers_model import TransformersModel
from solver.config import LoraConfig, PolicyConfig, SolverConfig
from solver.frozen import base_of, check_vocabulary, frozen_copy, load_frozen, without_adapters
from solver.heads import make_heads
from solver.learning.team import Team
from solver.objectives.needs import needs_of


@dataclass
class Policy:
    """A model that answers and learns."""

    config: SolverConfig
    chosen: PolicyConfig
    pretrained: Pretrained
    model: TransformersModel
    """Answers with the live weights."""
    optimizer: torch.optim.AdamW
    version: int = 0
    """Learning stages done."""
    heads: torch.nn.ModuleDict = field(default_factory=torch.nn.ModuleDict)
    """`value` and `reward`, as far as the objective needs them; they learn with the weights."""
    team: Team = field(default_factory=Team, repr=False)
    """The processes that learn together."""
    average: Any = field(default=None, repr=False)
    """The moving average of the weights, a frozen module; None unless it is the reference."""
    _frozen: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def load(cls, chosen: PolicyConfig, config: SolverConfig, team: Team | None = None) -> Policy:
        """The chosen model, ready to learn as `config` says, at version 0; alone without `team`.

        Raises:
            ModelError: the model directory cannot be used, or the reference has other tokens.
            ConfigError: the adapter options do not fit the model.
            ResourceError: a quantised model, and no CUDA device or no bitsandbytes.
        """
        if chosen.threads is not None:
            torch.set_num_threads(chosen.threads)
        pretrained = load_pretrained(chosen.path, chosen.dtype, chosen.device, chosen.quantization)
        if config.reference_directory is not None:
            check_vocabulary(config.reference_directory, pretrained)
        if chosen.lora.enabled:
            pretrained.module = _with_adapter(pretrained.module, chosen.lora)
        model = TransformersModel(pretrained)
        heads = make_heads(needs_of(config), base_of(pretrained.module), Path(chosen.path))
        optimizer = adamw(pretrained.module, config, heads)
        policy = cls(config, chosen, pretrained, model, optimizer, 0, heads, team or Team())
        if config.reference == "moving_average":
            policy.average = frozen_copy(pretrained.module)
        return policy

    @property
    def module(self) -> Any:
        """The `PreTrainedModel` that learns; under LoRA, the base with its adapter layers in place.

        A trainer that is handed this module, and not the `PeftModel` around it, treats adapters
        and whole weights alike.
        """
        return base_of(self.pretrained.module)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return torch.device(self.module.device)

    @property
    def pad_id(self) -> int:
        """The token that fills batches up."""
        return int(self.pretrained.tokenizer.pad_token_id)

    @property
    def learned(self) -> list[torch.nn.Parameter]:
        """The parameters that the optimiser moves."""
        return [p for group in self.optimizer.param_groups for p in group["params"]]

    def named_parameters(self) -> Iterator[tuple[str, torch.nn.Parameter]]:
        """Every parameter by its name; those of a head are called `heads.NAME.weight`."""
        yield from self.pretrained.module.named_parameters()
        for name, parameter in self.heads.named_parameters():
            yield f"heads.{name}", parameter

    def reference(self, kind: str) -> Any:
        """The frozen module that an objective keeps to; never the one that learns.

        Args:
            kind: `round_start` (a copy of the weights of now, which the caller keeps for its
                stage), `initial` (under LoRA the base without adapters, else read once),
                `moving_average`, or a model directory, read once.

        Raises:
            ModelError: the directory cannot be used.
        """
        if kind == "round_start":
            return base_of(frozen_copy(self.pretrained.module))
        if kind == "moving_average":
            return base_of(self.average)
        if kind not in self._frozen:
            self._frozen[kind] = (
                self._initial() if kind == "initial" else load_frozen(kind, self.chosen)
            )
        return self._frozen[kind]

    def _initial(self) -> Any:
        if self.chosen.lora.enabled:
            return base_of(without_adapters(self.pretrained.module))
        return load_frozen(self.chosen.path, self.chosen)

    @property
    def averaged(self) -> dict[str, torch.Tensor]:
        """The moving average of each learned weight, by its name; empty where none is kept."""
        if self.average is None:
            return {}
        averages = dict(self.average.named_parameters())
        return {
            name: averages[name].detach()
            for name, parameter in self.pretrained.module.named_parameters()
            if parameter.requires_grad
        }

    def update_average(self) -> None:
        """Moves the average towards the weights of now; nothing where none is kept."""
        learned = dict(self.pretrained.module.named_parameters())
        for name, average in self.averaged.items():
            average.lerp_(learned[name].detach(), 1.0 - self.config.reference_decay)

    def set_learning_rate(self, rate: float) -> None:
        """Sets the rate of every parameter group, the base of any scheduler included."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] = rate * group["rate_factor"]


def _with_adapter(module: Any, lora: LoraConfig) -> Any:
    from peft import LoraConfig as PeftLoraConfig
    from peft import get_peft_model

    if hasattr(module, "peft_config"):
        raise ConfigError(
            "model.lora: expected a whole model under a new adapter, found a directory "
            "that is an adapter already. Set lora.enabled to false to go on training that one."
        )
    for name in ("target_modules", "modules_to_save"):
        if "lm_head" in getattr(lora, name):
            raise ConfigError(
                f"model.lora.{name}: the output head cannot carry an adapter, since TRL multiplies "
                "by its plain weights. Remove 'lm_head'."
            )
    options = PeftLoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.target_modules
        if isinstance(lora.target_modules, str)
        else list(lora.target_modules),
        use_rslora=lora.rslora,
        use_dora=lora.dora,
        modules_to_save=list(lora.modules_to_save) or None,
        init_lora_weights="gaussian" if lora.init == "gaussian" else True,
        task_type="CAUSAL_LM",
    )
    # Adapter weights are drawn from the global generator; the same model gets the same adapter.
    with torch.random.fork_rng(), warnings.catch_warnings():
        torch.manual_seed(0)
        # PEFT 0.21 reads an attribute that transformers 5.23 has renamed.
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing")
        adapted = get_peft_model(module, options)
    # By this mark a trainer that is handed the base knows that quantised weights are not to learn.
    module._hf_peft_config_loaded = True
    return adapted


def adamw(
    module: Any, config: SolverConfig, heads: torch.nn.Module | None = None
) -> torch.optim.AdamW:
    """A fresh AdamW over what learns in `module`, and over the heads."""
    learned = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in learned if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in learned if p.ndim < 2], "weight_decay": 0.0},
        {
            "params": list(heads.parameters()) if heads is not None else [],
            "weight_decay": config.weight_decay,
            "rate_factor": config.head_rate,
        },
    ]
    return torch.optim.AdamW(
        [{"rate_factor": 1.0} | group for group in groups if group["params"]],
        lr=config.learning_rate,
        betas=(config.betas[0], config.betas[1]),
        fused=True,
    )
