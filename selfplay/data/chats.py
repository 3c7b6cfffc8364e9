r"""Chats as files spell them, as messages.

A chat is a text (one user message), a list of messages, or either as JSON text, as tables without
lists hold it. Messages have role and content (OpenAI, TRL, verl, Axolotl) or from and value
(ShareGPT, LLaMA-Factory); a content may be a list of parts of type text. `{"messages": […]}` is
its list (OpenAI's preference files). HH-RLHF's transcripts (`\n\nHuman: …\n\nAssistant: …`) are
read where a whole conversation is expected. What the game cannot ask or answer is refused and never
left out: images, calls of tools, messages that are to be weighed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from selfplay.core.errors import DataError
from selfplay.core.guard import guarded, shown
from selfplay.core.json_text import check_plain, each_once
from selfplay.core.types import Chat, Message, user

ROLES: Mapping[str, str] = {
    **dict.fromkeys(("human", "user"), "user"),
    **dict.fromkeys(("gpt", "assistant", "chatgpt", "bing", "bard", "model"), "assistant"),
    "system": "system",
    **dict.fromkeys(("tool", "observation", "function_response"), "tool"),
}
"""ShareGPT's names for who speaks."""
_TEXT_PARTS = {"text", "input_text", "output_text"}
_UNREAD = ("tool_calls", "function_call", "audio", "refusal")
"""Of a message: what the text alone does not say."""
_PYTHON = re.compile(r"\[\s*\{\s*'(role|content|from|value)'\s*:")
_TRANSCRIPT = re.compile(r"\n\n(Human|Assistant): ?")


class Ended(NamedTuple):
    """A conversation that ends with a response."""

    turns: Chat
    """Before the response; none where the response alone was recorded."""
    response: str


def chat_of(value: object, where: str) -> Chat:
    """A value as a chat, whoever speaks last.

    Raises:
        DataError: it is none, or holds what is no text; says where.
    """
    value = unpacked(value, where)
    if isinstance(value, str) and value.strip():
        return user(value)
    if value is None or value == [] or isinstance(value, str):
        raise DataError(f"{where}: expected a prompt, found an empty one")
    if not isinstance(value, list | tuple):
        raise DataError(
            f"{where}: expected text or a list of messages, found {type(value).__name__}"
        )
    return tuple(_message(entry, f"{where}, message {i}") for i, entry in enumerate(value, 1))


def question_of(value: object, where: str) -> Chat:
    """A value as what is asked: a chat that ends before the answer and is not empty.

    Raises:
        DataError: as `chat_of`, or the assistant speaks last, or nothing is said.
    """
    chat = chat_of(value, where)
    if chat[-1].role == "assistant":
        raise DataError(
            f"{where}: expected messages that end before the answer, found the assistant's turn "
            "last; drop it"
        )
    if not any(message.content.strip() for message in chat):
        raise DataError(f"{where}: expected a prompt, found an empty one")
    return chat


def ended(value: object, where: str, transcript: bool = False) -> Ended:
    """A value as a response, with the turns before it where they were recorded.

    Args:
        value: a text, one message, or a chat that ends with the response.
        where: it stands, for messages.
        transcript: whether a text may be a whole conversation, in HH-RLHF's form.

    Raises:
        DataError: it is none of these, or somebody else than the assistant speaks last.
    """
    value = unpacked(value, where)
    if isinstance(value, str):
        told = transcript_turns(value) if transcript else None
        return Ended((), value) if told is None else Ended(told[:-1], told[-1].content)
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, list | tuple) or not value:
        raise DataError(
            f"{where}: expected a text or a chat that ends with the response, found {shown(value)}"
        )
    *turns, last = chat_of(value, where)
    if last.role not in ("assistant", "tool") and (last.role in ROLES or turns):
        raise DataError(
            f"{where}: expected a text or a chat that ends with the response, found the turn of "
            f"'{last.role}' last"
        )
    return Ended(tuple(turns), last.content)


def ends_with_answer(value: object) -> bool:
    """Whether a value is a list of messages of which the assistant's is the last."""
    last = value[-1] if isinstance(value, list) and value else None
    if not isinstance(last, Mapping):
        return False
    role = last.get("role", last.get("from"))
    return isinstance(role, str) and ROLES.get(role, role) == "assistant"


def transcript_turns(text: str) -> Chat | None:
    """The turns of an HH-RLHF transcript that ends with the assistant's; None for another text."""
    parts = _TRANSCRIPT.split(text if text.startswith("\n") else f"\n\n{text}")
    if parts[0].strip() or len(parts) < 5 or parts[1] != "Human" or parts[-2] != "Assistant":
        return None
    names = {"Human": "user", "Assistant": "assistant"}
    return tuple(
        Message(names[name], said.strip())
        for name, said in zip(parts[1::2], parts[2::2], strict=True)
    )


def unpacked(value: object, where: str) -> Any:
    """A chat that was written as JSON text as its list; anything else as it is.

    A text is a chat only where all of it is a list of messages: a question may well hold JSON.

    Raises:
        DataError: it is a chat in Python's notation, as tables written from Python hold it, or a
            message has a key twice.
    """
    if isinstance(value, Mapping) and isinstance(value.get("messages"), list):
        return value["messages"]
    if not isinstance(value, str) or not value.lstrip().startswith(("[", "{")):
        return value
    if _PYTHON.match(value.lstrip()):
        raise DataError(
            f"{where}: expected a chat as JSON, found one in Python's notation; write it with "
            "json.dumps, or as JSON Lines or Parquet"
        )
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return value
    listed = found if isinstance(found, list) else [found]
    if not listed or not all(map(_is_message, listed)):
        return value
    with guarded(DataError, where):
        found = json.loads(value, object_pairs_hook=each_once)
        check_plain(found)
    return found


def _is_message(entry: object) -> bool:
    return isinstance(entry, Mapping) and (
        {"role", "content"} <= entry.keys() or {"from", "value"} <= entry.keys()
    )


def _message(entry: object, where: str) -> Message:
    if isinstance(entry, Mapping):
        role = entry.get("role") or ROLES.get(str(entry.get("from")), entry.get("from"))
        content = entry.get("content", entry.get("value"))
        content = content if isinstance(content, str) else _joined(content, where)
        if isinstance(role, str) and content is not None:
            _check_all_read(entry, where)
            return Message(role, content)
    raise DataError(f"{where}: expected an object with role and content, found {shown(entry)}")


def _joined(content: object, where: str) -> str | None:
    """The text of a list of parts; None for what is no such list."""
    if not isinstance(content, Sequence) or isinstance(content, str) or not content:
        return None
    texts = []
    for part in content:
        kind = part.get("type", "text") if isinstance(part, Mapping) else "text"
        text = part.get("text") if isinstance(part, Mapping) else part
        if kind not in _TEXT_PARTS or not isinstance(text, str):
            raise DataError(
                f"{where}: expected parts of type text, found one of type {shown(kind)}; only "
                "texts can be asked"
            )
        texts.append(text)
    return "".join(texts)


def _check_all_read(entry: Mapping[str, Any], where: str) -> None:
    """Raises DataError for a message that means more than its role and content."""
    for name in _UNREAD:
        if entry.get(name):
            raise DataError(
                f"{where}: expected a message of text, found `{name}`, which can be neither asked "
                "nor learned; leave such rows out"
            )
    if entry.get("weight") not in (None, 1):
        raise DataError(
            f"{where}: expected messages that all count, found weight {shown(entry['weight'])}; "
            "cut the chat so that it ends with the answer to learn"
        )
