"""Frozen modules: what an objective keeps to, apart from the module that learns.

A copy holds its own of what learns and shares what does not, so that under LoRA it costs no more
than the adapters.
"""

from __future__ import annotations

import copy
from typing import Any

import torch

from selfplay.core.errors import ModelError
from selfplay.core.models.pretrained import Pretrained, load_pretrained, load_tokenizer
from solver.config import PolicyConfig


def base_of(module: Any) -> Any:
    """The `PreTrainedModel` itself; of a `PeftModel`, the base with its adapter layers in place."""
    return module.get_base_model() if hasattr(module, "peft_config") else module


def frozen_copy(module: Any) -> Any:
    """The module with the weights of now, not to be changed by what is learned later."""
    shared = {id(p): p for p in module.parameters() if not p.requires_grad}
    return copy.deepcopy(module, shared).requires_grad_(False).eval()


def without_adapters(module: Any) -> Any:
    """A frozen copy of a `PeftModel` in which only the base answers."""
    copied = frozen_copy(module)
    copied.base_model.disable_adapter_layers()
    return copied


def load_frozen(path: str, chosen: PolicyConfig) -> Any:
    """The model at `path`, loaded as the policy's own was.

    Raises:
        ModelError: the directory cannot be used.
    """
    loaded = load_pretrained(path, chosen.dtype, chosen.device, chosen.quantization)
    return base_of(loaded.module.requires_grad_(False))


def check_vocabulary(path: str, policy: Pretrained) -> None:
    """Compares the tokens of the model at `path` with the policy's.

    Raises:
        ModelError: they differ, so that it cannot score the policy's responses.
    """
    found = load_tokenizer(path).get_vocab()
    expected = policy.tokenizer.get_vocab()
    if found != expected:
        different = len(found.items() ^ expected.items())
        raise ModelError(
            f"solver.reference: expected a model with the vocabulary of '{policy.name}' "
            f"({len(expected)} tokens), found one of {len(found)} tokens in '{path}', of which "
            f"{different} are not shared. Take a reference of the policy's own family."
        )


def check_logits(reference: Any, module: Any) -> None:
    """Compares the numbers of logits of two models.

    Raises:
        ModelError: they differ, so that whole distributions cannot be compared.
    """
    found, expected = (_logits(one) for one in (reference, module))
    if found != expected:
        raise ModelError(
            f"solver.reference: this objective compares whole distributions, so it needs a "
            f"reference with {expected} logits; found {found}. Take another reference, or an "
            "objective that compares log-probabilities of tokens alone."
        )


def _logits(module: Any) -> int:
    weight: torch.Tensor = module.get_output_embeddings().weight
    return int(weight.size(0))
