"""Claims about the verifier."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import meta.judges.verifier as module
from meta.judges.table import VerifierOptions
from meta.judges.verifier import NOTHING_TO_VERIFY, Verifier
from selfplay.core.errors import DataError
from selfplay.core.gym import gym_item, gym_scorer
from selfplay.core.types import Group, Prompt, Puzzle, Response, Verdict, user
from selfplay.data.recorded import read_recorded, to_group

SOLUTIONS = Path(__file__).parents[2].parent / "shared/data/gsm8k/example_model_solutions.jsonl"
SUM = Puzzle("chain_sum", (("num_digits", 2), ("num_terms", 3)), 7)


def group(prompt: Prompt, *texts: str) -> Group:
    responses = tuple(Response(text, np.array([], np.int32), None, "recorded") for text in texts)
    return Group(prompt, responses, "train", 0)


def computing(seconds: float) -> float:
    """Takes so much of its thread's processor time."""
    ends = time.thread_time() + seconds
    while time.thread_time() < ends:
        pass
    return 1.0


def verdict(text: str, gold: str | None, options: VerifierOptions | None = None) -> Verdict:
    prompt = Prompt(user("?"), answer=gold)
    return Verifier(options or VerifierOptions()).judge([group(prompt, text)])[0][0]


@pytest.mark.parametrize(
    ("gold", "text"),
    [
        ("18", r"so \boxed{18}"),
        ("18", "9 * 2 = <<9*2=18>>18\n#### 18"),
        ("18", "She makes 18.\nA: 18"),
        ("1000", "A: $1,000"),
        ("1/2", r"\boxed{\frac{1}{2}}"),
        ("0.5", "#### 1/2"),
        (r"\frac{1}{2}", "The answer is 0.5."),
        ("50%", "#### 50%"),
        ("50%", "#### 0.5"),
        ("18", "The answer is 18 eggs. 5 + 3 is 8"),
        ("18", r"\boxed{18 eggs}"),
        ("18", r"\boxed{18\text{ eggs}}"),
        ("18", "x = 18"),
        ("x^2+1", r"\boxed{1+x^2}"),
        (r"2\pi", r"\boxed{\pi \cdot 2}"),
        (r"\{1,2\}", r"\boxed{\{2,1\}}"),
        ("work\n#### 18", "18"),
        ("B", "Answer: b."),
        ("Paris", r"\boxed{\text{Paris}}"),
        ("3:30", "#### 3:30"),
        ("2516_8", "Hence it is $2516_{8}$."),
        ("2516_8", "2516 (base 8)"),
        ("banana cherry", "In order:\n1. banana\n2. cherry"),
        ("Dresden, Leipzig", "The cities are Leipzig and Dresden."),
        ("Brett Favre", "The longest pass was thrown by Brett Favre."),
        ("Albert Einstein", "Albert Einstein published it in 1905."),
        ("40", "It takes Tom 40 hours (8 hours a day for 5 days)."),
        ("624", "So he writes **624 pages** in 52 weeks."),
        ("1,2,3", r"$n \in \{1,2,3\}$"),
        (r"(-\infty,-3)\cup(2,\infty)", "x < -3 or x > 2"),
        (r"\{x \mid 1<x<3\}", "$(1,3)$"),
        (r"\frac{mgd}{k}", r"$x = \frac{d m g}{k}$"),
        (r"I(0)e^{-t/\tau}", r"\boxed{I(0)e^{-\frac{t}{\tau}}}"),
        ("43-yard", "The longest field goal was 43 yards."),
        ("2:5", "The ratio is 2 to 5."),
        (r"0.\overline{27}", "0.272727..."),
        ("3,5", "Die Antwort ist 3,50 Euro."),
        ("ABD", "答案是A、B、D。"),
        ("5", "She needs 5 boxes to hold all 23 pencils."),
        ("$1.25", "It costs one dollar and 25 cents."),
        ("1.5 hours", "an hour and a half"),
        (r"\{2, 4, 6\}", "The set is {2, 4, 6}."),
        (r"4 \pmod{7}", "x ≡ 4 (mod 7)"),
        (r"\frac{1}{2} m v^2", r"$\frac{mv^2}{2}$"),
        (r"\sqrt[3]{4}", "∛4"),
        ("ant bee cat", '["ant", "bee", "cat"]'),
        ("1/6", "1 out of 6"),
    ],
)
def test_the_right_answer_is_worth_one(gold: str, text: str) -> None:
    found = verdict(text, gold)
    assert found.reward == 1.0
    assert found.scores["answered"] == 1.0


