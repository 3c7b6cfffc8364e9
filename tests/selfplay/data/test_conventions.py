"""What files in the forms of other tools are taken to mean: each column is used, or named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from selfplay.core.errors import DataError
from selfplay.core.notices import heard_by
from selfplay.core.types import Message
from selfplay.data.prompts import PromptFile, PromptFileOptions, read_prompts
from selfplay.data.recorded import RecordedFile, read_recorded, recorded_file

SHARED = Path(__file__).parents[3].parent / "shared"
CASES = SHARED / "cases"
needs_cases = pytest.mark.skipif(not CASES.exists(), reason="the failing inputs are not there")
needs_seeds = pytest.mark.skipif(
    not (SHARED / "data/self_instruct").exists(), reason="the self-instruct seeds are not there"
)
ASK = {"role": "user", "content": "2 + 2?"}
SAY = {"role": "assistant", "content": "4"}
WRONG = {"role": "assistant", "content": "5"}
SYSTEM = {"role": "system", "content": "Digits."}
HUMAN, GPT = {"from": "human", "value": "2 + 2?"}, {"from": "gpt", "value": "4"}
HH = "\n\nHuman: 2 + 2?\n\nAssistant: Hm?\n\nHuman: Go on.\n\nAssistant: "


def write(path: Path, *rows: dict[str, Any]) -> Path:
    target = path / "rows.jsonl"
    target.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return target


def prompts(path: Path, *rows: dict[str, Any], **options: Any) -> PromptFile:
    return read_prompts(PromptFileOptions(str(write(path, *rows)), **options))


def recorded(path: Path, *rows: dict[str, Any]) -> RecordedFile:
    return recorded_file(write(path, *rows), "auto")


def said(messages: tuple[Message, ...]) -> list[str]:
    return [f"{message.role}: {message.content}" for message in messages]


@pytest.mark.parametrize(
    ("row", "asked", "answer"),
    [
        (
            {"instruction": "Add.", "input": "2 and 2", "answer": "4"},
            ["user: Add.\n\n2 and 2"],
            "4",
        ),
        ({"instruction": "Add.", "input": "", "output": "4"}, ["user: Add."], None),
        ({"instruction": "Add.", "context": "2 and 2"}, ["user: Add.\n\n2 and 2"], None),
        (
            {"instruction": "Add.", "instances": [{"input": "2 and 2", "output": "4"}]},
            ["user: Add.\n\n2 and 2"],
            None,
        ),
        ({"system": "Digits.", "prompt": "2 + 2?"}, ["system: Digits.", "user: 2 + 2?"], None),
        ({"system_prompt": "Digits.", "question": "?"}, ["system: Digits.", "user: ?"], None),
        (
            {"system": "Digits.", "messages": [SYSTEM, ASK]},
            ["system: Digits.", "user: 2 + 2?"],
            None,
        ),
        (
            {"instruction": "And 3?", "input": "", "history": [["2?", "4"]]},
            ["user: 2?", "assistant: 4", "user: And 3?"],
            None,
        ),
        ({"conversations": [HUMAN]}, ["user: 2 + 2?"], None),
        ({"problem": "2 + 2?", "solution": "It is 4.", "answer": 4}, ["user: 2 + 2?"], "4"),
        ({"input": "2 + 2?", "label": "4"}, ["user: 2 + 2?"], None),
        (
            {"prompt": [ASK], "reward_model": {"style": "rule", "ground_truth": "4"}},
            ["user: 2 + 2?"],
            "4",
        ),
        ({"prompt": [ASK], "reward_model": {"ground_truth": ""}}, ["user: 2 + 2?"], None),
        ({"prompt": json.dumps([SYSTEM, ASK])}, ["system: Digits.", "user: 2 + 2?"], None),
        ({"prompt": '[1, 2] + [{"a": 3}]?'}, ['user: [1, 2] + [{"a": 3}]?'], None),
        (
            {"prompt": [{"role": "user", "content": [{"type": "text", "text": "2 + "}, "2?"]}]},
            ["user: 2 + 2?"],
            None,
        ),
    ],
)
def test_what_belongs_to_a_prompt_is_asked(
    tmp_path: Path, row: dict[str, Any], asked: list[str], answer: str | None
) -> None:
    (prompt,) = prompts(tmp_path, row).prompts
    assert (said(prompt.messages), prompt.answer) == (asked, answer)


def test_a_chat_as_json_text_with_a_key_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    chat = '[{"role": "user", "content": "a", "content": "b"}]'
    with pytest.raises(DataError, match=r"line 1.*the key 'content' twice"):
        prompts(tmp_path, {"prompt": chat})
    (asked,) = prompts(tmp_path, {"prompt": '{"a": 1, "a": 2}'}).prompts
    assert said(asked.messages) == ['user: {"a": 1, "a": 2}']


@pytest.mark.parametrize(
    ("row", "asked", "responses", "rewards"),
    [
        ({"prompt": "?", "completion": "4"}, ["user: ?"], ("4",), (1.0,)),
        ({"prompt": [ASK], "completion": [SAY]}, ["user: 2 + 2?"], ("4",), (1.0,)),
        ({"instruction": "Add.", "input": "2", "output": "4"}, ["user: Add.\n\n2"], ("4",), (1.0,)),
        ({"messages": [SYSTEM, ASK, SAY]}, ["system: Digits.", "user: 2 + 2?"], ("4",), (1.0,)),
        (
            {"conversations": [HUMAN, GPT], "system": "s"},
            ["system: s", "user: 2 + 2?"],
            ("4",),
            (1.0,),
        ),
        ({"prompt": "?", "completion": "4", "label": True}, ["user: ?"], ("4",), (1.0,)),
        ({"prompt": "?", "completion": "5", "label": False}, ["user: ?"], ("5",), (0.0,)),
        ({"prompt": "?", "completion": "5", "label": "false"}, ["user: ?"], ("5",), (0.0,)),
        ({"conversations": [HUMAN, GPT], "kto_tag": False}, ["user: 2 + 2?"], ("4",), (0.0,)),
        ({"prompt": "?", "response": "4", "score": 0.25}, ["user: ?"], ("4",), (0.25,)),
        ({"prompt": "?", "response": "4", "reward": None}, ["user: ?"], ("4",), (None,)),
        ({"prompt": "?", "chosen": "4", "rejected": "5"}, ["user: ?"], ("4", "5"), (1.0, 0.0)),
        (
            {"prompt": [ASK], "chosen": [SAY], "rejected": [WRONG]},
            ["user: 2 + 2?"],
            ("4", "5"),
            (1.0, 0.0),
        ),
        (
            {"chosen": [SYSTEM, ASK, SAY], "rejected": [SYSTEM, ASK, WRONG]},
            ["system: Digits.", "user: 2 + 2?"],
            ("4", "5"),
            (1.0, 0.0),
        ),
        (
            {
                "prompt": "2 + 2?",
                "chosen": [ASK, SAY],
                "rejected": [ASK, WRONG],
                "messages": [ASK, SAY],
            },
            ["user: 2 + 2?"],
            ("4", "5"),
            (1.0, 0.0),
        ),
        (
            {"system": "Digits.", "question": "?", "chosen": "4", "rejected": "5"},
            ["system: Digits.", "user: ?"],
            ("4", "5"),
            (1.0, 0.0),
        ),
        (
            {"messages": [ASK], "chosen": SAY, "rejected": WRONG},
            ["user: 2 + 2?"],
            ("4", "5"),
            (1.0, 0.0),
        ),
        (
            {"conversations": [HUMAN], "chosen": GPT, "rejected": {"from": "gpt", "value": "5"}},
            ["user: 2 + 2?"],
            ("4", "5"),
            (1.0, 0.0),
        ),
        (
            {
                "input": {"messages": [ASK]},
                "preferred_output": [SAY],
                "non_preferred_output": [WRONG],
            },
            ["user: 2 + 2?"],
            ("4", "5"),
            (1.0, 0.0),
        ),
        (
            {"chosen": HH + "4", "rejected": HH + "5"},
            ["user: 2 + 2?", "assistant: Hm?", "user: Go on."],
            ("4", "5"),
            (1.0, 0.0),
        ),
        (
            {
                "prompt": "?",
                "chosen": "4",
                "rejected": "5",
                "score_chosen": 8,
                "score_rejected": 5.5,
            },
            ["user: ?"],
            ("4", "5"),
            (2.5, 0.0),
        ),
        (
            {"prompt": "?", "chosen": "4", "rejected": "5", "chosen_score": 5, "rejected_score": 5},
            ["user: ?"],
            ("4", "5"),
            (None, None),
        ),
    ],
)
def test_a_recorded_row_means_what_its_tool_means(
    tmp_path: Path,
    row: dict[str, Any],
    asked: list[str],
    responses: tuple[str, ...],
    rewards: tuple[float | None, ...],
) -> None:
    (record,) = recorded(tmp_path, row).records
    assert said(record.prompt.messages) == asked
    assert (record.responses, record.rewards) == (responses, rewards)


def test_turns_between_the_prompt_and_the_responses_are_asked(tmp_path: Path) -> None:
    between = [{"role": "assistant", "content": "Hm?"}, {"role": "user", "content": "Go on."}]
    expected = ["user: 2 + 2?", "assistant: Hm?", "user: Go on."]
    for lead in ([ASK, *between], between):
        row = {"prompt": "2 + 2?", "chosen": [*lead, SAY], "rejected": [*lead, WRONG]}
        assert said(recorded(tmp_path, row).records[0].prompt.messages) == expected
    other = [ASK, {"role": "assistant", "content": "No."}, between[1], WRONG]
    with pytest.raises(DataError, match=r"line 1: expected the same turns .* from turn 2 on"):
        recorded(tmp_path, {"prompt": "2 + 2?", "chosen": [ASK, *between, SAY], "rejected": other})
    with pytest.raises(DataError, match="expected what the chat of the response begins or ends"):
        recorded(tmp_path, {"prompt": "3?", "chosen": [ASK, SAY], "rejected": [ASK, WRONG]})


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"system": "a", "messages": [SYSTEM, ASK]}, "expected one system message"),
        ({"instruction": [ASK, SAY, ASK], "input": "x"}, "expected a text beside 'input'"),
        ({"prompt": "?", "system": 3}, "column 'system': expected a text, found 3"),
        ({"prompt": "?", "history": ["a"]}, r"expected pairs of \[user, assistant\]"),
        ({"prompt": "[{'role': 'user', 'content': 'a'}]"}, "one in Python's notation"),
        (
            {"prompt": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]},
            "message 1: expected parts of type text, found one of type 'image_url'",
        ),
        ({"messages": [{**ASK, "tool_calls": [1]}, ASK]}, "message 1: .* found `tool_calls`"),
        ({"messages": [{**ASK, "weight": 0}, ASK]}, "message 1: .* found weight 0"),
        ({"prompt": "?", "answer": float("inf")}, "found an infinite number; write it as a text"),
    ],
)
def test_what_can_be_neither_asked_nor_left_out_is_refused(
    tmp_path: Path, row: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=f"line 1.*{message}"):
        prompts(tmp_path, row)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"prompt": "?", "completion": "4", "label": "good"},
            "expected true or false, found 'good'",
        ),
        ({"prompt": "?", "completion": "4", "label": 2}, "expected true or false, found 2"),
        ({"prompt": "?", "completion": "4", "reward": 10**400}, "expected a finite number"),
        ({"prompt": "?", "completion": ""}, "expected 'completion', a text"),
        ({"chosen": "4", "rejected": "5"}, "expected a prompt column, or turns"),
        ({"prompt": "?", "chosen": [SAY, ASK], "rejected": "5"}, "turn of 'user' last"),
        ({"prompt": "?", "chosen": "4", "rejected": "5", "margin": 10**400}, "a margin above 0"),
        (
            {
                "prompt": "?",
                "chosen": "4",
                "rejected": "5",
                "score_chosen": 1,
                "score_rejected": "x",
            },
            "expected numbers in score_chosen and score_rejected",
        ),
    ],
)
def test_a_recorded_row_that_cannot_be_meant_is_refused(
    tmp_path: Path, row: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=f"line 1.*{message}"):
        recorded(tmp_path, row)


def test_columns_without_effect_are_named_and_those_that_matter_with_advice(tmp_path: Path) -> None:
    row = {"prompt": "?", "weight": 2, "label": "4", "images": [], "uid": 1, "topic": "a"}
    weight, label, images, rest = prompts(tmp_path, row).notes
    assert "'weight' is not used: all rows count the same" in weight
    assert "'label' is not used: name it with prompts.answer" in label
    assert "'images' is not used: only texts are asked" in images
    assert rest.endswith("kept beside the prompts and not used: uid, topic")
    assert not prompts(tmp_path, {"prompt": "?", "answer": "4"}).notes


def test_a_column_can_be_named_or_left_out(tmp_path: Path) -> None:
    row = {"prompt": "?", "task_text": "x", "rules": "Be brief.", "system": "Digits."}
    (prompt,) = prompts(tmp_path, row, input="task_text", system="rules").prompts
    assert said(prompt.messages) == ["system: Be brief.", "user: ?\n\nx"]
    found = prompts(tmp_path, row, system="none")
    assert said(found.prompts[0].messages) == ["user: ?"]
    assert "'system' is not used: name it with prompts.system" in found.notes[0]


def test_repeated_contradicting_and_answerless_rows_are_told_with_the_first_place(
    tmp_path: Path,
) -> None:
    rows = [{"prompt": "?", "answer": answer} for answer in ("4", "4", "5", float("nan"))]
    repeated, conflict, golds = prompts(tmp_path, *rows).notes
    assert "1 of 4 rows repeat an earlier one, the first at" in repeated
    assert "line 2" in repeated
    assert "2 questions are asked again with another gold answer" in conflict
    assert "line 3: '?'" in conflict
    assert "1 of 4 rows have no gold answer" in golds
    assert "line 4" in golds


def test_recorded_rows_that_contradict_each_other_are_told(tmp_path: Path) -> None:
    one = {"prompt": "?", "chosen": "4", "rejected": "5"}
    other = {"prompt": "?", "chosen": "5", "rejected": "4"}
    repeated, opposite = recorded(tmp_path, one, one, other).notes
    assert "1 of 3 rows repeat" in repeated
    assert "1 rows contradict an earlier one about the same responses" in opposite
    labels = [{"prompt": "?", "completion": "4", "label": label} for label in (True, False)]
    notes = recorded(tmp_path, *labels).notes
    assert any("1 rows contradict" in note for note in notes)
    assert any("'label' says that 1 of 2 responses are bad ones" in note for note in notes)
    heard: list[str] = []
    with heard_by(heard.append):
        read_recorded(write(tmp_path, *labels), "auto")
    assert heard == list(notes)


@pytest.mark.parametrize(
    ("value", "text"),
    [(5e-05, "0.00005"), (1e22, "1" + "0" * 22), (42.0, "42"), (-0.0, "0"), (0.1, "0.1"), (7, "7")],
)
def test_a_number_is_a_gold_answer_with_all_its_digits(
    tmp_path: Path, value: float, text: str
) -> None:
    assert prompts(tmp_path, {"prompt": "?", "answer": value}).prompts[0].answer == text


def test_decimals_and_floats_of_parquet_are_gold_answers(tmp_path: Path) -> None:
    from decimal import Decimal

    import pyarrow as pa
    from pyarrow import parquet

    answers = pa.array([Decimal("0.50"), Decimal("1200.00"), None])
    parquet.write_table(
        pa.table({"prompt": ["a", "b", "c"], "answer": answers}), tmp_path / "a.parquet"
    )
    found = read_prompts(PromptFileOptions(str(tmp_path / "a.parquet")))
    assert [prompt.answer for prompt in found.prompts] == ["0.5", "1200", None]


def test_what_json_has_no_word_for_becomes_null_in_further_columns(tmp_path: Path) -> None:
    row = {"prompt": "?", "x": float("nan"), "y": {"z": [float("inf"), 1.5]}}
    assert prompts(tmp_path, row).prompts[0].extra == {"x": None, "y": {"z": [None, 1.5]}}


@needs_seeds
def test_no_self_instruct_seed_loses_its_input() -> None:
    path = SHARED / "data/self_instruct/seed_tasks.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    found = read_prompts(PromptFileOptions(str(path))).prompts
    inputs = [row["instances"][0]["input"] for row in rows]
    assert sum(map(bool, inputs)) == 125
    assert all(given in prompt.text for given, prompt in zip(inputs, found, strict=True))


@needs_cases
def test_the_failing_inputs_are_read_as_meant_or_refused_with_their_line() -> None:
    assert (
        len(read_prompts(PromptFileOptions(str(CASES / "F03_input_column/alpaca2.jsonl"))).prompts)
        == 7
    )
    kto = read_recorded(CASES / "F01_kto_labels/kto.jsonl", "auto")
    assert [record.rewards[0] for record in kto] == [1.0, 0.0] * 3
    multiturn = read_recorded(CASES / "F04_multiturn_pairs/cmp_multiturn.jsonl", "auto")
    assert {len(record.prompt.messages) for record in multiturn} == {3}
    for name in (
        "F04_multiturn_pairs/cmp_multiturn_diff.jsonl",
        "F15_surrogates/groups_sur.jsonl",
        "F16_numbers_too_large/groups_hugeint.jsonl",
        "F16_numbers_too_large/groups_ids_neg.jsonl",
    ):
        with pytest.raises(DataError, match="line 1"):
            read_recorded(CASES / name, "auto")
    for name in (
        "F10_nan_gold/inf_answer.jsonl",
        "F15_surrogates/surrogate.jsonl",
        "F16_numbers_too_large/hugeint_answer.jsonl",
    ):
        with pytest.raises(DataError, match="line 1"):
            read_prompts(PromptFileOptions(str(CASES / name)))
