"""Model directories in the Hugging Face layout: loading, saving, replacing weights in place.

A directory holds either a whole model (`config.json`, safetensors, tokenizer with a chat template)
or a PEFT adapter (`adapter_config.json`), whose base model is loaded first. Tokenizers pad left.
Everything that can be wrong with a directory is found here and named, so that no later stage has
to guess. Weights can be quantised as they are loaded (bitsandbytes, CUDA). Left out: remote code,
pickled weights and device maps.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from transformers.utils import logging as transformers_logging

from selfplay.core.errors import ModelError, ResourceError, nearest

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
DEVICES = ("auto", "cpu", "cuda")
QUANTIZATIONS: dict[str, dict[str, Any]] = {
    "4bit": {
        "load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_use_double_quant": True,
    },
    "8bit": {"load_in_8bit": True},
}
"""bitsandbytes' options: QLoRA's, and LLM.int8's."""
QUANTIZED_DEVICES = ("cuda",)


@dataclass
class Pretrained:
    """A causal language model with its tokenizer, ready to generate and to be trained."""

    module: Any
    """A `PreTrainedModel`, or a `PeftModel` around one; training changes it in place."""
    tokenizer: Any
    """Pads left; has a pad token, an end-of-sequence token and a chat template."""
    name: str
    """The directory's name or the hub name, for lineage and reports."""
    context: int
    """Longest sequence in tokens, prompt and response together."""


def load_pretrained(
    path_or_name: str,
    dtype: str = "float32",
    device: str = "auto",
    quantization: str | None = None,
) -> Pretrained:
    """Loads a model and its tokenizer from a directory, or by name from the hub.

    Args:
        path_or_name: a directory, or a hub name such as `Qwen/Qwen3-0.6B`.
        dtype: one of `float32`, `bfloat16`, `float16`.
        device: `cpu`, `cuda`, or `auto`: CUDA where there is one.
        quantization: `4bit` or `8bit`, with `dtype` as what is computed in; None leaves the weights
            as they are.

    Raises:
        ModelError: the model cannot be used; the message names what is missing.
        ResourceError: a quantised model, and no CUDA device or no bitsandbytes.
    """
    torch_dtype, torch_device = dtype_of(dtype), device_of(device)
    quantized = _quantized(quantization, torch_dtype, torch_device)
    if Path(path_or_name).exists():
        _check_directory(Path(path_or_name))
    elif cannot_be_a_hub_name(path_or_name):
        raise ModelError(
            f"Expected a model directory or a hub name, found no directory at '{path_or_name}'. "
            "Check the path."
        )
    with quiet():
        tokenizer = load_tokenizer(path_or_name)
        module = _load_module(path_or_name, torch_dtype, **quantized)
    return Pretrained(
        # bitsandbytes puts weights on their device itself, and refuses to move them.
        module=(module if quantized else module.to(torch_device)).eval(),
        tokenizer=tokenizer,
        name=Path(path_or_name).name if Path(path_or_name).exists() else path_or_name,
        context=_context(module, tokenizer),
    )


def save_pretrained(pretrained: Pretrained, directory: Path) -> None:
    """Writes safetensors, configuration and tokenizer; of a PEFT model, the adapter alone."""
    with quiet():
        pretrained.module.save_pretrained(directory, safe_serialization=True)
        pretrained.tokenizer.save_pretrained(directory)


def load_weights(module: Any, directory: Path) -> None:
    """Replaces `module`'s weights in place by those of `directory`, keeping dtype and device.

    Raises:
        ModelError: the directory cannot be used, or holds another architecture.
    """
    _check_directory(directory)
    is_adapter = (directory / "adapter_config.json").exists()
    if is_adapter != hasattr(module, "peft_config"):
        kinds = ("an adapter", "a whole model")
        found, expected = kinds if is_adapter else kinds[::-1]
        raise ModelError(
            f"Expected the weights of {expected}, found {found} in '{directory}'. "
            "Load a directory that was saved from the same kind of model."
        )
    try:
        if is_adapter:
            _load_adapter_weights(module, directory)
        else:
            with quiet():
                fresh = _load_module(str(directory), module.dtype)
            module.load_state_dict(fresh.state_dict())
    except RuntimeError as error:
        raise ModelError(
            f"The weights in '{directory}' do not fit the {type(module).__name__} in memory: "
            f"{error} Load weights of the same architecture and size."
        ) from error


def _load_adapter_weights(module: Any, directory: Path) -> None:
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    set_peft_model_state_dict(module, load_file(directory / "adapter_model.safetensors"))


