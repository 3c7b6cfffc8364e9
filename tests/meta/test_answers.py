"""Claims about finding and comparing answers."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta.judges.answers import (
    find_answer,
    first_sentence,
    last_boxed,
    last_number,
    plain_number,
    same_number,
    same_text,
    without_unit,
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


@pytest.mark.parametrize("text", ["18", "A: x\nthen 18", "#####\n#.#", r"\boxed{18"])
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


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18", 18),
        ("$1,000", 1000),
        ("-$5", -5),
        (r"\$25", 25),
        ("18.00", 18),
        ("**18**", 18),
        ("18.", 18),
        ("3/4", Fraction(3, 4)),
        ("1 1/2", Fraction(3, 2)),
        ("- 3", -3),
        ("\u22123", -3),
        (".5", Fraction(1, 2)),
    ],
)
def test_a_bare_number_has_its_value(text: str, value: Fraction) -> None:
    assert plain_number(text) == value


@pytest.mark.parametrize("text", ["50%", "18 eggs", "1,2", "1/0", "2x", "3:30", "", "$", "1 2"])
def test_anything_else_is_no_bare_number(text: str) -> None:
    assert plain_number(text) is None


@pytest.mark.parametrize(
    ("text", "number"), [("18 eggs", "18"), ("$5 per day.", "$5"), ("1/2 cup", "1/2")]
)
def test_a_unit_in_words_is_dropped(text: str, number: str) -> None:
    assert without_unit(text) == number


@pytest.mark.parametrize(
    "text", ["18", "2 pi", "5 million", "18 or 17", "50 percent", "2x", "eggs"]
)
def test_words_that_change_the_value_are_no_unit(text: str) -> None:
    assert without_unit(text) == text


@given(st.integers(), st.integers(1, 10**6))
def test_every_fraction_is_read_back(numerator: int, denominator: int) -> None:
    assert plain_number(f"{numerator}/{denominator}") == Fraction(numerator, denominator)


@given(st.integers())
def test_thousands_separators_do_not_change_an_integer(value: int) -> None:
    assert plain_number(f"{value:,}") == value


def test_numbers_are_equal_to_six_decimals() -> None:
    assert same_number(Fraction(1, 3), Fraction("0.3333333"))
    assert not same_number(Fraction(1, 3), Fraction("0.3333"))


def test_a_sentence_ends_at_a_full_stop_not_at_a_decimal_point() -> None:
    assert first_sentence("18.5. Because 9 + 9 = 18") == "18.5"


@pytest.mark.parametrize("text", [" paris ", "PARIS.", '"Paris"', r"\text{Paris}", "Ｐaris"])
def test_texts_are_compared_without_case_and_outer_punctuation(text: str) -> None:
    assert same_text("Paris", text)


@pytest.mark.parametrize("text", ["Paris, France", "not Paris", ""])
def test_a_text_that_merely_contains_the_gold_is_another(text: str) -> None:
    assert not same_text("Paris", text)
