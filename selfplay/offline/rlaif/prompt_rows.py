"""A prompt's columns as `selfplay train` and prompt files read them back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from selfplay.core.types import Chat, Prompt

TAKEN = {
    *("chosen", "rejected", "margin", "probability", "completion"),
    *("responses", "rewards", "violations", "token_ids", "logprobs", "reason", "kind", "scores"),
}
"""Columns that mean something in what is written; a user's own of that name is left out."""


def prompt_columns(prompt: Prompt) -> dict[str, Any]:
    """The prompt's id, its text or chat, its task and gold answer, and the user's further columns.

    The task is there where it is not `default`, the gold answer where there is one.
    """
    found = {name: value for name, value in prompt.extra.items() if name not in TAKEN}
    found |= {"prompt_id": prompt.id, "prompt": chat_value(prompt.messages)}
    if prompt.task != "default":
        found["task"] = prompt.task
    if prompt.answer is not None:
        found["answer"] = prompt.answer
    return found


def chat_value(chat: Chat) -> str | list[dict[str, str]]:
    """A chat as a prompt column holds it: a lone user message as its text."""
    if len(chat) == 1 and chat[0].role == "user":
        return chat[0].content
    return [asdict(message) for message in chat]
