"""Exports go through the readers of the tools that they are for.

TRL is installed wherever the project is. verl, OpenRLHF, Axolotl and LLaMA-Factory need other
versions of much of it: their readers run where they can be imported, and what they ask of a row is
checked everywhere.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from selfplay.exports import ExportOptions, export
from tests.selfplay.export_runs import ASKED, POEM, TALK, write_run

Row = dict[str, Any]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "made")


@pytest.fixture
def loaded(run: Path, tmp_path: Path) -> Callable[[str, str], Any]:
    """The rows of a layout, as `load_dataset` of the directory gives them."""

    def load(layout: str, what: str) -> Any:
        from datasets import load_dataset

        place = tmp_path / f"{layout}-{what}"
        export(run, place, ExportOptions(what=what, layout=layout, format="parquet"))  # type: ignore[arg-type]
        return load_dataset(str(place), split="train", cache_dir=str(tmp_path / "cache"))

    return load


@pytest.fixture
def tokenizer(tiny_model_dir: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model_dir)


def reader(module: str, name: str) -> Any:
    """A tool's own reader, where it can be imported."""
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, OSError) as error:
        tool = module.partition(".")[0]
        pytest.skip(f"{tool} is not installed with all that its reader needs ({error})")


def is_turn(found: Any, role: str = "") -> bool:
    return set(found) == {"role", "content"} and (not role or found["role"] == role)


def is_chat(found: Any, last: str = "user") -> bool:
    return all(map(is_turn, found)) and found[-1]["role"] == last


# What the tools' documentation asks of a row

Check = Callable[[Row], bool]


def preference(row: Row) -> bool:
    return (
        is_chat(row["prompt"])
        and [turn["role"] for turn in row["chosen"]] == ["assistant"]
        and [turn["role"] for turn in row["rejected"]] == ["assistant"]
    )


def ranked(row: Row) -> bool:
    turns = (row["chosen"], row["rejected"])
    return is_chat(row["messages"]) and all(is_turn(turn, "assistant") for turn in turns)


def conversation(row: Row) -> bool:
    return is_chat(row["messages"], "assistant")


DOCUMENTED: Mapping[tuple[str, str], Check] = {
    ("trl", "prompts"): lambda row: is_chat(row["prompt"]) and "answer" in row,
    ("trl", "pairs"): preference,
    ("trl", "comparisons"): preference,
    ("trl", "unpaired"): lambda row: (
        is_chat(row["prompt"])
        and is_chat(row["completion"], "assistant")
        and isinstance(row["label"], bool)
    ),
    ("trl", "sft"): lambda row: is_chat(row["prompt"]) and is_chat(row["completion"], "assistant"),
    ("verl", "prompts"): lambda row: (
        isinstance(row["data_source"], str)
        and is_chat(row["prompt"])
        and row["reward_model"]["style"] == "rule"
        and isinstance(row["reward_model"]["ground_truth"], str)
        and isinstance(row["extra_info"]["index"], int)
    ),
    ("verl", "sft"): conversation,
    ("openrlhf", "prompts"): lambda row: is_chat(row["input"]) and isinstance(row["label"], str),
    ("openrlhf", "pairs"): preference,
    ("openrlhf", "comparisons"): preference,
    ("openrlhf", "sft"): lambda row: is_chat(row["input"]) and is_chat(row["output"], "assistant"),
    ("axolotl", "prompts"): lambda row: is_chat(row["prompt"]),
    ("axolotl", "pairs"): ranked,
    ("axolotl", "comparisons"): ranked,
    ("axolotl", "unpaired"): lambda row: (
        is_chat(row["completion"], "assistant") and isinstance(row["label"], bool)
    ),
    ("axolotl", "sft"): conversation,
    ("llama_factory", "prompts"): lambda row: (
        bool(row["instruction"])
        and isinstance(row["system"], str)
        and all(len(pair) == 2 for pair in row["history"])
    ),
    ("llama_factory", "pairs"): ranked,
    ("llama_factory", "comparisons"): ranked,
    ("llama_factory", "unpaired"): lambda row: conversation(row) and isinstance(row["label"], bool),
    ("llama_factory", "sft"): conversation,
}


