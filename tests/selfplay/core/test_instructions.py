"""Claims about verifiable instructions."""

from __future__ import annotations

from typing import Any

import pytest

from selfplay.core.checks import CHECKS, check_parameters, run_check
from selfplay.core.errors import ConfigError, DataError
from selfplay.core.instructions.counting import count_sentences, count_words
from selfplay.core.instructions.given import Instruction, follows, instructions_of, variants
from selfplay.core.instructions.table import INSTRUCTIONS
from selfplay.core.types import Prompt, user
from tests.selfplay.core.instruction_examples import ENGLISH, GERMAN, KINDS

PROMPT = Prompt(user("Write."))


def degree(kind: str, text: str, **parameters: Any) -> float:
    return run_check(kind, check_parameters(kind, parameters, "test"), text, PROMPT)


def test_there_are_the_25_kinds_of_ifeval_and_each_is_a_check() -> None:
    assert len(INSTRUCTIONS) == 25
    assert KINDS.keys() == INSTRUCTIONS.keys() <= CHECKS.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_tells_what_follows_it_from_what_does_not(kind: str) -> None:
    parameters, followed, broken = KINDS[kind]
    assert degree(kind, followed, **parameters) == 1.0
    assert degree(kind, broken, **parameters) == 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_a_blank_response_follows_nothing(kind: str) -> None:
    assert degree(kind, " \n", **KINDS[kind][0]) == 0.0


@pytest.mark.parametrize(
    ("relation", "counts"),
    [("less than", [0, 1]), ("at least", [2, 3]), ("at most", [0, 1, 2]), ("exactly", [2])],
)
def test_relations_bound_a_count(relation: str, counts: list[int]) -> None:
    kind = "keywords:frequency"
    kept = [
        count
        for count in range(4)
        if degree(kind, "x" + " cat" * count, keyword="cat", frequency=2, relation=relation)
    ]
    assert kept == counts


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("?!", 0),
        ("Dr. Smith met Mr. J. R. Jones at 3.15 p.m. yesterday. He left", 2),
        ("Apples, pears, etc. are fruit. I like some, e.g. plums.", 2),
        ("1. First point.\n2. Second point.", 2),
        ("It was 1984. Then came 1985.", 2),
        ('"Go!" he said. "Why?" she asked...', 4),
        ("Wait... what?! Yes", 3),
        ("天气很好。我们去吧！", 2),
        ("one line\nanother line", 1),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text: str, count: int) -> None:
    assert count_sentences(text) == count


def test_words_are_runs_of_letters_and_digits() -> None:
    assert count_words("It's a well-known fact: 2.5") == 8


def test_keywords_are_taken_literally() -> None:
    assert degree("keywords:existence", "I write Cxx", keywords=["C++"]) == 0.0
    assert degree("keywords:forbidden_words", "I write C++.", forbidden_words=["c++"]) == 0.0
    marked = degree("detectable_content:postscript", "Bye\n(PS) yes", postscript_marker="(PS)")
    assert marked == 1.0


def test_a_language_that_cannot_be_told_is_missing_and_not_wrong() -> None:
    with pytest.raises(DataError, match="language of the response cannot be told"):
        degree("language:response_language", "Bananas!", language="en")


def test_a_short_answer_in_capitals_is_in_capitals() -> None:
    assert degree("change_case:english_capital", "YES.") == 1.0
    assert degree("change_case:english_capital", GERMAN.upper()) == 0.0


