"""What a server answers to a chat-completions request, read strictly: responses, or a failure.

Why a text ended is told in several words, which stand for the same two things: it ended by itself,
or by the limit. Any other reason, or none, makes it no finished text, and is told as the server
said it.

Token ids and log-probabilities are kept when the server gives them; else the ids are `UNKNOWN`, as
many as were generated, so that lengths and costs stay right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selfplay.core.models.failure import Failure
from selfplay.core.models.usage import is_count
from selfplay.core.types import FinishReason, Response

UNKNOWN = -1
"""Stands for the id of a token that the server did not name."""

_LOWEST = 1e6
"""Nats below 0: what a server calls a log-probability beyond it is none."""

_FINISHES: Mapping[str, FinishReason] = {
    **dict.fromkeys(("stop", "eos", "eos_token", "end_turn", "stop_sequence", "complete"), "stop"),
    **dict.fromkeys(("length", "max_tokens", "model_length"), "length"),
}
"""As OpenAI, text-generation-inference, Anthropic, Cohere, Mistral, Gemini and those who speak like
them say it; in any case of letters."""
_SHOWN = 200


def read_choices(reply: Mapping[str, Any]) -> list[Response] | Failure:
    """The responses in the server's order, those left out that are none; a failure without any."""
    choices = reply.get("choices")
    if not isinstance(choices, list) or not choices:
        said = str(dict(reply))[:_SHOWN]
        return Failure("no choices", f"no list of choices in {said}", words=said)
    usable = [choice for choice in choices if _text(choice) is not None]
    if not usable:
        words = _fault(choices[0])
        return Failure("no usable choice", f"choices such as one with {words}", words=words)
    lengths = _lengths(usable, reply.get("usage"))
    return [_response(choice, length) for choice, length in zip(usable, lengths, strict=True)]


def _text(choice: object) -> str | None:
    """The message, or a refusal in its place; None for what is no finished text."""
    if not isinstance(choice, Mapping):
        return None
    if _finish(choice) is None:
        return None
    message = choice.get("message")
    if not isinstance(message, Mapping):
        return None
    content = message.get("content")
    if content is None:
        content = message.get("refusal") or ""
    # Half a surrogate pair is valid JSON, and no text that could be stored.
    return content.encode(errors="replace").decode() if isinstance(content, str) else None


def _finish(choice: Mapping[str, Any]) -> FinishReason | None:
    finish = choice.get("finish_reason")
    return _FINISHES.get(finish.lower()) if isinstance(finish, str) else None


def _fault(choice: object) -> str:
    """What is wrong with a choice that is no finished text."""
    if isinstance(choice, Mapping) and _finish(choice) is None:
        return f"finish_reason {str(choice.get('finish_reason'))[:_SHOWN]!r}"
    return f"no text in {str(choice)[:_SHOWN]}"


def _response(choice: Mapping[str, Any], length: int) -> Response:
    ids = _token_ids(choice)
    logprobs = _logprobs(choice)
    if ids is None:
        ids = np.full(length if logprobs is None else len(logprobs), UNKNOWN, np.int32)
    if logprobs is not None and len(logprobs) != len(ids):
        logprobs = None
    return Response(_text(choice) or "", ids, logprobs, _finish(choice) or "stop")


def _token_ids(choice: Mapping[str, Any]) -> NDArray[np.int32] | None:
    """Shape (T,): as vLLM gives them when asked to."""
    ids = choice.get("token_ids")
    if isinstance(ids, list) and all(is_count(i) for i in ids):
        return np.array(ids, np.int32)
    return None


def _logprobs(choice: Mapping[str, Any]) -> NDArray[np.float32] | None:
    """Shape (T,), nats."""
    found = choice.get("logprobs")
    content = found.get("content") if isinstance(found, Mapping) else None
    if not isinstance(content, list):
        return None
    values = [item.get("logprob") if isinstance(item, Mapping) else None for item in content]
    if not all(isinstance(value, int | float) and abs(value) <= _LOWEST for value in values):
        return None
    return np.array(values, np.float32)


def _lengths(choices: Sequence[Mapping[str, Any]], usage: object) -> list[int]:
    """Tokens of each text: its share of those billed, or its bytes, which are an upper bound."""
    sizes = [len((_text(choice) or "").encode()) for choice in choices]
    billed = usage.get("completion_tokens") if isinstance(usage, Mapping) else None
    if not is_count(billed):
        return sizes
    shares = sizes if sum(sizes) else [1] * len(sizes)
    return [round(billed * share / sum(shares)) for share in shares]
