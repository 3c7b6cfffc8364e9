"""Claims about the edits of word problems, on hand-made ones, GSM8K's and GSM-Symbolic's."""

from __future__ import annotations

import json
import re
from collections import Counter
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creator.operators.problems.arithmetic import decimal, evaluate, numbers_of, substitute
from creator.operators.problems.first_names import other_names
from creator.operators.problems.quantities import constants_of, read_quantities, rewritten
from creator.operators.problems.solution import read_solution, recompute, same_order
from creator.operators.puzzles import Child
from creator.operators.table import WORD_PROBLEMS, NumbersOptions, WordProblemOptions
from creator.operators.word_problems import (
    NO_SOLUTION,
    NOBODY,
    NOTHING_FITS,
    NOTHING_FREE,
    PUZZLE,
    UNTRACEABLE,
    Names,
    Numbers,
)
from selfplay.core.components import chosen
from selfplay.core.errors import ConfigError
from selfplay.core.seeding import Seed
from selfplay.core.types import Message, Prompt, Puzzle, user

GSM8K = Path(__file__).parents[3] / "shared/data/gsm8k"
needs_gsm8k = pytest.mark.skipif(not GSM8K.is_dir(), reason="needs ../shared/data/gsm8k")

CLIPS = "Natalia sold {} clips in April, and half as many in May. How many did she sell altogether?"


def problem(question: str, solution: str) -> Prompt:
    """A prompt as the reader of prompt files makes it: the answer is what follows the marker."""
    answer = solution.partition("####")[2].strip()
    return Prompt(user(question), answer=answer, extra={"answer": solution})


NATALIA = problem(
    CLIPS.format(48), "48/2 = <<48/2=24>>24 in May.\n48+24 = <<48+24=72>>72 in all.\n#### 72"
)


def with_numbers(parent: Prompt, times: int = 40, **options: Any) -> list[Prompt]:
    """Many children of one parent."""
    children = Numbers(NumbersOptions(**options), None).evolve([parent] * times, Seed(1))
    return [child for child in children if isinstance(child, Prompt)]


def refused(parent: Prompt, **options: Any) -> Child:
    return Numbers(NumbersOptions(**options), None).evolve([parent], Seed(1))[0]


def stated(text: str) -> list[Fraction]:
    return [quantity.value for quantity in read_quantities(text)]


@st.composite
def sums(draw: st.DrawFn, depth: int = 3) -> tuple[str, Fraction]:
    """An expression and its value."""
    if depth == 0 or draw(st.booleans()):
        number = draw(st.decimals(0, 999, places=draw(st.integers(0, 2))))
        return str(number), Fraction(number)
    (left, a), (right, b) = draw(sums(depth - 1)), draw(sums(depth - 1))
    sign = draw(st.sampled_from("+-*/" if b else "+-*"))
    value = {"+": a + b, "-": a - b, "*": a * b}[sign] if sign != "/" else a / b
    return f"({left}){sign}({right})", value


@given(sums())
def test_expressions_are_worth_exactly_what_they_say(made: tuple[str, Fraction]) -> None:
    text, value = made
    assert evaluate(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2+3*4", 14),
        ("10-4-3", 3),
        ("8/4/2", 1),
        ("-(2+3)*4", -20),
        ("0.1*3", "3/10"),
        ("5-.5", "4.5"),
    ],
)
def test_products_bind_tighter_and_signs_from_the_left(text: str, value: int | str) -> None:
    assert evaluate(text) == Fraction(value)


