"""Claims about the checks."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.core.checks import CHECKS, check_parameters, run_check
from selfplay.core.errors import DataError
from selfplay.core.types import Prompt, user
from tests.selfplay.core.instruction_examples import EXAMPLES

PROMPT = Prompt(user("Name the capital of France in one word."), answer="Paris")
REQUIRED: dict[str, dict[str, Any]] = {
    "pattern": {"regex": r"\d+"},
    "starts_with": {"texts": ["The"]},
    "ends_with": {"texts": ["."]},
    "keywords": {"texts": ["capital"]},
    **EXAMPLES,
}


def degree(name: str, text: str, **parameters: Any) -> float:
    return run_check(name, check_parameters(name, parameters, "test"), text, PROMPT)


def test_importing_the_checks_loads_no_torch() -> None:
    code = "import sys, selfplay.core.checks; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", CHECKS)
@given(text=st.text())
def test_every_check_gives_a_degree_in_the_unit_interval_or_says_that_it_cannot(
    name: str, text: str
) -> None:
    with suppress(DataError):
        assert 0.0 <= degree(name, text, **REQUIRED.get(name, {})) <= 1.0


@pytest.mark.parametrize(
    ("name", "parameters", "text", "expected"),
    [
        ("length", {"minimum": 4}, "one two three", 0.75),
        ("length", {"maximum": 2}, "one two three four", 0.5),
        ("length", {"unit": "sentences", "minimum": 2, "maximum": 2}, "Yes. No!", 1.0),
        ("length", {"unit": "lines", "maximum": 1}, "a\n\nb", 0.5),
        ("length", {"unit": "characters", "minimum": 4}, "ab", 0.5),
        ("pattern", {"regex": "b.d"}, "ab\nd", 1.0),
        ("pattern", {"regex": "b", "whole": True}, "ab", 0.0),
        ("pattern", {"regex": "a|ab", "whole": True}, " ab\n", 1.0),
        ("repetition", {"n": 1}, "no no no no", 0.25),
        ("repetition", {"n": 2}, "a b c d", 1.0),
        ("repetition", {"n": 3}, "a b", 1.0),
        ("echo", {"n": 2}, "the capital of Spain", 2 / 3),
        ("echo", {}, "Paris", 0.0),
        ("alphabet", {}, "abжд", 0.5),
        ("alphabet", {"script": "cyrillic"}, "ж 12", 1.0),
        ("alphabet", {"script": "ascii"}, "aé", 0.5),
        ("alphabet", {}, "123", 0.0),
        ("case", {}, "ABc 1", 2 / 3),
        ("case", {"upper": False}, "abc", 1.0),
        ("starts_with", {"texts": ["a", "the"]}, "  The end", 1.0),
        ("starts_with", {"texts": ["the"], "ignore_case": False}, "The end", 0.0),
        ("ends_with", {"texts": ["."]}, "The end. \n", 1.0),
        ("keywords", {"texts": ["cat", "dog"]}, "A cat, a hotdog", 0.5),
        ("number", {}, "room 7", 1.0),
        ("number", {}, "room seven", 0.0),
        ("json", {}, "[1, 2]", 1.0),
        ("json", {}, "{'a': 1}", 0.0),
        ("json", {"keys": ["a", "b"]}, '{"a": 1}', 0.5),
        ("json", {"keys": ["a"]}, "[1]", 0.0),
        ("exact_answer", {}, " paris\n", 1.0),
        ("exact_answer", {}, "Paris, France", 0.0),
    ],
)
def test_a_check_gives_the_degree_worked_out_by_hand(
    name: str, parameters: dict[str, Any], text: str, expected: float
) -> None:
    assert degree(name, text, **parameters) == pytest.approx(expected)


def test_deeply_nested_json_is_no_valid_json_instead_of_a_crash() -> None:
    assert degree("json", "[" * 100_000) == 0.0


def test_the_exact_answer_of_a_prompt_without_one_is_an_error_not_zero() -> None:
    with pytest.raises(ValueError, match="no gold answer"):
        run_check("exact_answer", None, "Paris", Prompt(user("?")))


def test_only_the_checks_that_look_at_the_answer_say_so() -> None:
    assert [name for name, row in CHECKS.items() if row.uses_answer] == ["exact_answer"]


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("lenght", {}, "no check is called 'lenght'; did you mean 'length'"),
        ("length", {"maximun": 3}, "no parameter 'maximun'; did you mean 'maximum'"),
        ("length", {"maximum": "3"}, "length.maximum: expected int, found '3'"),
        ("length", {"maximum": True}, "expected int, found True"),
        ("length", {"unit": "word"}, "no unit is called 'word'; did you mean 'words'"),
        ("length", {"minimum": 5, "maximum": 2}, "minimum <= maximum, found 5 and 2"),
        ("pattern", {"regex": "("}, "no regular expression"),
        ("pattern", {}, "missing 1 required positional argument: 'regex'"),
        ("keywords", {"texts": []}, "non-empty strings"),
        ("keywords", {"texts": "cat"}, "expected tuple"),
        ("keywords", {"texts": ["cat", 3]}, "non-empty strings"),
        ("repetition", {"n": 0}, "n of 1 or more"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(
    name: str, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        check_parameters(name, parameters, "criterion 'x'")
    assert str(caught.value).startswith("criterion 'x'")
