"""Sequence-classification model directories: reward models, and other models that score a text.

A directory in Hugging Face layout, of decoders (scored at their last token) and encoders alike;
tokenizers pad right. Everything that can be wrong with a directory is found here and named. Left
out: remote code, pickled weights, device maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from selfplay.core.errors import ModelError
from selfplay.core.models.content import content_of
from selfplay.core.models.pretrained import (
    cannot_be_a_hub_name,
    device_of,
    dtype_of,
    quiet,
)


@dataclass
class Classifier:
    """A model that gives each text one number for each of its labels."""

    module: Any
    tokenizer: Any
    """Pads right; has a pad token."""
    name: str
    context: int
    """Longest sequence in tokens."""
    content: str
    """Hash of the directory's weights and configuration; a hub model's commit."""


def load_classifier(path_or_name: str, dtype: str = "float32", device: str = "auto") -> Classifier:
    """Loads a model and its tokenizer from a directory, or by name from the hub.

    Raises:
        ModelError: the model cannot be used, or lacks a trained classification head.
    """
    torch_dtype, torch_device = dtype_of(dtype), device_of(device)
    if not Path(path_or_name).is_dir() and cannot_be_a_hub_name(path_or_name):
        raise ModelError(
            f"Expected a reward model's directory or a hub name, found no directory at "
            f"'{path_or_name}'. Check the path."
        )
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(path_or_name, padding_side="right")
            module, found = AutoModelForSequenceClassification.from_pretrained(
                path_or_name, dtype=torch_dtype, use_safetensors=True, output_loading_info=True
            )
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(
            f"Expected a sequence-classification model in '{path_or_name}', which cannot be "
            f"loaded: {error} Check path, name and network."
        ) from error
    _refuse_missing(path_or_name, sorted(found["missing_keys"]))
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    text_config = module.config.get_text_config()
    if text_config.pad_token_id is None:
        text_config.pad_token_id = tokenizer.pad_token_id
    return Classifier(
        module=module.to(torch_device).eval(),
        tokenizer=tokenizer,
        name=Path(path_or_name).name,
        context=_context(module, tokenizer),
        content=_content(path_or_name, module),
    )


def _refuse_missing(path_or_name: str, missing: list[str]) -> None:
    if missing:
        raise ModelError(
            f"Expected a trained reward model in '{path_or_name}', found one without "
            f"{', '.join(missing[:3])}, which would be random. A policy is no reward model: train "
            "one with solver.objective=rm."
        )


def _context(module: Any, tokenizer: Any) -> int:
    positions = getattr(module.config.get_text_config(), "max_position_embeddings", None)
    return int(min(positions or tokenizer.model_max_length, tokenizer.model_max_length))


def _content(path_or_name: str, module: Any) -> str:
    directory = Path(path_or_name)
    if not directory.is_dir():
        return str(getattr(module.config, "_commit_hash", None) or path_or_name)
    return content_of(directory)
