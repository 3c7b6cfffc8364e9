"""Control tokens of chat templates in texts that a rewriting model is shown.

A prompt may hold what a template uses to end a turn and to begin another, since its file does or
since somebody wants to break out of it. A server puts a message into its model's template as text,
and its tokenizer then makes control tokens of such a piece: the rest of the parent would stand
outside of the request. So each is broken by a space before it is shown, which no tokenizer takes
for the token and every reader still reads.

The shapes are those of ChatML and its kin (`<|im_end|>`), Llama 2 and Mistral (`[INST]`, `<<SYS>>`,
`</s>`), Gemma (`<start_of_turn>`), DeepSeek (`<｜User｜>`), T5's and BERT's, and of tags of thought
and of tools. HTML's `<s>` is broken as well, which changes no meaning.
"""

from __future__ import annotations

import re

_NAMES = "|".join(
    (
        r"(?:start|end)_of_(?:turn|text|image|audio|thought)|s|bos|eos|pad|unk|mask|cls|sep|sop|eop",
        r"extra_id_\d+|unused\d+|think|thinking|reasoning|tool_call|tool_response|tools|function",
        r"system|user|assistant|image|video|audio|endoftext|end_of_utterance",
    )
)
_CONTROL = re.compile(
    r"<(?=[|｜][^<>\n]{1,60}[|｜]>)"
    rf"|<(?=/?(?:{_NAMES})>)"
    r"|<(?=</?SYS>>)"
    r"|\[(?=/?(?:INST|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|SYSTEM_PROMPT|THINK|PREFIX|SUFFIX"
    r"|MIDDLE|IMG(?:_BREAK|_END)?|CLS|SEP|PAD|MASK|UNK|gMASK|sMASK)\])",
    re.IGNORECASE,
)


def disarmed(text: str) -> str:
    """The text with a space inside every control token: `<|im_end|>` becomes `< |im_end|>`."""
    return _CONTROL.sub(lambda opening: f"{opening[0]} ", text)