@pytest.mark.parametrize(
    "text", ["", "2+", "2 3", "(2", "2)", "2**3", "9//2", "x", "__import__('os')", "1e9", "(" * 400]
)
def test_what_is_no_sum_is_never_evaluated(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        evaluate(text)


def test_a_division_by_zero_says_so() -> None:
    with pytest.raises(ZeroDivisionError):
        evaluate("1/(2-2)")


def test_numbers_are_written_as_decimals_and_put_in_place() -> None:
    assert [decimal(Fraction(n)) for n in ("12", "5/2", "-1/8", "1/20")] == [
        "12",
        "2.5",
        "-0.125",
        "0.05",
    ]
    assert substitute("48/(2+.5)", [Fraction(60), Fraction(3), Fraction(1, 4)]) == "60/(3+0.25)"
    assert numbers_of("48/(2+.5)") == [48, 2, Fraction(1, 2)]
    with pytest.raises(ValueError, match="finite decimal"):
        decimal(Fraction(1, 3))


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        ("no annotation\n#### 4", "4"),
        ("<<2+2=5>>5\n#### 5", "5"),
        ("<<2+2=4>>4\n#### 8", "8"),
        ("<<10/3=3.33>>\n#### 3.33", "3.33"),
        ("<<4=4>>4\n#### 4", "4"),
        ("<<2+x=4>>4\n#### 4", "4"),
        ("<<1/0=4>>4\n#### 4", "4"),
        ("<<2+2=4>>4\n#### four", "four"),
    ],
)
def test_a_solution_that_is_not_exactly_right_is_not_followed(solution: str, answer: str) -> None:
    assert read_solution(solution, answer) == []
    assert (
        refused(Prompt(user("2 and 2?"), answer=answer, extra={"answer": solution})) == NO_SOLUTION
    )


def test_the_new_answer_is_that_of_the_new_numbers() -> None:
    children = with_numbers(NATALIA)
    assert len({child.text for child in children}) > 10
    for child in children:
        [clips] = stated(child.text)
        assert child.text == CLIPS.format(clips)
        assert clips != 48
        assert 24 <= clips <= 96
        assert child.answer == str(clips + clips / 2)


def test_a_child_has_its_solution_and_can_be_evolved_again() -> None:
    child = with_numbers(NATALIA)[0]
    clips, half = stated(child.text)[0], stated(child.text)[0] / 2
    assert child.extra == {
        "answer": f"{clips}/2 = <<{clips}/2={half}>>{half}\n"
        f"{clips}+{half} = <<{clips}+{half}={clips + half}>>{clips + half}\n#### {clips + half}"
    }
    assert with_numbers(child)


def test_lineage_task_and_named_columns_are_kept() -> None:
    parent = Prompt(
        NATALIA.messages, task="gsm8k", answer="72", extra={**NATALIA.extra, "split": "a", "id": 1}
    )
    child = with_numbers(parent, columns=("split",))[0]
    assert child.task == "gsm8k"
    assert set(child.extra) == {"answer", "split"}
    assert (child.lineage.parents, child.lineage.seed) == ((parent.id,), Seed(1).integer())


def test_children_are_a_function_of_parents_and_seed() -> None:
    operator = Numbers(NumbersOptions(), None)
    assert operator.evolve([NATALIA] * 5, Seed(3)) == operator.evolve([NATALIA] * 5, Seed(3))
    assert operator.evolve([NATALIA] * 5, Seed(3)) != operator.evolve([NATALIA] * 5, Seed(4))


def test_whole_results_stay_whole_and_places_do_not_grow() -> None:
    assert all(stated(child.text)[0] % 2 == 0 for child in with_numbers(NATALIA))
    money = problem("A pen costs $1.25. What do 4 pens cost?", "<<4*1.25=5>>5\n#### 5")
    for child in with_numbers(money):
        price, pens = stated(child.text)
        assert Fraction(str(child.answer)) == price * pens
        assert (price * pens).denominator == 1
        assert re.search(r"\$\d\.\d\d\.", child.text)


def test_results_keep_their_sign_and_quantities_their_order() -> None:
    parent = problem(
        "Ann has 50 nuts and eats 30. She gets 45 more. How many has she?",
        "<<50-30=20>>20\n<<20+45=65>>65\n#### 65",
    )
    children = with_numbers(parent, spread=3.0)
    assert len(children) > 20
    for child in children:
        had, eaten, more = stated(child.text)
        assert Fraction(str(child.answer)) == had - eaten + more
        assert had - eaten < eaten < more < had < had - eaten + more


