"""Claims about JSON in a model's text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.core.json_text import READERS, parse_json


@pytest.mark.parametrize(
    "text",
    ["", "{", "{'a': 1}", "NaN", "[Infinity]", "-Infinity", "1e999", "[1,]", "9" * 5000],
)
def test_what_is_not_json_is_not_taken_for_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


def test_json_that_is_nested_too_deeply_is_none() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json("[" * 200_000)


BLOCKS = 'Draft:\n```json\n{"a": 1}\n```\nBetter:\n```\n{"a": 2}\n```\nDone.'


@pytest.mark.parametrize(
    ("reader", "text", "value"),
    [
        ("whole", ' {"a": [1, null]}\n', {"a": [1, None]}),
        ("fenced", BLOCKS, {"a": 2}),
        ("auto", BLOCKS, {"a": 2}),
        ("fenced", '```\n{"a": 1}\n```\n```json\nnever closed\n', {"a": 1}),
        ("fenced", "```a `b` c\n ```yaml\n[2]\n\t``` \n", [2]),
        ("auto", "3.5", 3.5),
        ("auto", '"```\\n{}\\n```"', "```\n{}\n```"),
    ],
)
def test_readers_find_the_value(reader: str, text: str, value: Any) -> None:
    assert READERS[reader](text) == value


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        ("whole", BLOCKS),
        ("fenced", '{"a": 1}'),
        ("fenced", '```json\n{"a": 1}\n'),
        ("auto", 'The answer is {"a": 1}.'),
        ("auto", '```\n{"a": 1}\n```\nOr rather:\n```\nnothing\n```'),
    ],
)
def test_readers_do_not_look_elsewhere(reader: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        READERS[reader](text)


@given(text=st.text(alphabet='{}[]",:`\n1aeE.- '))
def test_readers_raise_nothing_but_value_errors(text: str) -> None:
    for read in READERS.values():
        try:
            read(text)
        except ValueError:
            continue


def test_the_last_fenced_block_is_found_in_time_that_grows_with_the_text_alone() -> None:
    # A pattern for the whole would read to the end from every line: 10^10 steps.
    with pytest.raises(ValueError, match="no fenced block"):
        READERS["fenced"]("```json\n" * 100_000 + "``` x")