@pytest.mark.parametrize(
    ("kind", "parameters", "message"),
    [
        ("keywords:existence", {"keywords": []}, "not blank"),
        ("keywords:existence", {"keywords": ["a", " "]}, "not blank"),
        ("keywords:frequency", {"keyword": "a", "frequency": -1}, "0 or more"),
        ("keywords:letter_frequency", {"letter": "ab", "let_frequency": 1}, "one character"),
        ("language:response_language", {"language": "xx"}, "cannot be told"),
        ("length_constraints:number_words", {"num_words": 1, "relation": "about"}, "no relation"),
        ("length_constraints:number_words", {}, "num_words"),
        ("length_constraints:number_words", {"words": 1}, "did you mean 'num_words'"),
        (
            "length_constraints:nth_paragraph_first_word",
            {"num_paragraphs": 2, "nth_paragraph": 3, "first_word": "a"},
            "1 to num_paragraphs",
        ),
        ("startend:end_checker", {"end_phrase": ""}, "not blank"),
    ],
)
def test_impossible_parameters_are_refused(
    kind: str, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        check_parameters(kind, parameters, "test")


def asks(ids: Any, kwargs: Any) -> Prompt:
    return Prompt(user("Write."), extra={"instruction_id_list": ids, "kwargs": kwargs})


def test_a_prompt_brings_its_instructions_in_the_columns_of_ifeval() -> None:
    nulls = {"num_words": None, "relation": None, "keywords": None}
    found = instructions_of(
        asks(
            ["punctuation:no_comma", "keywords:existence", "keywords:existence"],
            [nulls, nulls | {"keywords": ["a"]}, {"keywords": ["b"]}],
        )
    )
    assert [instruction.name for instruction in found] == [
        *("punctuation:no_comma", "keywords:existence", "keywords:existence#2")
    ]
    assert found[2].parameters.keywords == ("b",)
    (bare,) = instructions_of(asks(["punctuation:no_comma"], [None]))
    assert bare.kind == "punctuation:no_comma"


@pytest.mark.parametrize(
    ("ids", "kwargs", "message"),
    [
        (None, None, "has no instructions"),
        ([], [], "has no instructions"),
        ("punctuation:no_comma", [{}], "expected lists"),
        (["punctuation:no_comma"], None, "expected lists"),
        (["punctuation:no_comma"], [], "1 entries .* and 0"),
        (["punctuation:no_commas"], [{}], "did you mean 'punctuation:no_comma'"),
        ([3], [{}], "no instruction is called '3'"),
        (["punctuation:no_comma"], ["x"], "expected a mapping"),
        (["punctuation:no_comma"], [{"x": 1}], "no parameter 'x'"),
        (["length_constraints:number_words"], [{"num_words": "many"}], "expected int"),
    ],
)
def test_instructions_that_cannot_be_used_say_why(ids: Any, kwargs: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        instructions_of(asks(ids, kwargs))


def one(kind: str, **parameters: Any) -> Instruction:
    (found,) = instructions_of(asks([kind], [parameters]))
    return found


@pytest.mark.parametrize(
    ("text", "loosely"),
    [
        ("Sure, here it is:\nno commas", True),
        ("no commas\nI hope, this helps", True),
        ("Well, yes:\nno commas\nSo, bye", True),
        ("a, b\nc, d\ne, f", False),
        ("one, line", False),
    ],
)
def test_loose_evaluation_forgives_a_first_and_a_last_line(text: str, loosely: bool) -> None:
    instruction = one("punctuation:no_comma")
    assert not follows(instruction, text, PROMPT)
    assert follows(instruction, text, PROMPT, loose=True) is loosely


def test_loose_evaluation_forgives_asterisks() -> None:
    instruction = one("startend:end_checker", end_phrase="The end.")
    assert not follows(instruction, "**The end.**", PROMPT)
    assert follows(instruction, "**The end.**", PROMPT, loose=True)


def test_what_is_left_of_a_response_may_have_no_language() -> None:
    instruction = one("language:response_language", language="de")
    assert not follows(instruction, f"{ENGLISH}\nBananas!", PROMPT, loose=True)
    assert follows(instruction, f"{ENGLISH}\n{ENGLISH}\n{GERMAN}", PROMPT, loose=True) is False
    assert follows(instruction, f"{ENGLISH} {ENGLISH}\n{GERMAN}", PROMPT, loose=True)


def test_there_are_seven_variants_beside_the_response() -> None:
    assert variants("*a*\nb\n*c*") == ("a\nb\nc", "b\n*c*", "*a*\nb", "b", "b\nc", "a\nb", "b")
