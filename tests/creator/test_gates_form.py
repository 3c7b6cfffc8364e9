from __future__ import annotations

import re
import time

import pytest

from creator.gates.admission import admit
from creator.gates.form import WellFormed
from creator.gates.slips import find_slip
from creator.gates.table import GATES, WellFormedOptions
from selfplay.core.components import chosen
from selfplay.core.errors import ConfigError
from selfplay.core.types import Prompt, user
from selfplay.core.words import folded
from tests.creator.gate_surroundings import (
    Pool,
    World,
    child_of,
    needs_gsm8k,
    puzzle,
    questions,
    rows_of,
)

PARENT = Prompt(user("Anna buys 3 apples for 40 cents each. How much does she pay in cents?"))
OTHER = Prompt(user("Write a poem about the sea in winter, in four lines."))
WORLD = World(Pool([PARENT, OTHER]))


def reason(text: str, parent: Prompt = PARENT, options: WellFormedOptions | None = None) -> str:
    gate = WellFormed(options or WellFormedOptions(), WORLD)
    return gate.reasons([child_of([parent], text)])[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "empty"),
        (" \n ...", "empty"),
        ("Anna buys 3 apples for 40 cents each; how much does she pay, in cents?", "unchanged"),
        ("#Rewritten Prompt#: How much do 4 apples cost?", "template marker"),
        ("#The Given Prompt#\nAnna buys apples. How many?", "template marker"),
        ("**New Question:** How much do 4 apples cost?", "template marker"),
        ("How much do 4 apples cost?<|im_end|>", "template marker"),
        ("Rewrite {prompt} so that it is harder. Why?", "template marker"),
        ("[Insert the rewritten prompt here] How many?", "template marker"),
        ("Sure! How much do 4 apples cost?", "preamble"),
        ("Here is a harder version of the problem:\nHow much do 4 apples cost?", "preamble"),
        ("I'm sorry, but that I will not do. How else can I help?", "refusal"),
        ("I cannot rewrite this question.", "refusal"),
        ("As an AI language model, I do not buy apples. What else?", "refusal"),
        ("She pays 3 * 40 = 120 cents.", "answer"),
        ("3 apples * 40 cents/apple = 120 cents", "answer"),
        ("She pays 3*40=<<3*40=120>>120 cents.\n#### 120", "answer"),
        (r"She pays $\boxed{120}$ cents, does she?", "answer"),
        ("Anna buys 4 apples. How much does she pay?\nAnswer: 160", "answer"),
        ("How much do 4 apples cost? The answer is 160.", "answer"),
        ("Anna pays one hundred and twenty cents in all.", "asks nothing"),
        ("Prompt 1: How much is 2 + 2?\nPrompt 2: How much is 3 + 3?", "several prompts"),
        ("Option A: How much do 4 apples cost?\nOption B: How many?", "several prompts"),
        ("How much do 4 apples cost?\n---\nHow much do 5 pears cost?", "several prompts"),
        ("How much do 4 apples cost?\n\nOR\n\nHow much do 5 pears cost?", "several prompts"),
        (
            "1. How much do four red apples cost?\n2. How much do five green pears cost?",
            "several prompts",
        ),
        ("How much? " + "Anna also buys pears. " * 60, "too long beside its parent"),
    ],
)
def test_each_slip_has_its_reason(text: str, expected: str) -> None:
    assert reason(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Anna buys 4 apples for 40 cents each. How much does she pay in cents?",
        "If 2x + 3 = 7, what is x?",
        "Anna has 3 baskets. Find the number of apples in all of them, if each holds 12.",
        "Answer the following about apples:\n1. What do they cost?\n2. Who grows them?",
        "Anna buys 3 apples. How much does she pay? Put your final answer in \\boxed{}.",
        "I am sure that she can't help paying. How much is it?",
    ],
)
def test_a_single_prompt_passes(text: str) -> None:
    assert reason(text) == ""