def test_what_lies_above_a_threshold_stays_above_it() -> None:
    parent = problem(
        "Work beyond 40 hours a week earns $5 more than the usual $10. Ed works 45 hours. His pay?",
        "<<45-40=5>>5\n<<40*10=400>>400\n<<10+5=15>>15\n<<5*15=75>>75\n<<400+75=475>>475\n#### 475",
    )
    for child in with_numbers(parent, changes=1):
        assert stated(child.text)[3] > stated(child.text)[0]


def test_a_week_has_no_more_days_than_seven() -> None:
    parent = problem(
        "Bo runs 3 miles on 5 days of every week. How far in 4 weeks?",
        "<<3*5=15>>15\n<<15*4=60>>60\n#### 60",
    )
    assert all(stated(child.text)[1] < 7 for child in with_numbers(parent))


def test_equal_numbers_change_together_since_nobody_knows_which_is_which() -> None:
    parent = problem(
        "6 boxes hold 6 pens each, and 20 pens are loose. How many pens?",
        "<<6*6=36>>36\n<<36+20=56>>56\n#### 56",
    )
    children = with_numbers(parent, changes=1)
    assert {stated(child.text)[0] for child in children} - {6}
    for child in children:
        boxes, pens, loose = stated(child.text)
        assert boxes == pens
        assert Fraction(str(child.answer)) == boxes * pens + loose


def test_a_number_that_may_have_come_from_elsewhere_is_not_changed() -> None:
    parent = problem(
        "Cy has 2 dogs. Di has twice as many. How many have they?",
        "<<2*2=4>>4\n<<4+2=6>>6\n#### 6",
    )
    assert refused(parent) == NOTHING_FITS


def test_percentages_change_with_their_shares_and_remainders() -> None:
    parent = problem(
        "Of 200 birds 20% leave and 45 come. How many are there?",
        "<<200*0.8=160>>160\n<<160+45=205>>205\n#### 205",
    )
    children = with_numbers(parent)
    assert {stated(child.text)[1] for child in children} > {20}
    for child in children:
        birds, share, come = stated(child.text)
        assert Fraction(str(child.answer)) == birds * (100 - share) / 100 + come
        assert share < 100


def test_a_number_worked_out_in_the_head_leaves_the_problem_alone() -> None:
    parent = problem("5 lines, the first two free, $16 each. Cost?", "<<16*3=48>>48\n#### 48")
    assert refused(parent) == UNTRACEABLE


@pytest.mark.parametrize(
    "number", ["1", "1/2", "3:30", "5th", "2-4", "2019", "A7", "5.", "7am", "0.5", "#5"]
)
def test_what_is_no_plain_number_is_not_changed(number: str) -> None:
    quantities = read_quantities(f"Take {number} or so")
    assert quantities[0].free == (number == "5.")


def test_a_problem_without_a_plain_number_has_nothing_to_change() -> None:
    parent = problem("Half of twelve and three?", "<<12/2=6>>6\n<<6+3=9>>9\n#### 9")
    assert refused(parent) == NOTHING_FREE


def test_numbers_are_written_as_they_were() -> None:
    text = "At $1,250.50 or 30% of 2,000, for a 9-hour day at $4/hour."
    quantities = read_quantities(text)
    assert [q.value for q in quantities] == [Fraction(2501, 2), 30, 2000, 9, 4]
    assert all(quantity.free for quantity in quantities)
    new = map(Fraction, (12345, 35, 900, 8, 5))
    assert rewritten(text, dict(zip(quantities, new, strict=True))) == (
        "At $12,345.00 or 35% of 900, for an 8-hour day at $5/hour."
    )


def test_articles_follow_the_number() -> None:
    text = "An 8-hour day, a $20 bill"
    hours, bill = read_quantities(text)
    assert rewritten(text, {hours: Fraction(9), bill: Fraction(18)}) == "A 9-hour day, an $18 bill"
    assert rewritten(text, {hours: Fraction(11), bill: Fraction(80)}).startswith("An 11-hour")
    assert rewritten(text, {hours: Fraction(110)}).startswith("A 110-hour")


