"""Claims about finding answers in responses."""

from __future__ import annotations

import pytest

from meta.answers.finding import (
    find_answer,
    first_sentence,
    last_boxed,
    last_number,
    last_sentence,
    without_reason,
)


def found(text: str, extract: str = "auto", marker: str = "####") -> str | None:
    answer = find_answer(text, extract, marker)
    return None if answer is None else answer.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"so \boxed{\frac{1}{2}} holds", r"\frac{1}{2}"),
        (r"\boxed{17}, no, \boxed{18}", "18"),
        (r"#### 17 but \boxed{18}", "18"),
        ("9 * 2 = 18\n#### 18", "18"),
        ("9 * 2 = 18\nA: 18", "18"),
        ("A: let me see\n9 * 2 = 18\n#### 18\n\n", "18"),
        ("**Answer:** 18", "18"),
        ("Final answer: 18\nbye", "18"),
        ("Answer:\n\n18", "18"),
        ("The answer is 18", "18"),
        ("The answer is: 17. No, the answer is 18", "18"),
    ],
)
def test_auto_finds_the_last_marked_answer(text: str, expected: str) -> None:
    answer = find_answer(text, "auto", "####")
    assert answer is not None
    assert answer.delimited
    assert answer.text == expected


@pytest.mark.parametrize("text", ["18", "A: x\nthen 18", "#####\n#.#"])
def test_auto_falls_back_to_the_whole_response(text: str) -> None:
    answer = find_answer(text, "auto", "####")
    assert answer is not None
    assert not answer.delimited
    assert answer.text == text


@pytest.mark.parametrize(
    ("extract", "text", "expected"),
    [
        ("whole", " #### 18 ", "#### 18"),
        ("boxed", "18", None),
        ("after_marker", "it is => 18", "18"),
        ("after_marker", "it is 18", None),
        ("after_marker", "it is =>", None),
        ("last_number", "none", None),
    ],
)
def test_a_chosen_way_does_not_fall_back(extract: str, text: str, expected: str | None) -> None:
    assert found(text, extract, "=>") == expected


@pytest.mark.parametrize("text", ["", "  \n", "\\boxed{}"])
def test_an_empty_response_has_no_boxed_answer(text: str) -> None:
    assert found(text, "boxed") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("16-3", "3"),
        ("it is -3.5.", "-3.5"),
        ("1,000 then 2,500.", "2,500"),
        ("half is 1/2", "1/2"),
        ("up 50%", "50%"),
        ("1, 2, 3,", "3"),
    ],
)
def test_the_last_number_keeps_its_sign_and_loses_the_punctuation(text: str, expected: str) -> None:
    assert last_number(text) == expected


def test_escaped_braces_do_not_close_a_box() -> None:
    assert last_boxed(r"\boxed{\{1, 2\}}") == r"\{1, 2\}"


def test_a_sentence_ends_at_a_full_stop_not_at_a_decimal_point() -> None:
    assert first_sentence("18.5. Because 9 + 9 = 18") == "18.5"
    assert first_sentence("18。因为") == "18"


def test_a_sentence_with_a_second_thought_behind_it_is_not_cut() -> None:
    assert first_sentence("18. Or 19.") == "18. Or 19."


@pytest.mark.parametrize("text", ["18, because 9 + 9 = 18", "18, not 19", "18 since it is even"])
def test_reasons_are_cut_off(text: str) -> None:
    assert without_reason(text) == "18"


def test_the_last_sentence_is_found_whatever_ends_it() -> None:
    assert last_sentence("He has 9. So he has 18.") == "So he has 18"
    assert last_sentence("他有9个。一共18个。") == "一共18个"


@pytest.mark.parametrize(
    "text",
    [
        r"\boxed{5} wait, \boxed{7",
        r"I think 5. \boxed{}",
        r"\boxed{5} \boxed{ }",
        "<answer>5</answer> <answer>7",
        "#### 5\n####",
        "<think>it is 5",
        r"<think>\boxed{5}</think>",
    ],
)
def test_a_broken_last_answer_is_none_whatever_stands_before_it(text: str) -> None:
    assert find_answer(text, "auto", "####") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"\boxed{7}. No, the answer is 5.", "5."),
        (r"\boxed{7}. The answer is in days.", "7"),
        ("<answer>5</answer>", "5"),
        ("答案是5。", "5。"),
        ("故选B。", "B。"),
        ("### Answer\n18", "18"),
        (r"\boxed 5", "5"),
    ],
)
def test_marks_of_many_kinds_are_known_and_the_last_counts(text: str, expected: str) -> None:
    assert found(text) == expected
