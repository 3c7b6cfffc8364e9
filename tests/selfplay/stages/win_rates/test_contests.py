from __future__ import annotations

import numpy as np
import pytest

from selfplay.core.errors import ConfigError
from selfplay.core.types import Group, Prompt, Response, Verdict, user
from selfplay.stages.win_rates.contests import contests, differing, ended, outcome
from tests.selfplay.small_runs import small


def group(text: str, *answers: str) -> Group:
    responses = tuple(Response(a, np.array([], np.int32), None, "recorded") for a in answers)
    return Group(Prompt(user(text)), responses, "evaluate", 3)


def pairwise(first: float, swapped: float) -> list[Verdict]:
    """Verdicts of a judge who gives the answer these chances when it stands first, and second."""
    probability, lean = (first + swapped) / 2, (first - swapped) / 2
    return [
        Verdict(probability, scores={"win/1": probability, "lean": lean}),
        Verdict(1 - probability, scores={"win/0": 1 - probability, "lean": lean}),
    ]


@pytest.mark.parametrize(
    ("first", "swapped", "decided"), [(0.9, 0.8, 1.0), (0.9, 0.3, 0.5), (0.2, 0.1, 0.0)]
)
def test_orders_that_disagree_are_a_tie(first: float, swapped: float, decided: float) -> None:
    by_verdict, by_probability = outcome(pairwise(first, swapped))
    assert by_verdict == decided
    assert by_probability == pytest.approx((first + swapped) / 2)


def test_of_a_judge_of_single_responses_the_higher_reward_wins() -> None:
    assert outcome([Verdict(0.7), Verdict(0.6)]) == (1.0, 1.0)
    assert outcome([Verdict(0.6), Verdict(0.6)]) == (0.5, 0.5)
    assert outcome([Verdict(0.6), Verdict.missing("silence")]) == (None, None)


def test_each_answer_meets_one_of_the_references_and_equal_texts_are_not_asked_about() -> None:
    own = [group("q", "a", "b", "c"), group("nobody answered this", "a")]
    theirs = {own[0].prompt.id: group("q", "a", "x")}
    pairs = contests(own, theirs)
    assert [tuple(r.text for r in pair.responses) for pair in pairs] == [
        ("a", "a"),
        ("b", "x"),
        ("c", "a"),
    ]
    asked = differing(pairs)
    assert asked == pairs[1:]
    found = ended(pairs, [pairwise(0.9, 0.3), pairwise(0.9, 0.8)], weighted=False)
    assert [(c.win, c.tie) for c in found] == [(0.5, True), (0.5, True), (1.0, False)]
    weighted = ended(pairs, [pairwise(0.9, 0.3), pairwise(0.9, 0.8)], weighted=True)
    assert [c.win for c in weighted] == pytest.approx([0.5, 0.6, 0.85])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("judge.model=policy", "a model of the judge's own"),
        ("answers=greedily", "did you mean 'greedy'"),
        ("prompts=-1", "0 \\(all\\) or more"),
        ("judge={name: pairwise, model: {name: transformers, path: M}, against: reference}", "oth"),
    ],
)
def test_impossible_settings_are_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        small("evaluation.judged.enabled=true", f"evaluation.judged.{override}")