def test_what_the_parent_says_as_well_is_no_slip() -> None:
    template = Prompt(user("Explain what {prompt} and <|im_end|> mean in a chat template."))
    child = "Explain to a beginner what {prompt} and <|im_end|> are for in a chat template."
    gate = WellFormed(WellFormedOptions(), World(Pool([template, PARENT])))
    assert gate.reasons([child_of([template], child), child_of([PARENT], child)]) == [
        "",
        "template marker",
    ]


def test_markers_of_ones_own_are_slips_whatever_their_case() -> None:
    options = WellFormedOptions(markers=("=== New Task ===",))
    text = "=== NEW TASK === How much do 4 apples cost?"
    assert reason(text, options=options) == "template marker"
    assert reason(text) == ""


def test_a_child_much_shorter_than_a_long_parent_is_turned_down() -> None:
    parent = Prompt(user("Write about the sea and the winter. " * 50))
    gate = WellFormed(WellFormedOptions(), World(Pool([parent])))
    assert gate.reasons([child_of([parent], "Write about winter.")]) == [
        "too short beside its parent"
    ]


def test_a_child_of_two_parents_may_be_as_long_as_both_and_repeat_neither() -> None:
    gate = WellFormed(WellFormedOptions(longest=1.0, slack=0), WORLD)
    both = child_of([PARENT, OTHER], f"{PARENT.text} {OTHER.text}")
    assert gate.reasons([both, child_of([PARENT, OTHER], OTHER.text.upper())]) == ["", "unchanged"]


def test_an_operator_that_changes_is_a_change() -> None:
    parent = Prompt(user("How much is 12 + 5?"))
    gate = WellFormed(WellFormedOptions(), World(Pool([parent])))
    assert gate.reasons([child_of([parent], "How much is 12 * 5?")]) == [""]


def test_puzzles_and_prompts_without_parents_are_not_compared() -> None:
    gate = WellFormed(WellFormedOptions(), WORLD)
    assert gate.reasons([puzzle("The answer is 3."), Prompt(user("Tell a joke."))]) == ["", ""]


def test_the_gate_is_built_from_its_row_and_composes_with_the_others() -> None:
    gates = [chosen(name, GATES).build(WORLD) for name in ("well_formed", "language")]
    children = [
        child_of([PARENT], text) for text in ("", "Wie viel muss sie für die Äpfel zahlen?")
    ]
    assert admit(children, gates) == ["empty", "in another language: de"]


def test_impossible_options_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"gate\.longest: expected 1 or more"):
        WellFormedOptions(longest=0.5).check("gate")
    with pytest.raises(ConfigError, match=r"gate\.markers"):
        WellFormedOptions(markers=("",)).check("gate")


@pytest.mark.parametrize(
    "text", ["?" * 9000, "\n" * 9000, "-" * 9000, "? \n" * 3000, "1 + 1 " * 1500]
)
def test_a_degenerate_text_is_looked_at_in_no_time(text: str) -> None:
    began = time.process_time()
    reason(text)
    assert time.process_time() - began < 1.0


@needs_gsm8k
def test_real_questions_pass_and_real_solutions_do_not() -> None:
    rows = rows_of("example_model_solutions.jsonl")[:400]
    parents = [Prompt(user(str(row["question"]))) for row in rows]
    gate = WellFormed(WellFormedOptions(shortest=0.0, longest=99.0), World(Pool(parents)))
    kept = [
        child_of([parent], question)
        for parent, question in zip(parents, questions("train.jsonl"), strict=False)
    ]
    solutions = [
        child_of([parent], re.sub(r"<<[^>]*>>|\nA: .*", "", row["175b_verification"]["solution"]))
        for parent, row in zip(parents, rows, strict=True)
    ]
    assert sum(map(bool, gate.reasons(kept))) <= 0.01 * len(kept)
    assert sum(map(bool, gate.reasons(solutions))) >= 0.97 * len(solutions)


@pytest.mark.parametrize("opening", ["Sorry.", "No!", "I apologize."])
def test_a_refusal_behind_a_short_opening_is_a_slip(opening: str) -> None:
    refused = folded(f"{opening} I can't help with that.")
    assert find_slip(refused, ["tell me about trains."]) == "refusal"