@pytest.mark.parametrize(("layout", "what"), list(DOCUMENTED))
def test_rows_are_as_the_tool_documents_them(
    loaded: Callable[[str, str], Any], layout: str, what: str
) -> None:
    rows = loaded(layout, what).to_list()
    assert rows
    assert all(DOCUMENTED[layout, what](row) for row in rows)


# TRL


@pytest.mark.parametrize("what", ["prompts", "pairs", "unpaired", "sft"])
def test_trl_puts_every_row_under_a_chat_template(
    loaded: Callable[[str, str], Any], tokenizer: Any, what: str
) -> None:
    from trl.data_utils import is_conversational, maybe_apply_chat_template

    dataset = loaded("trl", what)
    columns = ("prompt", "chosen", "rejected", "completion", "label")
    dataset = dataset.select_columns([name for name in columns if name in dataset.column_names])
    for row in dataset:
        assert is_conversational(row)
        put = maybe_apply_chat_template(row, tokenizer)
        assert isinstance(put["prompt"], str)
        for name in ("chosen", "rejected", "completion"):
            assert name not in row or row[name][0]["content"] in put[name]


def options(tmp_path: Path) -> dict[str, Any]:
    return {
        "output_dir": str(tmp_path / "trained"),
        "use_cpu": True,
        "bf16": False,
        "dataloader_pin_memory": False,
        "report_to": "none",
        "save_strategy": "no",
        "max_steps": 1,
        "per_device_train_batch_size": 2,
    }


# TRL goes by names that transformers has given up.
@pytest.mark.filterwarnings("ignore:.*is deprecated and will be removed in v6:FutureWarning")
@pytest.mark.parametrize(
    ("trainer", "what"),
    [("DPO", "pairs"), ("Reward", "pairs"), ("KTO", "unpaired"), ("SFT", "sft")],
)
def test_trl_trains_a_step_on_the_rows(
    loaded: Callable[[str, str], Any],
    tokenizer: Any,
    tiny_model_dir: Path,
    tmp_path: Path,
    trainer: str,
    what: str,
) -> None:
    import trl
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    kind = AutoModelForSequenceClassification if trainer == "Reward" else AutoModelForCausalLM
    settings = {"num_labels": 1} if trainer == "Reward" else {}
    model = kind.from_pretrained(tiny_model_dir, **settings)
    dataset = loaded("trl", what)
    made = getattr(trl, f"{trainer}Trainer")(
        model=model,
        args=getattr(trl, f"{trainer}Config")(**options(tmp_path)),
        train_dataset=dataset,
        processing_class=tokenizer,
    )
    assert len(made.train_dataset) == len(dataset)
    assert made.train().global_step == 1


# verl


def test_verl_reads_every_prompt(run: Path, tmp_path: Path, tokenizer: Any) -> None:
    dataset_class = reader("verl.utils.dataset.rl_dataset", "RLHFDataset")
    from omegaconf import OmegaConf

    for form in ("parquet", "jsonl"):
        place = tmp_path / form
        export(run, place, ExportOptions(layout="verl", format=form))  # type: ignore[arg-type]
        config = OmegaConf.create(
            {"max_prompt_length": 4096, "filter_overlong_prompts": False, "cache_dir": str(place)}
        )
        read = dataset_class([str(place / f"train.{form}")], tokenizer, config)
        rows = [read[i] for i in range(len(read))]
        assert len(rows) == len(ASKED)
        for row, asked in zip(rows, ASKED, strict=True):
            assert [turn["content"] for turn in row["raw_prompt"]] == [
                message.content for message in asked.messages
            ]
            assert row["reward_model"]["ground_truth"] == (asked.answer or "")
        assert [row["index"] for row in rows] == list(range(len(ASKED)))


# OpenRLHF


def strategy(**arguments: Any) -> SimpleNamespace:
    data = SimpleNamespace(apply_chat_template=True, **arguments)
    return SimpleNamespace(args=SimpleNamespace(data=data), is_rank_0=lambda: False)


