"""The policy: one causal language model that answers and learns, with its optimiser.

Its state is the weights, AdamW's moments and the version, nothing else; `solver.checkpoint` writes
and reads that state. Whole weights learn, or low-rank adapters (PEFT) over frozen ones. Left out:
sharded optimisers and quantised bases.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from selfplay.core.errors import ConfigError
from selfplay.core.models.pretrained import Pretrained, load_pretrained
from selfplay.core.models.transformers_model import TransformersModel
from solver.config import LoraConfig, PolicyConfig, SolverConfig


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
    _frozen: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def load(cls, chosen: PolicyConfig, config: SolverConfig) -> Policy:
        """The chosen model, ready to learn as `config` says, at version 0.

        Raises:
            ModelError: the model directory cannot be used.
            ConfigError: the adapter options do not fit the model.
        """
        if chosen.threads is not None:
            torch.set_num_threads(chosen.threads)
        pretrained = load_pretrained(chosen.path, chosen.dtype, chosen.device)
        if chosen.lora.enabled:
            pretrained.module = _with_adapter(pretrained.module, chosen.lora)
        optimizer = _adamw(pretrained.module, config)
        return cls(config, chosen, pretrained, TransformersModel(pretrained), optimizer)

    @property
    def module(self) -> Any:
        """The `PreTrainedModel` that learns; under LoRA, the base with its adapter layers in place.

        A trainer that is handed this module, and not the `PeftModel` around it, treats adapters
        and whole weights alike.
        """
        module = self.pretrained.module
        return module.get_base_model() if hasattr(module, "peft_config") else module

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

    @contextmanager
    def reference(self, kind: str) -> Iterator[Any]:
        """The frozen module that an objective keeps to.

        Args:
            kind: `initial` (under LoRA the adapter is switched off, else a copy is read once), or
                a model directory.

        Raises:
            ModelError: the directory cannot be used.
        """
        if kind == "initial" and self.chosen.lora.enabled:
            with self.pretrained.module.disable_adapter():
                yield self.module
            return
        if kind not in self._frozen:
            chosen, path = self.chosen, self.chosen.path if kind == "initial" else kind
            loaded = load_pretrained(path, chosen.dtype, chosen.device).module
            self._frozen[kind] = loaded.requires_grad_(False)
        yield self._frozen[kind]

    def set_learning_rate(self, rate: float) -> None:
        """Sets the rate of every parameter group, the base of any scheduler included."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] = rate


def _with_adapter(module: Any, lora: LoraConfig) -> Any:
    from peft import LoraConfig as PeftLoraConfig
    from peft import get_peft_model

    if hasattr(module, "peft_config"):
        raise ConfigError(
            "model.lora: expected a whole model under a new adapter, found a directory "
            "that is an adapter already. Set lora.enabled to false to go on training that one."
        )
    if "lm_head" in lora.target_modules:
        raise ConfigError(
            "model.lora.target_modules: the output head cannot carry an adapter, since "
            "TRL multiplies by its plain weights. Remove 'lm_head'."
        )
    options = PeftLoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.target_modules
        if isinstance(lora.target_modules, str)
        else list(lora.target_modules),
        task_type="CAUSAL_LM",
    )
    # Adapter weights are drawn from the global generator; the same model gets the same adapter.
    with torch.random.fork_rng(), warnings.catch_warnings():
        torch.manual_seed(0)
        # PEFT 0.21 reads an attribute that transformers 5.23 has renamed.
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing")
        return get_peft_model(module, options)


def _adamw(module: Any, config: SolverConfig) -> torch.optim.AdamW:
    learned = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in learned if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in learned if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=config.learning_rate,
        betas=(config.betas[0], config.betas[1]),
        fused=True,
    )
