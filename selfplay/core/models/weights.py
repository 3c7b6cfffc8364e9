"""Weights of model directories: read as a whole, or refused; never random, never not a number.

transformers makes up weights that a file lacks, and leaves out those that it holds beyond the
configuration. Both are another model than the one that was trained, so both are refused, as are
adapters whose tensors are not those of their base. Code that comes with a model is never run.
Left out: pickled weights, device maps.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from selfplay.core.errors import ModelError
from selfplay.core.models.hub import located
from selfplay.core.models.library import loading

ADAPTER_CONFIG, ADAPTER = "adapter_config.json", "adapter_model.safetensors"
_CHECK = "Check the files there, or fetch the model again."
_BELONGING = (
    "Weights made up or left out would be another model: give the files that belong together, or "
    "save the model again."
)
_SHOWN = 3
"""Names that an error shows."""


def load_module(directory: Path, dtype: torch.dtype, **options: Any) -> Any:
    """The causal language model of a directory; of an adapter, a `PeftModel` around its base.

    Raises:
        ModelError: it cannot be loaded, or is not wholly what its configuration describes.
    """
    if (directory / ADAPTER_CONFIG).exists():
        return _load_adapted(directory, dtype, **options)
    module = load_whole(AutoModelForCausalLM, directory, dtype, **options)
    refuse_not_finite(module, directory)
    _ask_no_router(module)
    return module


def load_whole(
    kind: Any,
    directory: Path,
    dtype: torch.dtype,
    spare: Collection[str] = (),
    remedy: str = _BELONGING,
    **options: Any,
) -> Any:
    """A whole model under one of transformers' auto classes.

    Args:
        kind: the auto class.
        directory: where it lies.
        dtype: of the weights in memory.
        spare: beginnings of weights that may be there and are not read.
        remedy: what to do about other weights, a sentence.
        options: for `from_pretrained`.

    Raises:
        ModelError: it cannot be loaded; weights are missing, of another shape, or too many.
    """
    with loading(f"The model in '{directory}' cannot be loaded", _CHECK):
        module, found = kind.from_pretrained(
            str(directory),
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are named below, which the library does not do
            **options,
        )
    extra = [name for name in found["unexpected_keys"] if not name.startswith(tuple(spare))]
    wrong = [
        f"{name} {tuple(there)} instead of {tuple(here)}"
        for name, there, here in found["mismatched_keys"]
    ]
    refuse_other_weights(directory, found["missing_keys"], extra, wrong, remedy)
    return module


def refuse_other_weights(
    directory: Path,
    missing: Collection[str],
    extra: Collection[str],
    wrong: Collection[str],
    remedy: str = _BELONGING,
) -> None:
    """Refuses weights that are not those of the model that the configuration describes.

    Raises:
        ModelError: any is missing, beyond it, or of another shape; names some.
    """
    parts = [("are without", missing), ("have other shapes for", wrong), ("hold beyond it", extra)]
    said = [f"{verb} {_listed(names)}" for verb, names in parts if names]
    if said:
        raise ModelError(
            f"The weights in '{directory}' are not those of the model that its configuration "
            f"describes: they {', and '.join(said)}. {remedy}"
        )


def refuse_not_finite(module: Any, directory: Path) -> None:
    """Refuses weights of which some are no numbers.

    Raises:
        ModelError: names a weight that holds NaN or an infinity.
    """
    for name, weight in module.named_parameters():
        if weight.is_floating_point() and not bool(torch.isfinite(weight.detach()).all()):
            raise ModelError(
                f"The weight {name} in '{directory}' holds values that are not finite: the model "
                "diverged when it was trained, or overflowed when it was converted. Take an "
                "earlier version of it, or load it with a wider dtype."
            )


def load_adapter_weights(module: Any, directory: Path) -> None:
    """Replaces the weights of a `PeftModel`'s adapter by those of a directory, in place.

    Raises:
        ModelError: they cannot be read, are not finite, or are those of another adapter or base.
    """
    from peft import set_peft_model_state_dict

    found = _checked_adapter(module, directory)
    with loading(f"The adapter in '{directory}' does not fit its base", _CHECK):
        set_peft_model_state_dict(module, found)
    refuse_not_finite(module, directory)


def _ask_no_router(module: Any) -> None:
    """Has a mixture of experts give its router's logits only to passes that ask for them.

    Some libraries save models that always do: these fail where one token at a time is generated,
    and trainers add their own balancing loss to one that is added already.
    """
    routing = module.config.get_text_config()
    if getattr(routing, "output_router_logits", False):
        routing.output_router_logits = False


def _load_adapted(directory: Path, dtype: torch.dtype, **options: Any) -> Any:
    from peft import PeftModel

    base = load_module(_base_of(directory), dtype, **options)
    if hasattr(base, "peft_config"):
        raise ModelError(
            f"The adapter in '{directory}' is for another adapter. Merge that one into its base "
            "first."
        )
    with (
        loading(f"The adapter in '{directory}' cannot be loaded", _CHECK),
        torch.random.fork_rng(devices=[]),  # what the adapter is before its weights are read
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # of keys that are missing, which are refused below
        module = PeftModel.from_pretrained(base, str(directory), is_trainable=True)
    _checked_adapter(module, directory)
    refuse_not_finite(module, directory)
    return module


def _checked_adapter(module: Any, directory: Path) -> dict[str, torch.Tensor]:
    """The adapter's tensors as the file has them, which are those that the module expects."""
    from peft import get_peft_model_state_dict

    with loading(f"The adapter in '{directory}' cannot be loaded", _CHECK):
        found: dict[str, torch.Tensor] = load_file(directory / ADAPTER)
        expected = get_peft_model_state_dict(module, save_embedding_layers=False)
    wrong = [
        f"{name} {tuple(found[name].shape)} instead of {tuple(expected[name].shape)}"
        for name in sorted(found.keys() & expected.keys())
        if found[name].shape != expected[name].shape
    ]
    # Weights of the base itself, such as resized embeddings, may come with an adapter.
    extra = found.keys() - expected.keys() - module.state_dict().keys()
    refuse_other_weights(directory, expected.keys() - found.keys(), extra, wrong)
    return found


def _base_of(directory: Path) -> Path:
    """Where the base of an adapter lies; a relative path may be meant from the adapter's place."""
    with loading(f"The {ADAPTER_CONFIG} in '{directory}' cannot be read", _CHECK):
        config = json.loads((directory / ADAPTER_CONFIG).read_text())
    base = config.get("base_model_name_or_path") if isinstance(config, Mapping) else None
    if not isinstance(base, str) or not base:
        raise ModelError(
            f"Expected the adapter in '{directory}' to name its base, found "
            f"base_model_name_or_path={base!r} in {ADAPTER_CONFIG}. Write the base's directory or "
            "hub name there."
        )
    beside = directory / base
    place = beside if beside.is_dir() and not Path(base).is_dir() else located(base)
    if place.resolve() == directory.resolve():
        raise ModelError(
            f"The adapter in '{directory}' names itself as its base. Write the base's directory "
            f"or hub name into {ADAPTER_CONFIG}."
        )
    return place


def _listed(names: Collection[str]) -> str:
    shown = ", ".join(sorted(names)[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
