"""Solvability and the audit of answer keys, on hand-made answers and on GSM8K's recorded ones."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence

import pytest

from creator.gates.agreement import audit, tally
from creator.gates.answer_key import AnswerKey
from creator.gates.asked_once import AskedOnce
from creator.gates.solvability import Solvability
from creator.gates.table import AnswerKeyOptions, SolvabilityOptions
from selfplay.core.errors import ConfigError
from selfplay.core.types import Group, Prompt, Response, Verdict, user
from tests.creator.gate_surroundings import World, answered, needs_gsm8k, puzzle, rows_of


def question(text: str, key: str | None = None) -> Prompt:
    return Prompt(user(text), answer=key)


class Answers:
    """A probe that gives the answers written for each prompt, and remembers what it was asked."""

    def __init__(self, texts: Mapping[str, Sequence[str]]) -> None:
        self.texts = texts
        self.asked: list[str] = []

    def __call__(self, prompts: Sequence[Prompt], n: int) -> list[Group]:
        self.asked += [prompt.text for prompt in prompts]
        return [answered(prompt, self.texts[prompt.text][:n]) for prompt in prompts]


def solvable(options: SolvabilityOptions, prompt: Prompt, *answers: str) -> str:
    probe = Answers({prompt.text: answers})
    return Solvability(options, World(probe=probe)).reasons([prompt])[0]


FOUR = SolvabilityOptions(n=4, agreement=0.5, solved=0.25)


def test_with_a_key_enough_answers_must_reach_it() -> None:
    assert solvable(FOUR, question("q", "7"), "1", "7", "2", "3") == ""
    assert solvable(FOUR, question("q", "7"), "1", "1", "1", "1") == "unsolved"


def test_without_a_key_enough_answers_must_agree() -> None:
    assert solvable(FOUR, question("q"), "1", "2", "2", "3") == ""
    assert solvable(FOUR, question("q"), "1", "2", "3", "4") == "answers disagree"


def test_answers_that_give_none_count_as_disagreeing() -> None:
    assert solvable(FOUR, question("q"), "5", "", "", "") == "answers disagree"
    assert solvable(FOUR, question("q"), "", "", "", "") == "no answer"
    assert solvable(FOUR, question("q", "7"), "", "", "", "") == "no answer"


def test_nothing_is_asked_for_nothing() -> None:
    assert Solvability(FOUR, World()).reasons([]) == []
    assert AnswerKey(AnswerKeyOptions(), World()).reasons([]) == []


def test_a_reward_counts_as_agreement_where_the_text_differs() -> None:
    group = answered(question("q", "1/2"), ["0.5", "0.50", "9"])
    group = group.judged([Verdict(1.0), Verdict(1.0), Verdict.missing("timeout")], "f")
    by_reward = tally(group, str.strip, 1.0)
    assert (by_reward.right, by_reward.rival, by_reward.backers) == (2, "9", 1)
    assert tally(group, str.strip, None).right == 0


def test_an_answer_that_was_cut_off_is_none() -> None:
    whole = answered(question("q"), ["5", "5"])
    cut = Response("5", whole.responses[0].token_ids, None, "length")
    counted = tally(Group(whole.prompt, (*whole.responses, cut), "estimate", 0), str.strip, None)
    assert (counted.n, counted.given, counted.backers) == (3, 2, 2)


def test_a_group_without_answers_is_refused() -> None:
    with pytest.raises(ValueError, match="expected answers to count, found none"):
        tally(answered(question("q"), []), str.strip, None)


TEXTS = {
    "sound": ["7", "7", "3", "7", "1"],
    "wrong": ["4", "4", "4", "4", "7"],
    "hard": ["1", "2", "3", "4", "5"],
    "split": ["4", "4", "4", "7", "7"],
}


def test_an_audit_tells_a_wrong_key_from_a_hard_prompt() -> None:
    probe = Answers(TEXTS)
    gate = AnswerKey(AnswerKeyOptions(n=5, agreement=0.6, support=0.3), World(probe=probe))
    asked = [question(text, "7") for text in TEXTS]
    assert gate.reasons(asked) == ["", "wrong key", "", ""]
    findings = {audited.finding: audited for audited in gate.audits(asked)}
    assert [audited.finding for audited in gate.audits(asked)] == [
        *("sound", "wrong key", "hard", "sound"),
    ]
    wrong = findings["wrong key"]
    assert (wrong.prompt_id, wrong.tally.rival, wrong.tally.rival_share) == (asked[1].id, "4", 0.8)
    assert wrong.tally.key_share == 0.2


def test_prompts_without_a_key_and_puzzles_are_not_audited() -> None:
    assert AnswerKey(AnswerKeyOptions(), World()).reasons([question("q"), puzzle("p")]) == ["", ""]


def test_two_gates_share_the_answers_they_pay_for() -> None:
    probe = Answers(TEXTS)
    shared = AskedOnce(probe)
    world = World(probe=shared)
    asked = [question(text, "7") for text in TEXTS]
    AnswerKey(AnswerKeyOptions(n=5), world).reasons(asked[:2])
    reasons = Solvability(SolvabilityOptions(n=5), world).reasons(asked)
    assert reasons == ["", "", "unsolved", ""]
    assert probe.asked == ["sound", "wrong", "hard", "split"]
    assert [group.prompt.text for group in shared.groups] == probe.asked


def test_a_prompt_that_stands_twice_is_asked_once() -> None:
    probe = Answers({"q": ["1", "1"]})
    groups = AskedOnce(probe)([question("q"), question("q")], 2)
    assert len(groups) == 2
    assert probe.asked == ["q"]


def test_impossible_options_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"gate\.agreement: expected a share above 0"):
        SolvabilityOptions(agreement=0.0).check("gate")
    with pytest.raises(ConfigError, match=r"gate\.support"):
        AnswerKeyOptions(support=1.1).check("gate")
    with pytest.raises(ConfigError, match=r"gate\.n: expected 2 answers or more"):
        AnswerKeyOptions(n=1).check("gate")


def last_number(text: str) -> str | None:
    numbers = re.findall(r"-?\d[\d,]*(?:\.\d+)?", text)
    return numbers[-1].replace(",", "").removesuffix(".00") if numbers else None


@needs_gsm8k
def test_of_real_answers_a_planted_wrong_key_is_found_far_more_often_than_a_right_one() -> None:
    rng = random.Random(0)
    flagged = {"right": 0, "planted": 0}
    agreeing = 0
    rows = rows_of("example_model_solutions.jsonl")
    for row in rows:
        solutions = [str(v["solution"]) for v in row.values() if isinstance(v, dict)]
        key = last_number(str(row["ground_truth"])) or ""
        for kind, gold in (("right", key), ("planted", f"{float(key) + rng.randint(1, 9):g}")):
            group = answered(question(str(row["question"]), gold), solutions)
            counted = tally(group, last_number, None)
            flagged[kind] += audit(counted, agreement=0.75, support=0.2) == "wrong key"
            agreeing += kind == "planted" and counted.rival_share >= 0.75
    assert flagged["right"] <= 0.04 * len(rows)
    assert flagged["planted"] >= 0.25 * len(rows)
    assert flagged["planted"] >= 0.95 * agreeing
