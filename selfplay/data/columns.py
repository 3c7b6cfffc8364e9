"""What the columns of a file mean: one table of the names that are in use.

The names are those of TRL, OpenRLHF, verl, Axolotl, LLaMA-Factory, Alpaca, self-instruct, Dolly,
ShareGPT, OpenAI's chat and preference files, HH-RLHF and UltraFeedback. A name that is known is
used; every other column of a file is kept beside the prompt and named before the work begins
(`selfplay.data.remarks`), with advice where it may change what is asked or learned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from selfplay.data.rows import TableRow

PROMPT_COLUMNS = (
    "prompt",
    "question",
    "instruction",
    "messages",
    "conversations",
    "conversation",
    "problem",
    "query",
    "input",
)
ANSWER_COLUMNS = (
    "answer",
    "gold",
    "ground_truth",
    "expected_answer",
    "reward_model.ground_truth",
)
SYSTEM_COLUMNS = ("system", "system_prompt")
INPUT_COLUMNS = ("input", "context", "query")
"""Beside `instruction`: what it is to be done with (Alpaca, Dolly, LLaMA-Factory)."""
HISTORY_COLUMNS = ("history",)
"""Earlier turns, as a list of [user, assistant] (LLaMA-Factory)."""
CHOSEN_COLUMNS = ("chosen", "chosen_response", "preferred_output")
REJECTED_COLUMNS = ("rejected", "rejected_response", "non_preferred_output")
COMPLETION_COLUMNS = ("completion", "response", "output")
LABEL_COLUMNS = ("label", "kto_tag")
"""Of one response: whether it is a good one (TRL's and LLaMA-Factory's KTO)."""
REWARD_COLUMNS = ("reward", "score")
"""Of one response: how good it is."""
SCORE_PAIRS = (
    ("score_chosen", "score_rejected"),
    ("chosen_score", "rejected_score"),
    ("chosen_rating", "rejected_rating"),
    ("chosen-rating", "rejected-rating"),
)
"""Of the two sides of a comparison: how good each is (UltraFeedback, Argilla)."""

KNOWN = frozenset(
    name
    for names in (
        *(PROMPT_COLUMNS, ANSWER_COLUMNS, SYSTEM_COLUMNS, INPUT_COLUMNS, HISTORY_COLUMNS),
        *(CHOSEN_COLUMNS, REJECTED_COLUMNS, COMPLETION_COLUMNS, LABEL_COLUMNS, REWARD_COLUMNS),
        *SCORE_PAIRS,
    )
    for name in names
)
"""Every name that is used somewhere."""
MATTER: Mapping[str, str] = {
    **dict.fromkeys(
        ("system", "system_prompt"), "name it with prompts.system to have it said before the prompt"
    ),
    **dict.fromkeys(
        ("input", "context", "query"),
        "name it with prompts.input to have it asked below the prompt",
    ),
    "history": "earlier turns belong into the prompt, as messages",
    **dict.fromkeys(
        ("label", "solution", "target", "reference", "final_answer"),
        "name it with prompts.answer if it is the gold answer",
    ),
    **dict.fromkeys(
        ("weight", "weights", "loss_weight", "sample_weight"), "all rows count the same"
    ),
    **dict.fromkeys(("tie", "is_tie"), "leave ties out of comparisons"),
    **dict.fromkeys(("tools", "functions"), "no tools are offered to the model"),
    **dict.fromkeys(
        ("image", "images", "audio", "audios", "video", "videos"), "only texts are asked"
    ),
    **dict.fromkeys(("messages", "conversations"), "the prompt's column is asked in its place"),
    **dict.fromkeys(("margin", "probability", "reward", "score"), "it has no effect here"),
    **dict.fromkeys(
        ("is_correct", "correct", "is_good", "rating", "quality", "preference", "thumbs"),
        "if it says how good a response is, call it label (true or false) or reward (a number)",
    ),
}
"""Columns that change the meaning where they are used, and what to do where they are not."""


def value_at(values: Mapping[str, Any], column: str) -> Any:
    """A column's value, a dot leading into an object (`reward_model.ground_truth`); else None."""
    if column in values or "." not in column:
        return values.get(column)
    outer, _, inner = column.partition(".")
    found = values.get(outer)
    return value_at(found, inner) if isinstance(found, Mapping) else None


def first_of(candidates: Sequence[str], names: Sequence[str]) -> str | None:
    """The first candidate that a file has as a column."""
    return next((name for name in candidates if name in names), None)


def names_in(values: Mapping[str, Any]) -> list[str]:
    """The columns of a row, and those one level into its objects, which dots lead to."""
    nested = [
        f"{name}.{inner}"
        for name, found in values.items()
        if isinstance(found, Mapping)
        for inner in found
    ]
    return [*values, *nested]


def flattened(row: TableRow) -> TableRow:
    """The row with the one instance of a self-instruct task among its columns.

    Further instances stay where they are; a row without `instances` is itself.
    """
    instances = row.values.get("instances")
    if not isinstance(instances, list) or len(instances) != 1:
        return row
    (own,) = instances
    if not isinstance(own, Mapping) or "input" not in own:
        return row
    rest = {name: value for name, value in row.values.items() if name != "instances"}
    return TableRow(row.place, {**own, **rest})
