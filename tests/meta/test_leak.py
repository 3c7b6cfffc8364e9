"""Claims about details of single rollouts in a rubric."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from meta.reviewers.leak import leaked
from meta.rubrics.rubric import Criterion, Rubric

GSM8K = Path(__file__).parents[2] / "../shared/data/gsm8k/example_model_solutions.jsonl"
TEXTS = [
    ["How much debt does CEMEX have?", "At the end CEMEX owes 1,250 million to Natalia's bank."],
    ["Who sells the most clips?", "I am sure this is right. The May figures were low."],
    ["Name a big river.", "I am sure this is right. The Rhine."],
    ["Name a small river.", "I am sure this is right. It may be the Kander."],
    ["Add 250 and 3.", "I am sure this is right. However, 253."],
]


def rubric(*texts: str, **more: Any) -> Rubric:
    return Rubric(
        tuple(Criterion(f"c{i}", t, kind="judge", **more) for i, t in enumerate(texts, 1))
    )


def details(text: str, **more: Any) -> tuple[str, ...]:
    found = leaked(rubric(text), TEXTS, **more)
    return found[0].details if found else ()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Says what CEMEX owes.", ("cemex",)),
        ("Cemex is named.", ("cemex",)),
        ("Gives 1250 as the sum.", ("1250",)),
        ("Gives 1,250 as the sum.", ("1250",)),
        ("Knows Natalia's bank.", ("natalia's",)),
        ("Says who sells the most clips.", ("who sells the most", "sells the most clips")),
        ("The Kander and the Rhine count.", ("kander", "rhine")),
    ],
)
def test_a_detail_of_one_prompt_is_found(text: str, found: tuple[str, ...]) -> None:
    assert details(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "The response is right and short.",
        "At the end of the response there is an answer.",
        "It claims: I am sure this is right.",
        "May the reader follow? However long it is.",
        "The river is small.",
        "Between 3 and 25 words.",
        "At most 500 words.",
    ],
)
def test_general_words_are_no_details(text: str) -> None:
    assert details(text) == ()


def test_what_many_prompts_share_becomes_a_detail_where_more_is_asked() -> None:
    text = "It claims to be sure this is right."
    assert details(text, common=0.8) == ()
    assert details(text, common=1.0) == ("sure this is right",)


def test_what_the_rubric_in_force_says_is_no_detail() -> None:
    assert details("Says what CEMEX owes.", current=rubric("About CEMEX and others.")) == ()
    assert details("Who sells the most clips?", current=rubric("It says who sells the most.")) == (
        "sells the most clips",
    )


def test_an_id_and_a_checks_texts_are_looked_at_too() -> None:
    named = Rubric((Criterion("about-CEMEX", "On topic.", kind="judge"),))
    word = Criterion("word", "A word.", check="keywords", params={"texts": ["x", "CEMEX"]})
    assert [leak.details for leak in leaked(named, TEXTS)] == [("cemex",)]
    assert [leak.id for leak in leaked(Rubric((word,)), TEXTS)] == ["word"]


def test_only_the_criteria_that_leak_are_named() -> None:
    found = leaked(rubric("It is clear.", "It names CEMEX.", "It is short."), TEXTS)
    assert [leak.id for leak in found] == ["c2"]


def test_without_rollouts_there_is_nothing_to_leak() -> None:
    assert leaked(rubric("It names CEMEX and 1250."), []) == ()


GENERAL = (
    "The response shows each step of the calculation and explains why it is done.",
    "The final answer is stated clearly at the end of the response.",
    "Every intermediate result is used correctly in the next step.",
    "Units are kept through the calculation and given with the result.",
    "The response claims to be correct or praises itself instead of doing the work.",
    "The numbers used in the calculation are those that the question gives.",
    "The response gives one final answer and does not hedge between several.",
    "The response copies the question without adding anything.",
    "Percentages and fractions are applied to the right base.",
    "The response keeps track of how many are left after each change.",
)


@pytest.mark.skipif(not GSM8K.exists(), reason="the recorded GSM8K answers are absent")
def test_on_real_answers_general_criteria_pass_and_copied_words_do_not() -> None:
    rows = [json.loads(line) for line in GSM8K.read_text(encoding="utf-8").splitlines()[:40]]
    texts = [
        [row["question"], row["ground_truth"]]
        + [entry["solution"] for entry in row.values() if isinstance(entry, dict)]
        for row in rows
    ]
    assert leaked(rubric(*GENERAL), texts) == ()
    copied = [" ".join(own[0].split()[2:10]) for own in texts]
    caught = [leaked(rubric(f"The response says that {text}."), texts) for text in copied]
    assert sum(map(bool, caught)) >= 0.95 * len(copied)
