"""The policy: one causal language model that answers and learns, with its optimiser.

Its state is the weights with their float32 masters, AdamW's moments, the version, what methods keep
over training and, where it is the reference, the moving average of the weights, nothing else;
`solver.checkpoint` writes and reads that state. Whole weights learn, or low-rank adapters (PEFT)
over frozen ones, which may be quantised (QLoRA). Left out: sharded optimisers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from selfplay.core.models.pretrained import Pretrained, load_pretrained
from selfplay.core.models.transformers_model import TransformersModel
from solver.adapters import adapt
from solver.config import PolicyConfig, SolverConfig
from solver.frozen import base_of, check_vocabulary, frozen_copy, load_frozen, without_adapters
from solver.heads import make_heads
from solver.learning.router import router_weight
from solver.learning.team import Team
from solver.masters import Masters
from solver.objectives.needs import needs_of


@dataclass
class Policy:
    """A model that answers and learns."""

    config: SolverConfig
    chosen: PolicyConfig
    pretrained: Pretrained
    model: TransformersModel
    """Answers with the live weights."""
    version: int = 0
    """Learning stages done."""
    heads: torch.nn.ModuleDict = field(default_factory=torch.nn.ModuleDict)
    """`value` and `reward`, as far as the objective needs them; they learn with the weights."""
    team: Team = field(default_factory=Team, repr=False)
    """The processes that learn together."""
    memory: dict[str, dict[str, float]] = field(default_factory=dict)
    """What methods keep over training, by the place of the objective that keeps it (`Stage.memory`)
    and its name."""
    average: Any = field(default=None, repr=False)
    """The moving average of the weights, a frozen module; None unless it is the reference."""
    _frozen: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def load(cls, chosen: PolicyConfig, config: SolverConfig, team: Team | None = None) -> Policy:
        """The chosen model, ready to learn as `config` says, at version 0; alone without `team`.

        Raises:
            ModelError: the model directory cannot be used, or the reference has other tokens.
            ConfigError: the adapter options or the router's loss do not fit the model.
            ResourceError: a quantised model, and no CUDA device or no bitsandbytes.
        """
        if chosen.threads is not None:
            torch.set_num_threads(chosen.threads)
        pretrained = load_pretrained(chosen.path, chosen.dtype, chosen.device, chosen.quantization)
        if config.reference_directory is not None:
            check_vocabulary(config.reference_directory, pretrained)
        adapt(pretrained, chosen.lora, chosen.path)
        router_weight(base_of(pretrained.module), config.router_loss)
        model = TransformersModel(pretrained)
        heads = make_heads(needs_of(config), base_of(pretrained.module), Path(chosen.path))
        policy = cls(config, chosen, pretrained, model, 0, heads, team or Team())
        if config.reference == "moving_average":
            policy.average = frozen_copy(pretrained.module)
        return policy

    @cached_property
    def masters(self) -> Masters:
        """The float32 masters of what learns; they are made when something first learns."""
        masters = Masters(p for _, p in self.named_parameters() if p.requires_grad)
        masters.collect_gradients()
        return masters

    @cached_property
    def optimizer(self) -> torch.optim.AdamW:
        """AdamW over the masters; fresh when something first learns."""
        learned = [p for p in self.pretrained.module.parameters() if p.requires_grad]
        weights, heads = (map(self.masters.of, some) for some in (learned, self.heads.parameters()))
        return adamw(list(weights), self.config, list(heads))

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
        """What the optimiser moves: the weights that learn, or their masters; all float32."""
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

    @cached_property
    def _averages(self) -> dict[str, torch.nn.Parameter]:
        """The average's own of each learned weight, by its name; empty where none is kept."""
        if self.average is None:
            return {}
        kept = dict(self.average.named_parameters())
        learned = self.pretrained.module.named_parameters()
        return {name: kept[name] for name, parameter in learned if parameter.requires_grad}

    @cached_property
    def _average_masters(self) -> Masters:
        return Masters(self._averages.values())

    @property
    def averaged(self) -> dict[str, torch.Tensor]:
        """The moving average of each learned weight, float32, by its name; see `round`."""
        of = self._average_masters.of
        return {name: of(average).detach() for name, average in self._averages.items()}

    def update_average(self) -> None:
        """Moves the average towards the weights of now; nothing where none is kept."""
        learned = dict(self.pretrained.module.named_parameters())
        for name, average in self.averaged.items():
            master = self.masters.of(learned[name])
            average.lerp_(master.detach(), 1.0 - self.config.reference_decay)
        self._average_masters.round()

    def round(self) -> None:
        """Makes weights and averages what their masters are, which were changed."""
        self.masters.round()
        self._average_masters.round()

    def set_learning_rate(self, rate: float) -> None:
        """Sets the rate of every parameter group, the base of any scheduler included."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] = rate * group["rate_factor"]


def adamw(
    weights: Sequence[torch.nn.Parameter],
    config: SolverConfig,
    heads: Sequence[torch.nn.Parameter] = (),
) -> torch.optim.AdamW:
    """A fresh AdamW over weights of a model, and over those of its heads."""
    groups = [
        {"params": [p for p in weights if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in weights if p.ndim < 2], "weight_decay": 0.0},
        {
            "params": list(heads),
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
