"""What a rewriting model is told: a task of a sentence or two inside one common frame.

The frame asks for the new prompt between two markers and for nothing else. An instruction's version
goes up with its wording, and every child carries the label of the instruction that it was written
under, so that yields of different wordings are never mixed up. The wordings are this project's own.

Control tokens of chat templates in a prompt are shown broken (`creator.operators.control_text`).
In a conversation the last turn is rewritten; the turns before it are shown and stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from creator.operators.control_text import disarmed
from selfplay.core.types import Chat, Prompt, user

OPENING, CLOSING = "<new_prompt>", "</new_prompt>"
_ORIGINAL = ("<original_prompt>", "</original_prompt>")
_BEFORE = ("<earlier_turns>", "</earlier_turns>")
TAGS = (OPENING, CLOSING, *_ORIGINAL, *_BEFORE)
"""What no prompt may hold: neither the one that is shown nor the one that comes back."""

_FRAME = """\
Your task is to write a prompt for a language model. {task}

{shown}

Write the new prompt as its user would type it, in the language of the original. Do not answer it \
and do not comment on it. It has to be clear to somebody who has not seen the original, and \
possible to answer from what it says.
Reply with one new prompt, between these two lines:
{opening}
{closing}"""
_FRAME_VERSION = 1


@dataclass(frozen=True)
class Instruction:
    """One way to rewrite."""

    name: str
    version: int
    """Goes up when the wording changes."""
    task: str
    """What to write; `{detail}` stands for one of the details."""
    details: tuple[str, ...] = ()
    """Of which one is drawn, so that the same parent is rewritten in different ways."""
    parents: int = 1
    """Prompts that one child is made from."""
    keeps_answer: bool = False
    """Whether the child asks for what its parent asks for, so that the gold answer stays right."""

    @property
    def label(self) -> str:
        """Name and versions: which wording a child was written under."""
        return f"{self.name}-{self.version}.{_FRAME_VERSION}"

    def request(self, prompts: Sequence[Prompt], detail: str = "") -> Chat:
        """What the rewriting model is asked: one user message, which every chat template has."""
        shown = "\n\n".join(_shown(prompt) for prompt in prompts)
        task = self.task.replace("{detail}", detail)
        return user(_FRAME.format(task=task, shown=shown, opening=OPENING, closing=CLOSING))


def shown_text(prompt: Prompt) -> str:
    """The turn that is to be rewritten, as a request shows it."""
    return disarmed(prompt.messages[-1].content)


def _shown(prompt: Prompt) -> str:
    *before, _ = prompt.messages
    original = "\n".join((_ORIGINAL[0], shown_text(prompt), _ORIGINAL[1]))
    if not before:
        return original
    turns = (f"{message.role}: {disarmed(message.content)}" for message in before)
    return "\n".join((_BEFORE[0], *turns, _BEFORE[1], original))
