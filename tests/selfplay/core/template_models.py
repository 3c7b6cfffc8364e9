"""Small models whose chat templates are written like those of well-known families."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast


@dataclass(frozen=True)
class Family:
    """How a family of models writes chats."""

    special: tuple[str, ...]
    """The first is the padding, the second the end of sequence."""
    template: str
    end: str
    """What closes a turn."""
    plain: tuple[str, ...] = ()
    """Tokens of their own that are not special."""


FAMILIES = {
    "gemma": Family(
        ("<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"),
        "{{ bos_token }}{% for m in messages %}{{ '<start_of_turn>' + ('model' if m['role'] == "
        "'assistant' else m['role']) + '\n' + m['content'] | trim + '<end_of_turn>\n' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}",
        "<end_of_turn>",
        ("\n",),
    ),
    "phi3": Family(
        ("<|endoftext|>", "<|endoftext|>", "<|user|>", "<|assistant|>", "<|end|>"),
        "{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] + '<|end|>\n' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}"
        "{{ eos_token }}{% endif %}",
        "<|end|>",
    ),
    "llama3": Family(
        ("<|pad|>", "<|eot_id|>", "<|begin|>", "<|start_header_id|>", "<|end_header_id|>"),
        "{% for m in messages %}{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' + "
        "m['content'] | trim + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}"
        "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
        "<|eot_id|>",
    ),
    "chatml": Family(
        ("<|endoftext|>", "<|endoftext|>", "<|im_start|>", "<|im_end|>"),
        "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}{% if m['role'] == "
        "'assistant' and loop.last %}{{ '<think>\n\n</think>\n\n' }}{% endif %}{{ m['content'] + "
        "'<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}"
        "{{ '<|im_start|>assistant\n' }}{% endif %}",
        "<|im_end|>",
        ("<think>", "</think>"),
    ),
    "mistral": Family(
        ("<unk>", "</s>", "<s>", "[INST]", "[/INST]"),
        "{{ bos_token }}{% for m in messages %}"
        "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('roles must alternate') }}{% endif %}{% if m['role'] == 'user' %}"
        "{{ '[INST] ' + m['content'] + ' [/INST]' }}{% else %}{{ ' ' + m['content'] + eos_token }}"
        "{% endif %}{% endfor %}",
        "</s>",
    ),
    "deepseek": Family(
        ("<pad>", "<eos>"),
        "{% for m in messages %}{{ ('<User>' if m['role'] == 'user' else '<Assistant>') + "
        "m['content'] }}{% if m['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<Assistant><think>\n' }}{% endif %}",
        "<eos>",
        ("<User>", "<Assistant>", "<think>"),
    ),
    "words": Family(
        ("<pad>", "<eos>"),
        "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}",
        "<eos>",
    ),
}


def make_tokenizer(family: Family) -> Any:
    """Bytes, with the family's tokens of their own in front of them."""
    special = list(dict.fromkeys(family.special))
    tokens = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    backend = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(special)
    backend.add_tokens([AddedToken(token, normalized=False) for token in family.plain])
    begin = next((t for t in special if t in ("<bos>", "<s>")), None)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=special[0],
        eos_token=family.special[1],
        bos_token=begin,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = family.template
    return tokenizer


def make_model(directory: Path, name: str, stops: list[int] | int | None = None) -> Path:
    """A random model of a family, with `stops` in its generation configuration."""
    tokenizer = make_tokenizer(FAMILIES[name])
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=256,
        initializer_range=0.3,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        eos_token_id=stops,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = LlamaForCausalLM(config)
    model.generation_config.eos_token_id = stops
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory
