"""Adapters side by side on a policy's whole weights, merged into these in the end.

The arithmetic is PEFT's (`peft.utils.merge_utils`), on each layer's whole change ΔW = s·BA. PEFT's
own `add_weighted_adapter` merges the factors A and B by themselves, so that products of one
adapter's A with another's B come in; since the sum goes into the weights here, nothing has to have
a low rank. TIES: Yadav et al., 2023, arXiv 2306.01708; DARE: Yu et al., 2023, arXiv 2311.03099;
task arithmetic: Ilharco et al., 2022, arXiv 2212.04089.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from peft.utils import merge_utils

from selfplay.core.seeding import Seed


@contextmanager
def adapters(
    module: Any, names: Sequence[str], options: dict[str, Any], seed: Seed
) -> Iterator[Any]:
    """Fresh adapters around `module`, all changes at zero; taken off again at the end.

    The module's parameters are the same objects before and after, and learn as they did before.

    Args:
        options: PEFT's, the same for all.
        seed: of the first factors.
    """
    learned = [parameter for parameter in module.parameters() if parameter.requires_grad]
    with torch.random.fork_rng(), warnings.catch_warnings():
        torch.manual_seed(seed.integer())
        # PEFT 0.21 reads an attribute that transformers 5.23 has renamed.
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing")
        wrapped: Any = get_peft_model(module, _config(options), adapter_name=names[0])
        for name in names[1:]:
            wrapped.add_adapter(name, _config(options))
    try:
        yield wrapped
    finally:
        wrapped.base_model.unload()
        for parameter in learned:
            parameter.requires_grad_(True)


def _config(options: dict[str, Any]) -> LoraConfig:
    return LoraConfig(**options, task_type="CAUSAL_LM")


def fold(
    wrapped: PeftModel,
    add: Callable[[torch.nn.Parameter, torch.Tensor], None],
    names: Sequence[str],
    method: str,
    weights: Sequence[float],
    density: float,
    seed: Seed,
) -> None:
    """Adds the merged changes of the adapters to the base's weights, in place.

    Args:
        add: adds a change to a weight (`Masters.add`).
        method: `linear`, `ties`, `dare_linear`, `dare_ties` or `magnitude_prune`.
        weights: of each adapter.
        density: share of each change's entries that is kept.
        seed: of the entries that DARE drops.
    """
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(seed.integer())
        for layer in wrapped.modules():
            if isinstance(layer, LoraLayer):
                changes = [layer.get_delta_weight(name) for name in names]  # type: ignore[operator]
                change = merged(changes, method, weights, density)
                base: Any = layer.get_base_layer()
                add(base.weight, change)


def merged(
    changes: Sequence[torch.Tensor], method: str, weights: Sequence[float], density: float
) -> torch.Tensor:
    """One change of some, each of the same shape; draws from torch's global generator for DARE."""
    weights_C = torch.tensor(weights, dtype=changes[0].dtype, device=changes[0].device)
    if method == "linear":
        summed: torch.Tensor = merge_utils.task_arithmetic(list(changes), weights_C)
        return summed
    merge = getattr(merge_utils, method)
    with warnings.catch_warnings():
        # A density of 1 is a choice: nothing is dropped.
        warnings.filterwarnings("ignore", message="The density .* no pruning")
        found: torch.Tensor = merge(list(changes), weights_C, density)
    return found
