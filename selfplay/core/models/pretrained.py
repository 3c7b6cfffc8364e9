"""Model directories in the Hugging Face layout: loading, saving, replacing weights in place.

A directory holds either a whole model (`config.json`, safetensors, tokenizer with a chat template)
or a PEFT adapter (`adapter_config.json`), whose base model is loaded first. Tokenizers pad left.
Everything that can be wrong with a directory is found when it is loaded and named, so that no later
stage has to guess: here what is missing, in `weights` other weights than the configuration's, in
`agreement` a model that does not generate as it scores. Weights can be quantised as they are loaded
(bitsandbytes, CUDA). Left out: remote code, pickled weights and device maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, BitsAndBytesConfig

from selfplay.core.errors import ModelError, ResourceError, nearest
from selfplay.core.models.agreement import check_generation
from selfplay.core.models.chat import ChatTokenizer
from selfplay.core.models.hub import located, model_name
from selfplay.core.models.library import loading, quiet
from selfplay.core.models.weights import ADAPTER, load_adapter_weights, load_module
from selfplay.core.notices import note, waiting

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

    @cached_property
    def chat(self) -> ChatTokenizer:
        """How the model is asked and answers: chats and texts to tokens, and what ends a turn."""
        return ChatTokenizer(self.tokenizer, self.name)

    @cached_property
    def stops(self) -> list[int]:
        """Where generation stops: the template's end of turn, the tokenizer's end of sequence and
        those of the generation configuration.
        """
        own = {self.chat.end_of_turn, self.tokenizer.eos_token_id}
        return sorted(own | self._configured_stops)

    @property
    def notes(self) -> list[str]:
        """What is worth knowing of the model before it is used."""
        return self.chat.disagreements(self._configured_stops)

    @property
    def _configured_stops(self) -> set[int]:
        configured: Any = self.module.generation_config.eos_token_id
        found = configured if isinstance(configured, list) else [configured]
        return {token for token in found if token is not None}


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
    directory = located(path_or_name)
    _check_directory(directory)
    name = model_name(path_or_name)
    with waiting(f"the model '{name}' to be loaded"):
        tokenizer = load_tokenizer(str(directory))
        module = load_module(directory, torch_dtype, **quantized)
    # bitsandbytes puts weights on their device itself, and refuses to move them.
    module = (module if quantized else module.to(torch_device)).eval()
    check_vocabulary(module, tokenizer, name)
    found = Pretrained(module, tokenizer, name, _context(module, tokenizer))
    check_generation(module, tokenizer.pad_token_id, name, found.context)
    for text in found.notes:
        note(text)
    return found


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
    if is_adapter:
        load_adapter_weights(module, directory)
        return
    fresh = load_module(directory, module.dtype)
    what = f"The weights in '{directory}' do not fit the {type(module).__name__} in memory"
    with loading(what, "Load weights of the same architecture and size."):
        module.load_state_dict(fresh.state_dict())


def load_tokenizer(path_or_name: str) -> Any:
    """The tokenizer of a directory or a hub name, padding left.

    Raises:
        ModelError: there is none, or it lacks a chat template or an end-of-sequence token.
    """
    directory = located(path_or_name)
    remedy = "Check tokenizer.json and tokenizer_config.json there, or fetch the model again."
    with loading(f"The tokenizer in '{directory}' cannot be loaded", remedy):
        tokenizer = AutoTokenizer.from_pretrained(
            str(directory), padding_side="left", trust_remote_code=False, local_files_only=True
        )
        template = tokenizer.chat_template
        end, padding = tokenizer.eos_token_id, tokenizer.pad_token_id
    if template is None:
        raise ModelError(
            f"Expected a tokenizer with a chat template, found none in '{path_or_name}'. Add "
            "`chat_template.jinja` to its directory, or take an instruction-tuned model."
        )
    if isinstance(template, dict) and "default" not in template:
        raise ModelError(
            f"Expected one chat template, found several in '{path_or_name}' and none that is "
            f"called 'default' ({', '.join(sorted(template))}). Put the one that is meant into "
            "`chat_template.jinja`."
        )
    if end is None:
        raise ModelError(
            f"Expected a tokenizer with an end-of-sequence token, found none in "
            f"'{path_or_name}'. Set `eos_token` in its `tokenizer_config.json`."
        )
    if padding is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def check_vocabulary(module: Any, tokenizer: Any, name: str) -> None:
    """Can the model embed all tokens that a text may become?

    Special tokens that it cannot embed are none of them: no text becomes one, and a template that
    writes one is found when a chat is.

    Raises:
        ModelError: names some that it cannot.
    """
    rows = int(module.get_input_embeddings().weight.shape[0])
    special = set(tokenizer.all_special_ids)
    special |= {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
    beyond = {t: i for t, i in tokenizer.get_vocab().items() if i >= rows and i not in special}
    if beyond:
        shown = ", ".join(f"'{token}' ({beyond[token]})" for token in sorted(beyond)[:3])
        raise ModelError(
            f"The tokenizer of {name} has {len(beyond)} tokens that the model cannot embed, which "
            f"has {rows}: {shown}. Take the tokenizer that the model was trained with, or resize "
            "its embeddings (`model.resize_token_embeddings(len(tokenizer))`)."
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
    if (directory / "adapter_config.json").exists() and not (directory / ADAPTER).is_file():
        raise ModelError(
            f"Expected the weights of an adapter ({ADAPTER}), found none in '{directory}'."
        )
    if not any(directory.glob("tokenizer*")):
        raise ModelError(
            f"Expected a tokenizer, found none in '{directory}'. Save it there as well: "
            "`tokenizer.save_pretrained(directory)`."
        )


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
