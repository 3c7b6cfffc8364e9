"""Claims about constraint judges: an AND, never silent about what is not known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from meta.config import Constraint, MetaConfig, TaskJudges
from meta.judges.table import JUDGES, CheckOptions, VerifierOptions
from meta.meta import Meta
from meta.panel import settled
from meta.rubrics.rubric import SHIPPED
from selfplay.config import load_config
from selfplay.core.components import chosen
from selfplay.core.errors import ConfigError
from selfplay.core.tasks import Match
from selfplay.core.types import Group, Prompt, Response, Verdict, user

VERIFIER = chosen("verifier", JUDGES)


def check(kind: str, **params: Any) -> Any:
    return chosen("check", JUDGES, CheckOptions(kind, params))


SHORT = Constraint(check("length", unit="characters", maximum=4), name="short")
PLAIN = Constraint(check("pattern", regex="[a-z ]+", whole=True), name="plain")
RIGHT = Constraint(VERIFIER)


def group(answer: str | None, *texts: str, task: str = "default") -> Group:
    responses = tuple(Response(text, np.array([], np.int32), None, "recorded") for text in texts)
    return Group(Prompt(user("?"), task, answer), responses, "train", 0)


def judged(constraints: tuple[Constraint, ...], *groups: Group) -> list[tuple[Verdict, ...]]:
    """Verdicts whose reward is 1 for a text with a digit."""
    return Meta(MetaConfig(judge=check("number"), constraints=constraints)).judge(groups)


def test_a_response_violates_every_constraint_that_it_fails_and_one_is_enough() -> None:
    (verdicts,) = judged((SHORT, PLAIN), group(None, "ab", "abcdef", "A", "ABCDEF"))
    assert [v.violations for v in verdicts] == [(), ("short",), ("plain",), ("short", "plain")]


def test_a_violation_leaves_the_reward_as_it_is() -> None:
    (verdicts,) = judged((SHORT,), group(None, "1", "123456"))
    assert [v.reward for v in verdicts] == [1.0, 1.0]
    assert [v.violations for v in verdicts] == [(), ("short",)]


def test_the_scores_record_the_part_of_each_judge() -> None:
    (verdicts,) = judged((SHORT, RIGHT), group("7", "7", "12345678"))
    assert verdicts[0].scores == {
        "number": 1.0,
        "constraint/short": 1.0,
        "constraint/verifier": 1.0,
    }
    assert verdicts[1].scores == {
        "number": 1.0,
        "constraint/short": 0.5,
        "constraint/verifier": 0.0,
    }


def test_a_constraint_without_a_verdict_makes_the_whole_verdict_missing_with_its_reason() -> None:
    (verdicts,) = judged((SHORT, RIGHT), group(None, "1", "123456"))
    assert [v.reward for v in verdicts] == [None, None]
    assert all(
        v.reason.startswith("constraint 'verifier': the prompt has neither") for v in verdicts
    )
    assert [v.violations for v in verdicts] == [(), ("short",)]


def test_a_missing_reward_stays_missing_whatever_the_constraints_say() -> None:
    found = settled(Verdict.missing("no reward"), [(SHORT, Verdict(1.0))])
    assert (found.reward, found.reason, found.violations) == (None, "no reward", ())
    both = settled(Verdict.missing("no reward"), [(SHORT, Verdict.missing("no score"))])
    assert both.reason == "no reward; constraint 'short': no score"


@pytest.mark.parametrize(
    ("rule", "passes"), [("at_least", [False, True, True]), ("at_most", [True, True, False])]
)
def test_a_threshold_is_kept_on_its_side_and_on_itself(rule: str, passes: list[bool]) -> None:
    constraint = Constraint(VERIFIER, threshold=0.5, rule=rule)
    assert [constraint.holds(score) for score in (0.4, 0.5, 0.6)] == passes


def test_without_constraints_the_verdicts_are_the_judges_own() -> None:
    asked = [group("18", "it is 18", "no")]
    assert Meta(MetaConfig()).judge(asked) == Meta(MetaConfig()).verifier.judge(asked)


def test_the_fingerprint_covers_constraints_and_is_the_judges_own_without_them() -> None:
    changed = [
        (),
        (SHORT,),
        (PLAIN,),
        (SHORT, PLAIN),
        (replace(SHORT, threshold=0.5),),
        (replace(SHORT, rule="at_most"),),
        (replace(SHORT, judge=check("length", unit="characters", maximum=5)),),
        (replace(RIGHT, judge=chosen("verifier", JUDGES, VerifierOptions(timeout=6))),),
    ]
    prints = [Meta(MetaConfig(constraints=constraints)).fingerprint for constraints in changed]
    assert len(set(prints)) == len(changed)
    assert prints[0] == Meta(MetaConfig()).verifier.fingerprint


def test_equal_judges_are_asked_once() -> None:
    calls: list[str] = []

    class Counting:
        scale = (0.0, 1.0)

        def __init__(self, options: Any, rubric: Any) -> None:
            calls.append("built")

        def judge(self, groups: list[Group]) -> list[tuple[Verdict, ...]]:
            calls.append("judged")
            return [tuple(Verdict(0.4) for _ in g.responses) for g in groups]

    class Patched:
        name = "counting"
        options = VerifierOptions()

        def build(self, rubric: Any) -> Counting:
            return Counting(self.options, rubric)

    choice: Any = Patched()
    constraint = Constraint(choice, name="same", threshold=0.5)
    ((verdict,),) = Meta(MetaConfig(judge=choice, constraints=(constraint,))).judge(
        [group(None, "x")]
    )
    assert (verdict.reward, verdict.violations) == (0.4, ("same",))
    assert calls == ["built", "judged"]


def test_a_task_has_judges_of_its_own_and_order_is_kept() -> None:
    sums = TaskJudges("sums", Match(task=("sums",)), VERIFIER, ())
    meta = Meta(MetaConfig(judge=check("number"), constraints=(SHORT,)), tasks=[sums])
    first, second, third = meta.judge(
        [group("7", "123456"), group("7", "123456", "7", task="sums"), group("7", "x")]
    )
    assert (first[0].reward, first[0].violations) == (1.0, ("short",))
    assert [(v.reward, v.violations) for v in second] == [(0.0, ()), (1.0, ())]
    assert (third[0].reward, third[0].violations) == (0.0, ())
    assert meta.fingerprint != Meta(MetaConfig(judge=check("number"))).fingerprint


def test_a_configuration_names_constraints_short_or_long() -> None:
    long = "{judge: {name: check, kind: length, params: {maximum: 4}}, name: brief, threshold: 0.5}"
    config = load_config("tiny", [f"meta.constraints=[verifier, {long}]"]).config.meta
    assert [c.label for c in config.constraints] == ["verifier", "brief"]
    assert config.constraints[1].judge.options == CheckOptions("length", {"maximum": 4})


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        ("[verifier, verifier]", "verifier twice"),
        ("[{judge: verifier, rule: atleast}]", "did you mean 'at_least'"),
        ("[{judge: {name: check, kind: lenght}}]", "did you mean 'length'"),
        ("[{judge: {name: check, kind: length, params: {max: 3}}}]", "has no parameter 'max'"),
        ("[{judge: verifier, treshold: 1}]", "did you mean 'threshold'"),
    ],
)
def test_what_is_no_constraint_is_refused_with_a_hint(constraints: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config("tiny", [f"meta.constraints={constraints}"])


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.glob("*.yaml")))
def test_a_rubric_that_ships_is_called_by_its_name(name: str) -> None:
    meta = Meta(MetaConfig(judge=chosen("rubric", JUDGES), rubric=name))
    assert meta.rubric is not None
    assert meta.rubric.default.name == name