def load_tokenizer(path_or_name: str) -> Any:
    """The tokenizer of a directory or a hub name, padding left.

    Raises:
        ModelError: there is none, or it lacks a chat template or an end-of-sequence token.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(path_or_name, padding_side="left")
    except (OSError, ValueError) as error:
        raise ModelError(_unreachable(path_or_name, "tokenizer", error)) from error
    if tokenizer.chat_template is None:
        raise ModelError(
            f"Expected a tokenizer with a chat template, found none in '{path_or_name}'. Add "
            "`chat_template.jinja` to its directory, or take an instruction-tuned model."
        )
    if tokenizer.eos_token_id is None:
        raise ModelError(
            f"Expected a tokenizer with an end-of-sequence token, found none in "
            f"'{path_or_name}'. Set `eos_token` in its `tokenizer_config.json`."
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _load_module(path_or_name: str, dtype: torch.dtype, **quantized: Any) -> Any:
    adapter = Path(path_or_name) / "adapter_config.json"
    if adapter.exists():
        from peft import PeftModel

        base = json.loads(adapter.read_text())["base_model_name_or_path"]
        whole = _load_module(base, dtype, **quantized)
        return PeftModel.from_pretrained(whole, path_or_name, is_trainable=True)
    try:
        return AutoModelForCausalLM.from_pretrained(
            path_or_name, dtype=dtype, use_safetensors=True, **quantized
        )
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(_unreachable(path_or_name, "model", error)) from error


def _unreachable(path_or_name: str, what: str, error: Exception) -> str:
    if Path(path_or_name).exists():
        return f"The {what} in '{path_or_name}' cannot be loaded: {error}"
    return (
        f"'{path_or_name}' is no local directory, and the hub could not provide its {what}: "
        f"{error} Download the model and give its directory, or check name and network."
    )


def _check_directory(directory: Path) -> None:
    """Names what a local model directory lacks."""
    if not directory.is_dir():
        raise ModelError(f"Expected a model directory, found nothing like it at '{directory}'.")
    if not any((directory / name).exists() for name in ("config.json", "adapter_config.json")):
        raise ModelError(
            f"Expected a model directory with a config.json, found none in '{directory}'. "
            "Give the directory that holds config.json, *.safetensors and the tokenizer."
        )
    if not any(directory.glob("*.safetensors")):
        raise ModelError(
            f"Expected weights (*.safetensors), found none in '{directory}'. Pickled weights are "
            "not read: convert them with `save_pretrained(..., safe_serialization=True)`."
        )
    if not any(directory.glob("tokenizer*")):
        raise ModelError(
            f"Expected a tokenizer, found none in '{directory}'. Save it there as well: "
            "`tokenizer.save_pretrained(directory)`."
        )


def cannot_be_a_hub_name(name: str) -> bool:
    """Is it a path, which the hub need not be asked for?"""
    return name.startswith((".", "/", "~")) or name.count("/") > 1


def dtype_of(name: str) -> torch.dtype:
    """The dtype called `name`. Raises ModelError for an unknown one."""
    if name not in DTYPES:
        raise ModelError(f"Unknown dtype '{name}'; {nearest(name, DTYPES)}")
    return DTYPES[name]


def device_of(name: str) -> torch.device:
    """The device called `name`. Raises ModelError if it is unknown, or CUDA and not there."""
    if name not in DEVICES:
        raise ModelError(f"Unknown device '{name}'; {nearest(name, DEVICES)}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ModelError("Expected a CUDA device, found none. Use `device: auto` or `device: cpu`.")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def _quantized(
    quantization: str | None, dtype: torch.dtype, device: torch.device
) -> dict[str, Any]:
    """transformers' arguments for a quantised model; none for a plain one."""
    if quantization is None:
        return {}
    if quantization not in QUANTIZATIONS:
        raise ModelError(
            f"Unknown quantization '{quantization}'; {nearest(quantization, QUANTIZATIONS)}"
        )
    if device.type not in QUANTIZED_DEVICES:
        raise ResourceError(
            f"model.quantization={quantization}: expected a CUDA device, found '{device}'. Run on "
            "a machine with an NVIDIA GPU, or remove model.quantization."
        )
    if find_spec("bitsandbytes") is None:
        raise ResourceError(
            f"model.quantization={quantization}: expected the package bitsandbytes, found none. "
            "Install it (pip install bitsandbytes), or remove model.quantization."
        )
    config = BitsAndBytesConfig(**QUANTIZATIONS[quantization], bnb_4bit_compute_dtype=dtype)
    return {"quantization_config": config, "device_map": {"": device}}


def _context(module: Any, tokenizer: Any) -> int:
    """The model's positions; models without such a limit are held to their tokenizer's."""
    positions = getattr(module.config.get_text_config(), "max_position_embeddings", None)
    return int(positions or tokenizer.model_max_length)


@contextmanager
def quiet() -> Iterator[None]:
    """Silences transformers' progress bars and warnings, and peft's calls to what is deprecated."""
    bars = transformers_logging.is_progress_bar_enabled()
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()
