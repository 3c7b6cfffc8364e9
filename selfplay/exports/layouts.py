"""Layouts as data: for each tool and kind of rows, which column is filled from what.

A column's name may have dots, which make objects (`reward_model.ground_truth`); what fills it is a
name of `selfplay.exports.columns.SOURCES`, or a constant after `=`. A layout of one's own is one
more entry. What the tools read, as of the releases named here, was taken from their documentation
and sources and is checked by their own readers in tests where these are installed:

- TRL 1.16, "Dataset formats": conversational prompt-only, preference, unpaired preference and
  prompt-completion; further columns reach GRPO's reward functions.
- verl 0.9 (`RLHFDataset`, "Prepare data for post-training"): Parquet or JSON Lines with a chat in
  `prompt`; its reward managers read `data_source` and `reward_model.ground_truth`.
- OpenRLHF 0.11 (`PromptDataset`, `RewardDataset`, `SFTDataset`): columns named by options.
- Axolotl 0.19 ("Dataset formats", "RLHF"): `chat_template`, DPO's `chat_template.default`, KTO's
  `chatml.argilla_chat`; GRPO takes TRL's prompt-only rows after a function of the user's.
- LLaMA-Factory 0.9 (`data/README.md`): `dataset_info.json` beside the files says what columns mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from selfplay.core.errors import ConfigError, nearest
from selfplay.exports.columns import SOURCES
from selfplay.exports.items import PROVENANCE, Item

_TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "system_tag": "system",
}


@dataclass(frozen=True)
class Layout:
    """The columns of one kind of rows for one tool."""

    columns: Mapping[str, str]
    """Source by column."""
    use: str
    """What the tool has to be told."""
    info: Mapping[str, Any] = field(default_factory=dict)
    """LLaMA-Factory's entry in `dataset_info.json`, less the file's name."""


_SELFPLAY = {
    "prompts": Layout(
        {"prompt": "messages", "answer": "answer", PROVENANCE: "provenance"},
        "selfplay run own prompts={train} model=DIR",
    ),
    "pairs": Layout(
        {
            "prompt": "messages",
            "chosen": "response",
            "rejected": "rejected",
            "margin": "margin",
            PROVENANCE: "provenance",
        },
        "selfplay train {train} --model DIR --objective dpo",
    ),
    "unpaired": Layout(
        {
            "prompt": "messages",
            "responses": "responses",
            "rewards": "labels",
            PROVENANCE: "provenance",
        },
        "selfplay train {train} --model DIR --objective kto",
    ),
    "sft": Layout(
        {"prompt": "messages", "completion": "response", PROVENANCE: "provenance"},
        "selfplay train {train} --model DIR --objective sft",
    ),
    "rewards": Layout(
        {
            "prompt": "messages",
            "responses": "responses",
            "rewards": "rewards",
            PROVENANCE: "provenance",
        },
        "selfplay train {train} --model DIR --objective rm",
    ),
    "comparisons": Layout(
        {
            "prompt": "messages",
            "chosen": "response",
            "rejected": "rejected",
            "probability": "probability",
            PROVENANCE: "provenance",
        },
        "selfplay train {train} --model DIR --objective rm",
    ),
}
_TRL_PAIRS = Layout(
    {"prompt": "messages", "chosen": "response_turns", "rejected": "rejected_turns"},
    "DPOTrainer or RewardTrainer: load_dataset of the directory",
)
_TRL = {
    "prompts": Layout(
        {
            "prompt": "messages",
            "answer": "answer",
            "task": "task",
            PROVENANCE: "provenance",
        },
        "GRPOTrainer or RLOOTrainer: load_dataset of the directory",
    ),
    "pairs": _TRL_PAIRS,
    "comparisons": _TRL_PAIRS,
    "unpaired": Layout(
        {"prompt": "messages", "completion": "response_turns", "label": "label"},
        "KTOTrainer: load_dataset of the directory",
    ),
    "sft": Layout(
        {"prompt": "messages", "completion": "response_turns"},
        "SFTTrainer: load_dataset of the directory",
    ),
}
_VERL = {
    "prompts": Layout(
        {
            "data_source": "task",
            "prompt": "messages",
            "ability": "task",
            "reward_model.style": "=rule",
            "reward_model.ground_truth": "answer_or_empty",
            "extra_info.index": "index",
            "extra_info.split": "split",
            "extra_info.id": "id",
            PROVENANCE: "provenance",
        },
        "data.train_files={train} data.val_files={validation}",
    ),
    "sft": Layout(
        {"messages": "conversation"},
        "data.train_files={train} data.val_files={validation} data.messages_key=messages",
    ),
}
_OPENRLHF_PAIRS = Layout(
    {
        "prompt": "messages",
        "chosen": "response_turns",
        "rejected": "rejected_turns",
        "margin": "margin",
    },
    "dataset {train}; prompt_key prompt, chosen_key chosen, rejected_key rejected, "
    "apply_chat_template",
)
_OPENRLHF = {
    "prompts": Layout(
        {
            "input": "messages",
            "label": "answer_or_empty",
            "datasource": "task",
            PROVENANCE: "provenance",
        },
        "dataset {train}; input_key input, label_key label, apply_chat_template",
    ),
    "pairs": _OPENRLHF_PAIRS,
    "comparisons": _OPENRLHF_PAIRS,
    "sft": Layout(
        {"input": "messages", "output": "response_turns"},
        "dataset {train}; input_key input, output_key output, apply_chat_template",
    ),
}
_AXOLOTL_PAIRS = Layout(
    {"messages": "messages", "chosen": "response_turn", "rejected": "rejected_turn"},
    "rl: dpo; datasets: path {train}, type chat_template.default",
)
_AXOLOTL = {
    "prompts": Layout(
        {"prompt": "messages", "answer": "answer", PROVENANCE: "provenance"},
        "rl: grpo; datasets: path {train}, type a function of yours that returns rows as they are",
    ),
    "pairs": _AXOLOTL_PAIRS,
    "comparisons": _AXOLOTL_PAIRS,
    "unpaired": Layout(
        {"completion": "conversation", "label": "label"},
        "rl: kto; datasets: path {train}, type chatml.argilla_chat or llama3.argilla_chat",
    ),
    "sft": Layout({"messages": "conversation"}, "datasets: path {train}, type chat_template"),
}
_LLAMA_PAIRS = Layout(
    {"messages": "messages", "chosen": "response_turn", "rejected": "rejected_turn"},
    "stage: dpo or rm; dataset_dir: {directory}; dataset: selfplay_train",
    {
        "formatting": "sharegpt",
        "ranking": True,
        "columns": {"messages": "messages", "chosen": "chosen", "rejected": "rejected"},
        "tags": _TAGS,
    },
)
_LLAMA_FACTORY = {
    "prompts": Layout(
        {
            "instruction": "instruction",
            "system": "system",
            "history": "history",
            PROVENANCE: "provenance",
        },
        "stage: ppo; dataset_dir: {directory}; dataset: selfplay_train",
        {"columns": {"prompt": "instruction", "system": "system", "history": "history"}},
    ),
    "pairs": _LLAMA_PAIRS,
    "comparisons": _LLAMA_PAIRS,
    "unpaired": Layout(
        {"messages": "conversation", "label": "label"},
        "stage: kto; dataset_dir: {directory}; dataset: selfplay_train",
        {
            "formatting": "sharegpt",
            "columns": {"messages": "messages", "kto_tag": "label"},
            "tags": _TAGS,
        },
    ),
    "sft": Layout(
        {"messages": "conversation"},
        "stage: sft; dataset_dir: {directory}; dataset: selfplay_train",
        {"formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": _TAGS},
    ),
}

LAYOUTS: Mapping[str, Mapping[str, Layout]] = {
    "selfplay": _SELFPLAY,
    "trl": _TRL,
    "verl": _VERL,
    "openrlhf": _OPENRLHF,
    "axolotl": _AXOLOTL,
    "llama_factory": _LLAMA_FACTORY,
}
"""By tool, then by what is exported."""


def layout_of(name: str, what: str) -> Layout:
    """The layout of a tool for a kind of rows.

    Raises:
        ConfigError: there is no such tool, or it reads no such rows.
    """
    if name not in LAYOUTS:
        raise ConfigError(f"layout: there is no '{name}'; {nearest(name, LAYOUTS)}")
    if what not in LAYOUTS[name]:
        raise ConfigError(
            f"layout {name}: expected one of {', '.join(LAYOUTS[name])}, found '{what}', which "
            f"this tool has no rows for; take layout selfplay or another one"
        )
    return LAYOUTS[name][what]


def row(layout: Layout, item: Item) -> dict[str, Any]:
    """The item in the layout's columns."""
    made: dict[str, Any] = {}
    for column, source in layout.columns.items():
        *parents, name = column.split(".")
        place = made
        for parent in parents:
            place = place.setdefault(parent, {})
        place[name] = source[1:] if source.startswith("=") else SOURCES[source].read(item)
    return made
