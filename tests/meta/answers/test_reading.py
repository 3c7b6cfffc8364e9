"""Claims about what texts are read as."""

from __future__ import annotations

import pytest

from meta.answers.choices import letters, options
from meta.answers.literals import Literal
from meta.answers.reading import Expression, Listing, Named, Text, read
from meta.answers.spelling import spelled
from meta.answers.units import Quantity


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        *(
            (text, Quantity)
            for text in ("18", "$5", "50%", r"\frac{1}{2}", "18 eggs", "3cm", "30°")
        ),
        *(
            (text, Quantity)
            for text in ("2 hours 30 minutes", "5元", "1.5 million", "$18/day", "3rd")
        ),
        *((text, Literal) for text in ("5-7", "2024-01-02", "10.0.0.1", "3:30", "555-1234", "yes")),
        *(
            (text, Literal)
            for text in ("3.2.1", "Jan 2, 2024", "from 5 to 7", "] )", "B52", "10_2")
        ),
        *((text, Named) for text in ("x = 5", "f(x) = 2x", "Total = 18", "9+9 = 18")),
        *((text, Listing) for text in ("3 or 4", "(1, 2)", "[0, 1)", r"\{1,2\}", r"\pm 3", "1, 2")),
        *((text, Expression) for text in ("x^2+1", "2√3", "2pi", "sin(x)", "14 - i", "x<3", "5!")),
        *(
            (text, Text)
            for text in ("Paris", "Paris 1924", "not 5", "C++", "H2O", "20 4", "5 is odd")
        ),
    ],
)
def test_a_text_is_mathematics_only_if_all_of_it_is(text: str, kind: type) -> None:
    assert isinstance(read(spelled(text)), kind)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2√3", r"2\sqrt{3}"),
        ("2*sqrt(3)", r"2 \cdot \sqrt3"),
        (r"\dfrac12", r"\frac{1}{2}"),
        ("x**2", "x^2"),
        ("x²", r"x^{2}"),
        ("（１，２）", "(1,2)"),
        (r"\text{Paris}", "**Paris**."),
        (r"\left(1, 2\right)", "(1, 2)"),
        ("∞", r"\infty"),
        (r"30^{\circ}", "30°"),
        ("$18$", "18"),
    ],
)
def test_two_ways_to_write_one_thing_have_one_spelling(one: str, other: str) -> None:
    assert spelled(one).replace(" ", "") == spelled(other).replace(" ", "")


@pytest.mark.parametrize(
    "prompt",
    [
        "Which?\nA) one\nB) two\nC) three",
        "Which? (A) one (B) two (C) three",
        "Which? Options: A. one B. two C. three",
        "哪个？\nA．one\nB．two\nC．three",
        "A cat. Which?\n- (A) one\n- (B) two\n- (C) three\n\nAnswer:",
    ],
)
def test_the_options_of_a_prompt_are_read(prompt: str) -> None:
    assert options(prompt) == {"A": "one", "B": "two", "C": "three"}


@pytest.mark.parametrize("prompt", ["What is it?", "Plan A. Then B.", "Vitamin B. and C. help"])
def test_other_prompts_list_none(prompt: str) -> None:
    assert options(prompt) in ({}, {"A": "Then", "B": ""})


@pytest.mark.parametrize(
    "text", ["B", "(B)", "B.", "option B", "B) two", "(B) two", "B: two", "b", "two (B)"]
)
def test_a_choice_is_named_by_its_letter(text: str) -> None:
    assert letters(spelled(text), {"A": "one", "B": "two"}) == {"B"}


@pytest.mark.parametrize("text", ["A or B", "A and B", "A, B", "AB", "A) two", "two (A)"])
def test_two_letters_or_a_letter_with_anothers_text_are_two_choices(text: str) -> None:
    assert letters(spelled(text), {"A": "one", "B": "two"}) == {"A", "B"}


@pytest.mark.parametrize(
    ("text", "named"), [("x", "A"), ("y", "B"), ("A", "A"), ("b", "B"), ("B) x", "AB"), ("z", "Z")]
)
def test_a_letter_that_is_the_text_of_an_option_names_that_option(text: str, named: str) -> None:
    assert letters(spelled(text), {"A": "x", "B": "y"}) == set(named)


@pytest.mark.parametrize(
    "text", ["!" * 200_000 + "x", "√1" * 100_000, "(" * 200_000, "$" * 200_000]
)
def test_a_flood_of_one_sign_is_read_in_time_that_grows_with_its_length(text: str) -> None:
    """Were it to grow with its square, the test would end at its time limit."""
    assert isinstance(read(spelled(text)), Text)
    assert letters(spelled(text), {"A": "x", "B": "y"}) == set()


@pytest.mark.parametrize("text", ["Bob", "a dog", "two", "Berlin", "I"])
def test_words_name_no_choice(text: str) -> None:
    assert letters(spelled(text), {"A": "one", "B": "two"}) in (frozenset(), {"I"})
