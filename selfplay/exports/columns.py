"""What a layout's columns can be filled from: each source has a name, a type and a function.

A layout (`selfplay.exports.layouts`) maps the names of its columns to names of this table, so it is
data; types are fixed, so a column has the same type in every file, however its values fall.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from selfplay.exports import items
from selfplay.exports.items import Item


@dataclass(frozen=True)
class Source:
    """One thing that is known of a row."""

    type: str
    """A name of `arrow_type`."""
    read: Callable[[Item], Any]


SOURCES: Mapping[str, Source] = {
    # Of the prompt
    "messages": Source("messages", items.messages),
    "text": Source("text", lambda item: item.prompt.text),
    "instruction": Source("text", items.instruction),
    "system": Source("text", items.system),
    "history": Source("history", items.history),
    "answer": Source("text", lambda item: item.prompt.answer),
    "answer_or_empty": Source("text", lambda item: item.prompt.answer or ""),
    "task": Source("text", lambda item: item.prompt.task),
    "id": Source("text", lambda item: item.prompt.id),
    "index": Source("integer", lambda item: item.facts.index),
    "split": Source("text", lambda item: item.facts.split),
    "provenance": Source("provenance", items.provenance),
    # Of its responses; the first one is the better one of a pair
    "response": Source("text", lambda item: item.responses[0]),
    "rejected": Source("text", lambda item: item.responses[1]),
    "response_turn": Source("message", lambda item: items.answered(item, 0)),
    "rejected_turn": Source("message", lambda item: items.answered(item, 1)),
    "response_turns": Source("messages", lambda item: [items.answered(item, 0)]),
    "rejected_turns": Source("messages", lambda item: [items.answered(item, 1)]),
    "conversation": Source(
        "messages", lambda item: [*items.messages(item), items.answered(item, 0)]
    ),
    "responses": Source("texts", lambda item: list(item.responses)),
    "rewards": Source("numbers", lambda item: list(item.rewards)),
    "label": Source("flag", lambda item: item.label),
    "labels": Source("numbers", lambda item: [float(bool(item.label))]),
    "margin": Source("number", lambda item: item.margin),
    "probability": Source("number", lambda item: item.probability),
}


def arrow_type(name: str) -> Any:
    """The pyarrow type of a source."""
    import pyarrow as pa

    turn = pa.struct([("role", pa.string()), ("content", pa.string())])
    types = {
        "text": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "flag": pa.bool_(),
        "message": turn,
        "messages": pa.list_(turn),
        "texts": pa.list_(pa.string()),
        "numbers": pa.list_(pa.float64()),
        "history": pa.list_(pa.list_(pa.string())),
    }
    return _provenance_type(pa) if name == "provenance" else types[name]


def _provenance_type(pa: Any) -> Any:
    """The type of `items.provenance`."""
    text, whole, real = pa.string(), pa.int64(), pa.float64()
    level = pa.struct([("name", text), ("level", real)])
    puzzle = pa.struct([("generator", text), ("attributes", pa.list_(level)), ("index", whole)])
    return pa.struct(
        [
            *((name, text) for name in ("id", "task", "answer")),
            ("puzzle", puzzle),
            *((name, text) for name in ("extra", "operator")),
            ("parents", pa.list_(text)),
            ("model", text),
            *((name, whole) for name in ("seed", "born", "first_round")),
            *((name, text) for name in ("family", "split")),
            *((name, real) for name in ("value", "reward", "difficulty")),
            *((name, whole) for name in ("asked_round", "policy_version")),
            ("judged_by", text),
        ]
    )
