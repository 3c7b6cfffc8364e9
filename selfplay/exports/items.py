"""What one exported row is made of, whatever its layout."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from selfplay.core.types import Message, Prompt
from selfplay.data.exported import COLUMN as PROVENANCE

__all__ = ["PROVENANCE", "Asked", "Facts", "Item"]


@dataclass(frozen=True)
class Facts:
    """What the run says of a prompt; NaN where it says nothing."""

    first: int
    """The first round that asked it."""
    value: float
    reward: float
    difficulty: float
    family: str
    """The smallest prompt id of its family."""
    split: str
    index: int
    """Among the prompts of the export."""


@dataclass(frozen=True)
class Asked:
    """Where responses come from."""

    round: int
    policy_version: int
    fingerprint: str
    """Judging fingerprint, or who compared."""


@dataclass(frozen=True)
class Item:
    """A prompt, and for data to learn from, responses to it."""

    prompt: Prompt
    facts: Facts
    responses: tuple[str, ...] = ()
    """Of a pair the better one first."""
    rewards: tuple[float | None, ...] = ()
    label: bool | None = None
    """Whether a single response is desirable."""
    margin: float | None = None
    probability: float | None = None
    asked: Asked | None = None


def message(found: Message) -> dict[str, str]:
    """A message as an object."""
    return {"role": found.role, "content": found.content}


def messages(item: Item) -> list[dict[str, str]]:
    """The prompt's chat."""
    return [message(found) for found in item.prompt.messages]


def answered(item: Item, which: int) -> dict[str, str]:
    """A response as the assistant's turn."""
    return {"role": "assistant", "content": item.responses[which]}


def system(item: Item) -> str:
    """The system message, where the chat begins with one."""
    first = item.prompt.messages[0]
    return first.content if first.role == "system" else ""


def history(item: Item) -> list[list[str]]:
    """(user, assistant) turns before the last message; empty where turns do not alternate."""
    turns = _turns(item)
    if [turn.role for turn in turns] != ["user", "assistant"] * (len(turns) // 2) + ["user"]:
        return []
    contents = [turn.content for turn in turns[:-1]]
    return [list(pair) for pair in zip(contents[::2], contents[1::2], strict=True)]


def instruction(item: Item) -> str:
    """The last message; all of them but the system's where turns do not alternate."""
    turns = _turns(item)
    if len(turns) == 1 or history(item):
        return turns[-1].content
    return "\n".join(turn.content for turn in turns)


def _turns(item: Item) -> tuple[Message, ...]:
    turns = item.prompt.messages
    return turns[1:] if turns[0].role == "system" and len(turns) > 1 else turns


def provenance(item: Item) -> dict[str, Any]:
    """All that is known of the prompt besides its text, and all that reading it again needs."""
    prompt, facts, asked = item.prompt, item.facts, item.asked
    lineage = prompt.lineage
    return {
        "id": prompt.id,
        "task": prompt.task,
        "answer": prompt.answer,
        "puzzle": _puzzle(prompt),
        "extra": json.dumps(dict(prompt.extra), ensure_ascii=False) if prompt.extra else None,
        "operator": lineage.operator,
        "parents": list(lineage.parents),
        "model": lineage.model,
        "seed": lineage.seed,
        "born": lineage.round,
        "first_round": facts.first,
        "family": facts.family,
        "split": facts.split,
        "value": number(facts.value),
        "reward": number(facts.reward),
        "difficulty": number(facts.difficulty),
        "asked_round": asked.round if asked else None,
        "policy_version": asked.policy_version if asked else None,
        "judged_by": asked.fingerprint if asked else None,
    }


def number(value: float) -> float | None:
    """NaN as None."""
    return None if math.isnan(value) else value


def _puzzle(prompt: Prompt) -> dict[str, Any] | None:
    """Attributes as a list of pairs, so that prompts of all generators share one schema."""
    puzzle = prompt.puzzle
    if puzzle is None:
        return None
    return {
        "generator": puzzle.generator,
        "attributes": [{"name": name, "level": float(level)} for name, level in puzzle.attributes],
        "index": puzzle.index,
    }
