"""Claims about reading prompt files."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from selfplay.core.types import Message, user
from selfplay.data.prompts import PromptFile, PromptFileOptions, read_prompts

DATA = Path(__file__).parents[3].parent / "shared/data"
ROWS = [
    {"question": "1 + 1 = ?", "answer": "2", "level": 1},
    {"question": "2 + 2 = ?", "answer": "4", "level": 2},
]


def jsonl(path: Path, rows: Sequence[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(path: Path, **options: Any) -> PromptFile:
    return read_prompts(PromptFileOptions(path=str(path), **options))


def write(path: Path, suffix: str) -> Path:
    """`ROWS` in the format of `suffix`."""
    from datasets import Dataset

    target = path / f"rows{suffix}"
    if suffix == ".jsonl":
        return jsonl(target, ROWS)
    table = Dataset.from_list(ROWS)
    save = {".csv": table.to_csv, ".parquet": table.to_parquet, "": table.save_to_disk}[suffix]
    save(str(target))
    return target


def test_importing_the_module_loads_neither_torch_nor_the_table_readers() -> None:
    code = (
        "import sys, selfplay.data.prompts; "
        "assert not {'torch', 'pyarrow', 'datasets'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet", ""])
def test_every_format_gives_the_same_prompts(tmp_path: Path, suffix: str) -> None:
    found = read(write(tmp_path, suffix))
    assert [(p.text, p.answer, str(p.extra["level"])) for p in found.prompts] == [
        ("1 + 1 = ?", "2", "1"),
        ("2 + 2 = ?", "4", "2"),
    ]


def test_a_list_of_messages_is_a_chat(tmp_path: Path) -> None:
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    found = read(jsonl(tmp_path / "a.jsonl", [{"messages": chat}]))
    assert found.prompts[0].messages == (Message("system", "Be brief."), Message("user", "Hi"))
    assert found.prompts[0].answer is None


def test_a_chat_comes_back_from_parquet(tmp_path: Path) -> None:
    from datasets import Dataset

    rows = [{"prompt": [{"role": "user", "content": "Hi"}]}]
    Dataset.from_list(rows).to_parquet(str(tmp_path / "a.parquet"))
    assert read(tmp_path / "a.parquet").prompts[0].messages == user("Hi")


def test_columns_can_be_named(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [{"q": "1 + 1", "a": 2, "kind": "sum", "n": None}])
    prompt = read(path, prompt="q", answer="a", task="kind").prompts[0]
    assert (prompt.text, prompt.answer, prompt.task) == ("1 + 1", "2", "sum")
    assert prompt.extra == {"n": None}


def test_no_gold_answer_is_read_when_none_is_asked_for(tmp_path: Path) -> None:
    found = read(jsonl(tmp_path / "a.jsonl", ROWS), answer="none")
    assert [p.answer for p in found.prompts] == [None, None]


def test_a_marker_that_every_answer_has_is_recognised(tmp_path: Path) -> None:
    rows = [{"question": "q", "answer": "#### 3, so\n#### 1,000"}]
    found = read(jsonl(tmp_path / "a.jsonl", rows))
    assert found.columns.answer_marker == "####"
    assert found.prompts[0].answer == "1,000"
    assert found.prompts[0].extra["answer"] == "#### 3, so\n#### 1,000"


def test_a_marker_that_one_answer_lacks_is_not(tmp_path: Path) -> None:
    rows = [{"question": "q", "answer": "#### 3"}, {"question": "r", "answer": "4"}]
    found = read(jsonl(tmp_path / "a.jsonl", rows))
    assert [p.answer for p in found.prompts] == ["#### 3", "4"]
    with pytest.raises(ValueError, match=r"line 2, column 'answer': expected the marker '####'"):
        read(tmp_path / "a.jsonl", answer_marker="####")


def test_exact_duplicates_collapse_and_are_counted(tmp_path: Path) -> None:
    found = read(jsonl(tmp_path / "a.jsonl", [*ROWS, ROWS[0]]))
    assert (len(found.prompts), found.rows, found.duplicates) == (2, 3, 1)
    assert found.conflicts == ()


def test_the_same_question_with_another_answer_is_reported(tmp_path: Path) -> None:
    found = read(jsonl(tmp_path / "a.jsonl", [ROWS[0], {**ROWS[0], "answer": "3"}]))
    assert found.duplicates == 0
    assert found.conflicts == (found.prompts[1].id,)


def test_a_limit_reads_the_first_rows_alone(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", ROWS)
    path.write_text(path.read_text() + "not JSON\n")
    assert len(read(path, limit=2).prompts) == 2


def test_blank_lines_and_a_byte_order_mark_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('\ufeff{"prompt": "a"}\n\n{"prompt": "b"}\n', encoding="utf-8")
    assert [p.text for p in read(path).prompts] == ["a", "b"]


def test_a_missing_file_names_its_nearest_sibling(tmp_path: Path) -> None:
    jsonl(tmp_path / "train.jsonl", ROWS)
    with pytest.raises(ValueError, match=r"no such file; did you mean 'train\.jsonl'"):
        read(tmp_path / "trian.jsonl")
    with pytest.raises(ValueError, match=r"there is no directory .*absent either"):
        read(tmp_path / "absent" / "train.jsonl")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected at least one row, found none"),
        ('{"prompt": "a"}\n{"prompt": \n', "line 2: expected one JSON object"),
        ('{"prompt": "a"}\n["b"]\n', "line 2: expected a JSON object.*found list"),
        ('{"prompt": "a"}\n{"prompt": "  "}\n', "line 2, column 'prompt'.*found an empty one"),
        ('{"prompt": "a"}\n{"other": "b"}\n', "line 2, column 'prompt'.*found an empty one"),
        ('{"prompt": 3}\n', "expected text or a list of messages, found int"),
        ('{"prompt": [{"role": "user"}]}\n', "message 1: expected an object with role and content"),
        ('{"prompt": ["hi"]}\n', "message 1: expected an object with role and content"),
        (
            '{"prompt": [{"role": "assistant", "content": "hi"}]}\n',
            "found the assistant's turn last; drop it",
        ),
        ('{"prompt": [{"role": "user", "content": " "}]}\n', "found an empty one"),
        ('{"text": "a"}\n', "prompt, question, instruction, messages.* or input, found text"),
        ('{"prompt": "a", "answer": ["b"]}\n', "'answer': expected text or a number, found list"),
        ('{"prompt": "a", "answer": true}\n', "expected text or a number, found bool"),
        ('{"prompt": "a", "answer": " "}\n', "expected a gold answer, found an empty one"),
    ],
)
def test_a_bad_row_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "a.jsonl")


def test_a_file_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"prompt": "a"}\n{"prompt": "\xe9"}\n')
    with pytest.raises(ValueError, match="line 2: expected UTF-8"):
        read(tmp_path / "a.jsonl")
    (tmp_path / "a.csv").write_bytes(b"prompt\n\xe9\n")
    with pytest.raises(ValueError, match="expected UTF-8"):
        read(tmp_path / "a.csv")


@pytest.mark.parametrize(
    "options", [{"prompt": "questoin"}, {"answer": "anwser"}, {"task": "levle"}]
)
def test_a_wrong_column_names_those_there_are(tmp_path: Path, options: dict[str, str]) -> None:
    path = jsonl(tmp_path / "a.jsonl", ROWS)
    with pytest.raises(ValueError, match="columns: question, answer, level; did you mean"):
        read(path, **options)


def test_an_empty_task_is_refused(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [{"prompt": "a", "kind": ""}])
    with pytest.raises(ValueError, match="line 1, column 'kind': expected a task's name"):
        read(path, task="kind")


def test_an_unsupported_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_text("x")
    with pytest.raises(ValueError, match=r"expected one of \.jsonl.*found '\.xlsx'"):
        read(tmp_path / "a.xlsx")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("What is 1 + 1 in total?,2\n", "line 1: expected a header of distinct column names"),
        ("12,13\n", "line 1: expected a header"),
        ("prompt,prompt\na,b\n", "line 1: expected a header"),
        ("Hello,Yes\nBye,No\n", "found Hello, Yes; .*add a header if the file has none"),
        ("prompt,answer\na,1\nb, c,2\n", "line 3: expected 2 fields as in the header, found 3"),
        ('prompt,answer\n"a"b,1\n', "line 2: malformed CSV"),
        ("prompt,answer\n", "expected at least one row"),
        ("", "expected at least one row"),
    ],
)
def test_a_bad_csv_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "a.csv")


def test_a_quoted_csv_field_may_hold_commas_and_newlines(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('prompt,answer\n"a,\nb",\n')
    prompt = read(tmp_path / "a.csv").prompts[0]
    assert (prompt.text, prompt.answer) == ("a,\nb", None)


def test_a_damaged_parquet_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(ValueError, match="cannot be read as Parquet"):
        read(tmp_path / "a.parquet")


def test_a_directory_of_splits_asks_for_one(tmp_path: Path) -> None:
    from datasets import Dataset, DatasetDict

    DatasetDict({"train": Dataset.from_list(ROWS)}).save_to_disk(str(tmp_path / "d"))
    with pytest.raises(ValueError, match=r"name one of them: .*train"):
        read(tmp_path / "d")
    assert len(read(tmp_path / "d" / "train").prompts) == 2


def test_any_other_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"found a directory without state\.json"):
        read(tmp_path)


def test_a_negative_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="or more, found -1"):
        PromptFileOptions(limit=-1)


@pytest.mark.skipif(not (DATA / "gsm8k").exists(), reason="GSM8K is not there")
def test_gsm8k_gives_every_question_a_number() -> None:
    from meta.answers.numerals import number

    found = read(DATA / "gsm8k" / "train.jsonl")
    assert (len(found.prompts), found.duplicates) == (7473, 0)
    assert all(p.answer and number(p.answer) is not None for p in found.prompts)


@pytest.mark.skipif(not (DATA / "arena_hard").exists(), reason="Arena-Hard is not there")
def test_arena_hard_keeps_its_further_columns() -> None:
    found = read(DATA / "arena_hard" / "question.jsonl")
    assert len(found.prompts) == 500
    assert set(found.prompts[0].extra) == {"uid", "category", "cluster"}
