"""Claims about recorded groups."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from selfplay.data.recorded import NO_REWARD, read_recorded, to_group

SOLUTIONS = Path(__file__).parents[3].parent / "shared/data/gsm8k/example_model_solutions.jsonl"
ROW: dict[str, Any] = {
    "prompt": "1 + 1 = ?",
    "answer": "2",
    "responses": ["2", "3"],
    "rewards": [1, None],
    "source": "hand",
}


def write(path: Path, *rows: dict[str, Any]) -> Path:
    target = path / "groups.jsonl"
    target.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return target


def test_a_row_is_a_prompt_with_its_responses_and_rewards(tmp_path: Path) -> None:
    (record,) = read_recorded(write(tmp_path, ROW))
    assert (record.prompt.text, record.prompt.answer) == ("1 + 1 = ?", "2")
    assert record.prompt.extra == {"source": "hand"}
    assert record.responses == ("2", "3")
    assert record.rewards == (1.0, None)


def test_rewards_may_be_absent_altogether(tmp_path: Path) -> None:
    row = {key: value for key, value in ROW.items() if key != "rewards"}
    assert read_recorded(write(tmp_path, row))[0].rewards == (None, None)


def test_a_null_reward_is_missing_and_never_zero(tmp_path: Path) -> None:
    group = to_group(read_recorded(write(tmp_path, ROW))[0])
    np.testing.assert_array_equal(group.rewards, [1.0, np.nan])
    assert group.verdicts[1].reason == NO_REWARD
    assert group.fingerprint == "recorded"


def test_recorded_text_is_tokenised_once(tmp_path: Path) -> None:
    calls = []

    def tokenize(text: str) -> list[int]:
        calls.append(text)
        return [ord(character) for character in text]

    group = to_group(read_recorded(write(tmp_path, ROW))[0], tokenize, "estimate")
    assert calls == ["2", "3"]
    assert group.purpose == "estimate"
    assert [response.token_ids.tolist() for response in group.responses] == [[50], [51]]
    assert {response.finish_reason for response in group.responses} == {"recorded"}
    assert {response.logprobs for response in group.responses} == {None}


def test_without_a_model_the_text_alone_is_kept(tmp_path: Path) -> None:
    group = to_group(read_recorded(write(tmp_path, ROW))[0])
    assert [(r.text, r.length) for r in group.responses] == [("2", 0), ("3", 0)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rewards": [1]}, "line 2: expected one reward .* each of the 2 responses, found 1"),
        ({"rewards": 1}, "line 2: expected one reward .*, found int"),
        ({"responses": []}, "line 2: expected 'responses', a list of one or more texts"),
        ({"responses": "2"}, "line 2: expected 'responses', a list"),
        ({"responses": ["2", 3]}, "line 2: expected 'responses' to be texts"),
        ({"rewards": [1, float("nan")]}, "line 2: expected rewards to be finite.*found nan"),
        ({"rewards": [1, float("inf")]}, "line 2: expected rewards to be finite.*found inf"),
        ({"rewards": [1, "1"]}, "line 2: expected rewards to be finite numbers.*found '1'"),
        ({"rewards": [1, True]}, "line 2: expected rewards to be finite numbers.*found True"),
        ({"prompt": ""}, "line 2, column 'prompt'.*found an empty one"),
    ],
)
def test_a_bad_row_is_refused_with_its_line(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read_recorded(write(tmp_path, ROW, ROW | change))


def test_an_unknown_layout_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'group'; did you mean 'groups'"):
        read_recorded(write(tmp_path, ROW), "group")


def test_a_published_solution_file_reads_as_groups(tmp_path: Path) -> None:
    solved = {"is_correct": True, "solution": "A: 2"}
    row = {"question": "q", "ground_truth": "1 + 1\nA: 2", "small": solved, "large": solved}
    (record,) = read_recorded(write(tmp_path, row), "gsm8k_solutions")
    assert record.prompt.answer == "2"
    assert record.prompt.extra == {"ground_truth": "1 + 1\nA: 2"}
    assert (record.responses, record.rewards) == (("A: 2", "A: 2"), (1.0, 1.0))


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ({}, "line 1: expected at least one model's solution"),
        ({"small": "A: 2"}, "line 1: expected 'small' to have is_correct and solution"),
        ({"small": {"solution": "A: 2"}}, "line 1: expected 'small' to have is_correct"),
    ],
)
def test_a_bad_solution_is_refused_with_its_line(
    tmp_path: Path, models: dict[str, Any], message: str
) -> None:
    row = {"question": "q", "ground_truth": "A: 2", **models}
    with pytest.raises(ValueError, match=message):
        read_recorded(write(tmp_path, row), "gsm8k_solutions")


@pytest.mark.skipif(not SOLUTIONS.exists(), reason="GSM8K's recorded solutions are not there")
def test_gsm8ks_recorded_solutions_have_four_responses_each() -> None:
    records = read_recorded(SOLUTIONS, "gsm8k_solutions")
    assert len(records) == 1319
    assert {len(record.responses) for record in records} == {4}
