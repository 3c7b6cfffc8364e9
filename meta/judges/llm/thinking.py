"""A chain of thought before a verdict that is read from probabilities.

The model first replies in words, and is then asked for the verdict behind its own reply (RLAIF, Lee
et al., 2023, arXiv 2309.00267, section 2.1: two stages). Thoughts are greedy, which was as good as
several sampled ones there. Thoughts that were cut off, or are not there, are no ground for a
verdict: the question has a reason in its place. Left out: several thoughts to one question.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from meta.judges.llm.asking import Asked
from meta.judges.llm.masses import Masses
from meta.judges.llm.quoting import disarmed
from selfplay.core.seeding import Seed
from selfplay.core.types import Chat, Message, Response, Sampling

THINK = (
    "Think it through step by step, in a few sentences: what speaks for each of the two. You are "
    "asked for the verdict afterwards."
)
"""Ends a question whose verdict is asked for in a further turn."""

CUT_OFF = "the judge's thoughts were cut off"
EMPTY = "the judge's thoughts are empty"


def after_thinking(
    asked: Asked,
    chats: Sequence[Chat],
    tokens: int,
    task: str,
    masses: Callable[[Sequence[Chat]], list[Masses | str]],
) -> list[Masses | str]:
    """What the model answers to each chat once it has thought about it, or why nothing.

    Args:
        asked: who thinks.
        chats: each ends with `THINK`.
        tokens: for the thoughts at most.
        task: the turn behind the thoughts, which asks for the verdict.
        masses: reads the verdict.
    """
    sampling = Sampling(n=1, temperature=0.0, max_new_tokens=tokens)
    thoughts = [_thought(reply) for reply in asked.replies(chats, sampling, Seed(0, ("thoughts",)))]
    further = [
        (*chat, Message("assistant", disarmed(text)), Message("user", task))
        for chat, (text, _) in zip(chats, thoughts, strict=True)
        if text
    ]
    found = iter(masses(further))
    return [_with(text, next(found)) if text else reason for text, reason in thoughts]


def _with(thoughts: str, found: Masses | str) -> Masses | str:
    return found if isinstance(found, str) else replace(found, thoughts=thoughts)


def _thought(replies: tuple[Response, ...] | str) -> tuple[str, str]:
    """The thoughts and why there are none; one of the two is empty."""
    if isinstance(replies, str):
        return "", replies
    text = replies[0].text.strip()
    if replies[0].finish_reason == "length":
        return "", CUT_OFF
    return (text, "") if text else ("", EMPTY)
