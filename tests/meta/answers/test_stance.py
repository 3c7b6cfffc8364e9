"""Claims about the side that an answer takes."""

from __future__ import annotations

import pytest

from meta.answers.finding import last_sentence
from meta.answers.stance import side, stance


@pytest.mark.parametrize(
    ("text", "form", "taken"),
    [
        ("The expression evaluates to **False**.", "truth", False),
        ("The statement is not true in general.", "truth", False),
        ("It is not incorrect.", "truth", True),
        ("No, Frank did not shoot his neighbor.", "truth", False),
        ("Yes, no doubt about it.", "truth", True),
        ("True and False = False; not False = True.", "truth", True),
        ("这个说法是不正确的。", "truth", False),
        ("这种说法是正确的。", "truth", True),
        ("The argument is deductively valid.", "validity", True),
        ("This is not a valid argument.", "validity", False),
        ("It looks invalid at first, but it is valid.", "validity", True),
    ],
)
def test_a_side_is_taken_with_the_first_word_or_the_last(text: str, form: str, taken: bool) -> None:
    assert stance(text, last_sentence(text), form) is taken


@pytest.mark.parametrize(
    "text",
    [
        "I do not know.",
        "He is a true friend of mine",
        "There is no doubt about that.",
        "True or false?",
        "It would be true.",
        "Turn right.",
        "The argument is valid.",
    ],
)
def test_what_takes_no_side_says_none(text: str) -> None:
    assert stance(text, last_sentence(text), "truth") is None


@pytest.mark.parametrize("text", ["not yes", "not", "", "truth", "validity", "对称"])
def test_only_a_text_that_is_nothing_else_is_a_side(text: str) -> None:
    assert side(text) is None
