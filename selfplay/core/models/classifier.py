"""Sequence-classification model directories: reward models, and other models that score a text.

A directory in Hugging Face layout, of decoders (scored at their last token) and encoders alike;
tokenizers pad right. Everything that can be wrong with a directory is found here and named. Left
out: remote code, pickled weights, device maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from transformers import AutoModelForSequenceClassification, AutoTokenizer

from selfplay.core.errors import ModelError
from selfplay.core.models.chat import ChatTokenizer
from selfplay.core.models.content import content_of
from selfplay.core.models.hub import located, model_name
from selfplay.core.models.library import loading
from selfplay.core.models.pretrained import device_of, dtype_of
from selfplay.core.models.weights import load_whole, refuse_not_finite


@dataclass
class Classifier:
    """A model that gives each text one number for each of its labels."""

    module: Any
    tokenizer: Any
    """Pads right; has a pad token."""
    name: str
    context: int
    """Longest sequence in tokens."""
    vocabulary: int
    """Tokens that the model can embed; a tokenizer may have more."""
    content: str
    """Hash of the directory's weights and configuration; a hub model's commit."""

    @cached_property
    def chat(self) -> ChatTokenizer:
        """How chats and responses become tokens; for tokenizers with a chat template."""
        return ChatTokenizer(self.tokenizer, self.name)


def load_classifier(path_or_name: str, dtype: str = "float32", device: str = "auto") -> Classifier:
    """Loads a model and its tokenizer from a directory, or by name from the hub.

    Raises:
        ModelError: the model cannot be used, or lacks a trained classification head.
    """
    torch_dtype, torch_device = dtype_of(dtype), device_of(device)
    directory, name = located(path_or_name), model_name(path_or_name)
    if not (directory / "config.json").is_file():
        raise ModelError(
            f"Expected a sequence-classification model in '{directory}', found no config.json. "
            "Give the directory that holds config.json, *.safetensors and the tokenizer."
        )
    remedy = "Check tokenizer.json and tokenizer_config.json there, or fetch the model again."
    with loading(f"The tokenizer in '{directory}' cannot be loaded", remedy):
        tokenizer = AutoTokenizer.from_pretrained(
            str(directory), padding_side="right", trust_remote_code=False, local_files_only=True
        )
    # A causal language model that became a classifier may have kept its output head.
    module = load_whole(
        AutoModelForSequenceClassification,
        directory,
        torch_dtype,
        spare=("lm_head.",),
        remedy="A policy is no reward model: train one with solver.objective=rm.",
    )
    refuse_not_finite(module, directory)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    text_config = module.config.get_text_config()
    if text_config.pad_token_id is None:
        text_config.pad_token_id = tokenizer.pad_token_id
    return Classifier(
        module=module.to(torch_device).eval(),
        tokenizer=tokenizer,
        name=name,
        context=_context(module, tokenizer),
        vocabulary=int(module.get_input_embeddings().weight.shape[0]),
        # The hub's files lie in a folder that is called as the commit.
        content=directory.name if name == path_or_name else content_of(directory),
    )


def _context(module: Any, tokenizer: Any) -> int:
    positions = getattr(module.config.get_text_config(), "max_position_embeddings", None)
    return int(min(positions or tokenizer.model_max_length, tokenizer.model_max_length))