@pytest.mark.parametrize(
    ("gold", "text"),
    [
        ("18", "#### 19"),
        ("18", r"\boxed{18} or \boxed{19}"),
        ("18", r"\boxed{17, 18}"),
        ("18", "#### 18 million"),
        ("18", "A: 18 or 19"),
        ("18", "A: 19 or 18"),
        ("3", "- 3"),
        ("-3", "#### 3"),
        ("1/3", "#### 0.33"),
        ("x^2+1", r"\boxed{x^2}"),
        ("Paris", "Paris or London"),
        ("3:30", "#### 3:45"),
        ("2516_8", "Hence it is $2516_{9}$."),
        ("10101_2", "21"),
        ("banana cherry", "In order:\n1. cherry\n2. banana"),
        ("Dresden, Leipzig", "The cities are Leipzig and Berlin."),
        ("Brett Favre", "Brett Favre was good, but Aaron Rodgers threw the longest pass."),
        ("Saturday", "Today is Saturday, so 3 days later it is Tuesday."),
        ("Evelyn", "Nobody is slower than Evelyn."),
        (r"\{x \mid 1<x<3\}", r"$\{1,3\}$"),
        ("3,5", "Die Antwort ist 5,3."),
        ("ABD", "答案是A、B。"),
        ("5", "She needs 23 boxes for 5 children."),
        (r"4 \pmod{7}", r"\boxed{4 \pmod{5}}"),
        ("ant bee cat", '["bee", "ant", "cat"]'),
        ("20%", "20 out of 200"),
    ],
)
def test_a_wrong_answer_or_a_hedge_is_worth_zero(gold: str, text: str) -> None:
    found = verdict(text, gold)
    assert found.reward == 0.0
    assert found.scores["answered"] == 1.0


@pytest.mark.parametrize("text", ["", "   ", "I do not know"])
def test_no_answer_is_a_wrong_answer_and_noted(text: str) -> None:
    found = verdict(text, "18")
    assert found.reward == 0.0
    assert found.scores["answered"] == 0.0


FLOODS = (
    "#### " + "1" * 10_000,
    "1" * 10_000,
    r"\boxed{" * 5000 + "18",
    r"\boxed{" + "√1" * 40_000 + "}",
    r"\boxed{" + "√(" * 20_000 + "1" + ")" * 20_000 + "}",
    r"\boxed{" + r"\text{a} " * 40_000 + "}",
)


@pytest.mark.parametrize("text", FLOODS)
def test_a_flood_of_characters_does_not_stop_the_round(text: str) -> None:
    assert verdict(text, "18", VerifierOptions(timeout=2)).reward != 1.0


def test_a_prompt_with_nothing_to_verify_against_is_missing() -> None:
    assert verdict("18", None) == Verdict.missing(NOTHING_TO_VERIFY)


def test_an_empty_gold_answer_is_missing() -> None:
    assert "gold answer is empty" in verdict("18", " ").reason


def test_an_answer_that_never_ends_is_wrong_and_not_missing() -> None:
    found = verdict(r"\boxed{9^{9^{9^9}}}", "18", VerifierOptions(timeout=1))
    assert found.reward == 0.0


def test_a_gold_answer_that_never_ends_is_missing_with_the_limit() -> None:
    found = verdict(r"\boxed{18}", "9^{9^{9^9}}", VerifierOptions(timeout=1))
    assert found.reward is None
    assert "exceeds 1 s of processor time" in found.reason


@pytest.mark.parametrize("gold", ["nan", "NaN", "inf", "-inf"])
def test_what_programs_write_for_no_answer_is_no_gold_answer(gold: str) -> None:
    found = verdict(gold, gold)
    assert found.reward is None
    assert "is no answer" in found.reason


def test_a_scorer_that_only_an_answer_stops_makes_it_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    right = gym_scorer(SUM.generator, dict(SUM.attributes), SUM.index)

    def fragile(text: str) -> float:
        if text == "hang":
            return computing(30)
        if text == "break":
            raise DataError("its scorer failed on the response")
        return right(text)

    monkeypatch.setattr(module, "gym_scorer", lambda *_: fragile)
    judged = Verifier(VerifierOptions(timeout=1)).judge(
        [group(Prompt(user("?"), puzzle=SUM), "hang", "break")]
    )
    assert [found.reward for found in judged[0]] == [0.0, 0.0]


def test_a_scorer_that_takes_too_long_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "gym_scorer", lambda *_: lambda _: computing(30))
    judged = Verifier(VerifierOptions(timeout=1)).judge([group(Prompt(user("?"), puzzle=SUM), "1")])
    assert judged[0][0].reason == "verifier: no result after 1 s"