def test_openrlhf_reads_every_prompt(loaded: Callable[[str, str], Any], tokenizer: Any) -> None:
    read = reader("openrlhf.datasets.prompts_dataset", "PromptDataset")(
        loaded("openrlhf", "prompts"), tokenizer, strategy(input_key="input", label_key="label")
    )
    assert len(read) == len(ASKED)
    for asked, (source, prompt, label, _) in zip(ASKED, read, strict=True):
        assert (source, label) == (asked.task, asked.answer or "")
        assert all(message.content in prompt for message in asked.messages)


def test_openrlhf_reads_every_pair(loaded: Callable[[str, str], Any], tokenizer: Any) -> None:
    preprocess = reader("openrlhf.datasets.reward_dataset", "preprocess_data")
    for row in loaded("openrlhf", "pairs"):
        prompt, chosen, rejected, margin = preprocess(
            row, None, "prompt", "chosen", "rejected", tokenizer.apply_chat_template, True
        )
        assert row["prompt"][-1]["content"] in prompt
        assert row["chosen"][0]["content"] in chosen
        assert row["rejected"][0]["content"] in rejected
        assert margin == row["margin"]


def test_openrlhf_reads_every_demonstration(
    loaded: Callable[[str, str], Any], tokenizer: Any
) -> None:
    preprocess = reader("openrlhf.datasets.sft_dataset", "preprocess_data")
    for row in loaded("openrlhf", "sft"):
        prompt, response = preprocess(row, None, "input", "output", tokenizer.apply_chat_template)
        assert row["input"][-1]["content"] in prompt
        assert row["output"][0]["content"] in response


# Axolotl


def test_axolotl_reads_every_pair(loaded: Callable[[str, str], Any], tokenizer: Any) -> None:
    default = reader("axolotl.prompt_strategies.dpo.chat_template", "default")
    mapping = {"type": "chat_template.default", "chat_template": "tokenizer_default"}
    transform, _ = default({"datasets": [mapping], "chat_template": "tokenizer_default"})
    for row in loaded("axolotl", "pairs"):
        put = transform(row, tokenizer=tokenizer)
        assert row["messages"][-1]["content"] in put["prompt"]
        assert put["chosen"].startswith(row["chosen"]["content"])
        assert put["rejected"].startswith(row["rejected"]["content"])


def test_axolotl_reads_every_unpaired_response(loaded: Callable[[str, str], Any]) -> None:
    transform = reader("axolotl.prompt_strategies.kto.chatml", "argilla_chat")({})
    for row in loaded("axolotl", "unpaired"):
        put = transform(dict(row))
        assert all(turn["content"] in put["prompt"] for turn in row["completion"][:-1])
        assert put["completion"] == f"{row['completion'][-1]['content']}<|im_end|>"


# LLaMA-Factory


@pytest.mark.parametrize("what", ["prompts", "pairs", "unpaired", "sft"])
def test_llama_factory_converts_every_row(run: Path, tmp_path: Path, what: str) -> None:
    get_list = reader("llamafactory.data.parser", "get_dataset_list")
    get_converter = reader("llamafactory.data.converter", "get_dataset_converter")
    from datasets import load_dataset

    place = tmp_path / "set"
    export(run, place, ExportOptions(what=what, layout="llama_factory"))  # type: ignore[arg-type]
    (attributes,) = get_list(["selfplay_train"], str(place))
    path = place / attributes.dataset_name
    rows = load_dataset("json", data_files=str(path), split="train", cache_dir=str(tmp_path / "c"))
    convert = get_converter(attributes.formatting, attributes, SimpleNamespace(media_dir=None))
    put = [convert(row) for row in rows]
    responses = {"prompts": 0, "pairs": 2, "unpaired": 2, "sft": 1}[what]
    assert {len(row["_response"]) for row in put} == {responses}
    asked = [[turn["content"] for turn in row["_prompt"]] for row in put]
    assert [message.content for message in TALK.messages] in asked
    assert [POEM.messages[1].content] in asked
    assert POEM.messages[0].content in {row["_system"] for row in put}