def test_new_numbers_are_as_round_as_the_old() -> None:
    assert [read_quantities(f" {n} ")[0].unit for n in ("50", "7", "20", "1000", "2.5")] == [
        *(10, 1, 5, 100),
        Fraction(1, 2),
    ]


def test_words_bring_their_constants_along() -> None:
    assert constants_of("Half a dozen") == {1, 2, 12, Fraction(1, 2), Fraction(3, 2)}
    assert {3, 4, Fraction(3, 4), Fraction(1, 4)} <= constants_of("3/4 of it") | {3, 4}
    assert {7, 52} <= constants_of("Every WEEK.")


def test_order_counts_equal_values_as_equal() -> None:
    one, two, three = Fraction(1), Fraction(2), Fraction(3)
    assert same_order([(one, two), (two, three), (one, two)])
    assert not same_order([(one, two), (two, two)])
    assert not same_order([(one, two), (one, three)])


def test_a_result_of_another_kind_is_none() -> None:
    steps = read_solution("<<7-4=3>>3\n#### 3", "3")
    four = (Fraction(4), Fraction(4))
    assert recompute(steps, [(Fraction(7), Fraction(9)), four])
    assert recompute(steps, [(Fraction(7), Fraction(4)), four]) is None
    assert recompute(steps, [(Fraction(7), Fraction(3)), four]) is None
    assert recompute(steps, [(Fraction(7), Fraction(9, 2)), four]) is None


def test_people_get_other_names_of_their_gender_everywhere() -> None:
    parent = problem(
        "Tom gave Anna's cat 3 fish in Paris and Anna 2. How many did Tom give?",
        "Tom gave <<3+2=5>>5\n#### 5",
    )
    children = Names(WordProblemOptions(), None).evolve([parent] * 20, Seed(1))
    seen: set[str] = set()
    for child in children:
        assert isinstance(child, Prompt)
        pattern = r"(\w+) gave (\w+)'s cat 3 fish in Paris and \2 2\. How many did \1 give\?"
        found = re.fullmatch(pattern, child.text)
        assert found
        assert not {"Tom", "Anna"} & set(found.groups())
        assert child.extra["answer"] == f"{found[1]} gave <<3+2=5>>5\n#### 5"
        assert child.answer == "5"
        assert child.lineage.parents == (parent.id,)
        seen.update(found.groups())
    assert len(seen) > 20


def test_a_short_form_of_a_name_stays_with_it() -> None:
    assert other_names("Samantha has a dog. Sam's dog barks.", Random(0)) == {}
    assert set(other_names("Laura met Kevin, Will and May.", Random(0))) == {"Laura", "Kevin"}


def test_who_has_no_listed_name_and_what_is_a_puzzle_stay() -> None:
    puzzle = Prompt(user("Tom has 3."), answer="3", puzzle=Puzzle("gsm_symbolic", (), 1))
    names = Names(WordProblemOptions(), None)
    assert names.evolve([Prompt(user("He has 3.")), puzzle], Seed(0)) == [NOBODY, PUZZLE]


def test_a_gold_answer_with_a_name_in_it_is_renamed_too() -> None:
    parent = Prompt(user("Laura is taller than Kevin. Who is taller?"), answer="Laura")
    [child] = Names(WordProblemOptions(), None).evolve([parent], Seed(0))
    assert isinstance(child, Prompt)
    assert child.text.startswith(f"{child.answer} is taller")


def test_the_last_turn_of_a_conversation_is_edited() -> None:
    parent = Prompt((Message("system", "48!"), *NATALIA.messages), answer="72", extra=NATALIA.extra)
    child = with_numbers(parent)[0]
    assert child.messages[0] == Message("system", "48!")
    assert child.messages[1].content != NATALIA.text


@pytest.mark.parametrize("name", WORD_PROBLEMS)
def test_the_table_builds_the_operators(name: str) -> None:
    operator = chosen(name, WORD_PROBLEMS).build(None)
    [child] = operator.evolve([NATALIA], Seed(0))
    assert isinstance(child, Prompt)


@pytest.mark.parametrize(
    "wrong", [{"changes": 0}, {"spread": 1.0}, {"attempts": 0}, {"solution": ""}]
)
def test_impossible_options_are_refused_by_name(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ConfigError, match=rf"operators\.0\.{name}: expected"):
        NumbersOptions(**wrong).check("operators.0")


def gsm8k(name: str) -> list[Prompt]:
    rows = map(json.loads, (GSM8K / f"{name}.jsonl").read_text().splitlines())
    return [problem(row["question"], row["answer"]) for row in rows]


@needs_gsm8k
def test_two_fifths_of_gsm8k_get_children_whose_solutions_are_exactly_right() -> None:
    parents = gsm8k("train")[:600]
    children = Numbers(NumbersOptions(), None).evolve(parents, Seed(5))
    made = [(p, c) for p, c in zip(parents, children, strict=True) if isinstance(c, Prompt)]
    assert len(made) > 0.4 * len(parents)
    for parent, child in made:
        assert stated(child.text) != stated(parent.text)
        assert without_numbers(child.text) == without_numbers(parent.text)
        assert read_solution(child.extra["answer"], str(child.answer))


def without_numbers(text: str) -> str:
    """The text without what an edit may change."""
    return re.sub(r"[\d.,]+", "", re.sub(r"\b([Aa])n?(?= [$€£]?\d)", r"\1", text))


@needs_gsm8k
def test_recomputed_answers_are_those_of_gsm_symbolics_own_code() -> None:
    """Its templates vary GSM8K's test problems; their numbers are put into our solutions."""
    from reasoning_gym.arithmetic.gsm_symbolic.gsm_symbolic import (
        GSMSymbolicDataset,
        GSMSymbolicDatasetConfig,
    )

    dataset = GSMSymbolicDataset(GSMSymbolicDatasetConfig(size=1, seed=0))
    originals = [(words(parent.text), parent) for parent in gsm8k("test")]
    outcomes: Counter[bool] = Counter()
    for index in range(0, 100, 2):
        made = [dataset.generators[index](Random(seed), 1.0) for seed in range(12)]
        wanted = words(made[0]["question"])
        likeness, parent = max(((alike(wanted, w), p) for w, p in originals), key=lambda x: x[0])
        for item in made if likeness > 0.6 else ():
            answer = answer_with_numbers_of(item["question"], parent)
            if answer is not None:
                outcomes[answer == Fraction(str(item["answer"]).replace(",", ""))] += 1
    assert outcomes[False] == 0
    assert outcomes[True] >= 30


def words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z]+", text.lower()))


def alike(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other)


def answer_with_numbers_of(text: str, parent: Prompt) -> Fraction | None:
    """The answer to `parent` with the numbers of `text`; None where they cannot be lined up."""
    before, after = read_quantities(parent.text), read_quantities(text)
    places = [
        (neighbours(parent.text, b.start, b.end), neighbours(text, a.start, a.end))
        for b, a in zip(before, after, strict=False)
    ]
    lined_up = sum(one == other for one, other in places) > 0.6 * len(before)
    if len(before) != len(after) or not lined_up:
        return None
    pairs = [
        pair
        for b, a in zip(before, after, strict=True)
        for pair in zip(b.meanings(b.value), b.meanings(a.value), strict=True)
    ]
    constants = [(c, c) for c in constants_of(parent.text) & constants_of(text)]
    steps = read_solution(parent.extra["answer"], str(parent.answer))
    made = recompute(steps, [*pairs, *constants]) if steps else None
    return made[-1].result if made else None


def neighbours(text: str, start: int, end: int) -> tuple[list[str], list[str]]:
    """The words before and after a place."""
    return re.findall(r"[a-z]+", text[:start])[-1:], re.findall(r"[a-z]+", text[end:])[:1]