def test_neither_making_the_puzzle_nor_a_busy_machine_makes_an_answer_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def slow(_: str) -> float:
        time.sleep(1.2)
        return 1.0

    def made(*_: object) -> Callable[[str], float]:
        computing(1.2)
        return slow

    monkeypatch.setattr(module, "gym_scorer", made)
    judged = Verifier(VerifierOptions(timeout=1)).judge([group(Prompt(user("?"), puzzle=SUM), "1")])
    assert judged[0][0].reward == 1.0


def test_what_other_threads_compute_is_not_the_scorers(monkeypatch: pytest.MonkeyPatch) -> None:
    other = threading.Thread(target=computing, args=[2.5])

    def beside(_: str) -> float:
        other.start()
        other.join()
        return 1.0

    monkeypatch.setattr(module, "gym_scorer", lambda *_: beside)
    judged = Verifier(VerifierOptions(timeout=1)).judge([group(Prompt(user("?"), puzzle=SUM), "1")])
    assert judged[0][0].reward == 1.0


def test_a_scorer_that_fails_is_missing_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    from reasoning_gym.arithmetic.chain_sum import ChainSumDataset

    def fail(*_: object) -> float:
        raise KeyError("metadata")

    monkeypatch.setattr(ChainSumDataset, "score_answer", fail)
    judged = Verifier(VerifierOptions()).judge([group(Prompt(user("?"), puzzle=SUM), "1")])
    assert judged[0][0].reward is None
    assert "chain_sum: its scorer failed" in judged[0][0].reason


def test_a_gold_answer_that_math_verify_cannot_parse_is_missing_with_its_reason() -> None:
    found = verdict(r"\boxed{x}", r"\frac{x}{y")
    assert found.reward is None
    assert "math-verify cannot parse the gold answer" in found.reason


def test_a_puzzle_is_scored_by_its_generator() -> None:
    item = gym_item(SUM.generator, dict(SUM.attributes), SUM.index)
    asked = group(
        Prompt(user(item.question), puzzle=SUM),
        item.answer,
        f"Answer: {item.answer}",
        str(int(item.answer) + 1),
        "",
    )
    rewards = [found.reward for found in Verifier(VerifierOptions()).judge([asked])[0]]
    assert rewards == [1.0, 1.0, 0.0, 0.0]


def test_partial_credit_counts_only_when_asked_for() -> None:
    item = gym_item(SUM.generator, dict(SUM.attributes), SUM.index)
    asked = [group(Prompt(user(item.question), puzzle=SUM), f"it is {item.answer}, I think")]
    strict = Verifier(VerifierOptions()).judge(asked)[0][0]
    lenient = Verifier(VerifierOptions(binary=False)).judge(asked)[0][0]
    assert strict.reward == 0.0
    assert lenient.reward == strict.scores["verifier"]
    assert 0.0 < lenient.reward < 1.0


def test_another_thread_verifies_the_same() -> None:
    found: list[Verdict] = []

    def work() -> None:
        found.append(verdict("#### 18", "18"))
        found.append(verdict("Paris", "Paris"))
        found.append(verdict(r"\boxed{1+x}", "x+1"))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert [one.reward for one in found] == [1.0, 1.0, 1.0]


def test_verdicts_keep_the_order_of_groups_and_responses() -> None:
    groups = [group(Prompt(user("?"), answer=gold), "1", "2", "3") for gold in "123"]
    rewards = [[v.reward for v in vs] for vs in Verifier(VerifierOptions()).judge(groups)]
    assert rewards == np.eye(3).tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"extract": "box"}, "'box'; did you mean 'boxed'"),
        ({"marker": " "}, "expected some text"),
        ({"timeout": 0}, "1 second or more, found 0"),
    ],
)
def test_a_wrong_option_is_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VerifierOptions(**options)  # type: ignore[arg-type]


@pytest.mark.skipif(not SOLUTIONS.exists(), reason="GSM8K's recorded solutions are not there")
@pytest.mark.parametrize("extract", ["auto", "last_number"])
def test_the_verifier_agrees_with_gsm8ks_recorded_labels(extract: str) -> None:
    groups = [to_group(record) for record in read_recorded(SOLUTIONS, "gsm8k_solutions")]
    judged = Verifier(VerifierOptions(extract=extract)).judge(groups)
    recorded = [v.reward for one in groups for v in one.verdicts]
    found = [v.reward for verdicts in judged for v in verdicts]
    assert len(found) == 4 * 1319
    assert found == recorded
