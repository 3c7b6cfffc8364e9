"""The tiny policy's tokenizer: bytes, with the fixed phrases of its tasks as single tokens.

Every text tokenises and decodes back to itself: the vocabulary holds all 256 bytes and has no
merges, so digits and letters stay single tokens. The generators' unchanging phrases are one token
each, which makes a prompt 6 to 40 tokens long instead of hundreds.
"""

from __future__ import annotations

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

PAD, USER, ASSISTANT, SYSTEM, END = (
    "<|pad|>",
    "<|user|>",
    "<|assistant|>",
    "<|system|>",
    "<|end|>",
)

_ROTATE = (
    "Given a square matrix, your job is to rotate it clockwise.\n\n"
    "Your output should be a matrix in the same format as the input.\n\n"
    "Rotate the matrix below by "
)

PHRASES = (
    "Spell this word backward (example: sun -> nus): ",
    "State the final answer to the following arithmetic problem: ",
    " + ",
    " - ",
    " =",
    _ROTATE,
    " degrees clockwise:\n",
)
"""What the generators of `selfplay.tiny.spaces` write in every question, verbatim."""

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] not in ['system', 'user', 'assistant'] %}"
    "{{ raise_exception('expected the role system, user or assistant') }}{% endif %}"
    "{{ '<|' + message['role'] + '|>' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
"""One token for each turn's role; only the assistant's turn is closed, by the end token."""


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Build the tokenizer: special tokens, the bytes, then the phrases."""
    special = [PAD, USER, ASSISTANT, SYSTEM, END]
    tokens = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    backend = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(special)
    backend.add_tokens([AddedToken(phrase, normalized=False) for phrase in PHRASES])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=PAD,
        eos_token=END,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer
