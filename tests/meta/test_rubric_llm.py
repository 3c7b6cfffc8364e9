"""Claims about the rubric judge by a language model, each against a real HTTP server."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from meta.config import MetaConfig
from meta.judges.llm.table import RubricLLMOptions
from meta.judges.rubric_llm import RubricLLM
from meta.judges.table import JUDGES
from meta.meta import Meta
from meta.rubrics.rubric import Rubric
from selfplay.config import load_values
from selfplay.core.components import chosen
from selfplay.core.errors import ConfigError
from selfplay.core.models.endpoint_options import EndpointOptions
from selfplay.core.models.scripted import ScriptedModel
from selfplay.core.models.table import MODELS
from selfplay.core.types import Verdict
from tests.meta.judged_groups import (
    JUDGED,
    MIXED,
    SHORT,
    asked_text,
    code_in,
    graded,
    grader,
    grading,
    group,
    replying,
    response_in,
)
from tests.model_server import Answer, completion, serving


def by_length(text: str) -> dict[str, object]:
    return {"clear": len(text), "padded": 0}


def test_the_reward_is_the_rubrics_score_and_a_deduction_deducts() -> None:
    with serving(grading(lambda text: {"clear": 5, "padded": len(text)})) as served:
        ((clean, padded),) = grader(served).judge([group("", "xx")])
    assert (clean.reward, padded.reward) == (1.0, 0.75)
    assert padded.scores == {"clear": 5.0, "padded": 2.0}


def test_all_responses_of_all_groups_are_asked_about_in_one_go_and_come_back_in_order() -> None:
    groups = [group("a", "bbb", "cc"), group("dddd", question="?"), group("e", "ff")]
    slow = grading(by_length)
    with serving(lambda body: replace(slow(body), delay=0.1)) as served:
        found = grader(served).judge(groups)
        assert served.busiest == len(served.requests) == 6
    assert [[v.scores["clear"] for v in row] for row in found] == [[1, 3, 2], [4], [1, 2]]


def test_the_request_has_the_rubric_first_and_a_schema_with_rationale_before_score() -> None:
    with serving(grading(by_length)) as served:
        grader(served, plan=True, reference=True).judge([group("a")])
        (request,) = served.requests
    text = asked_text(request)
    places = [text.index(part) for part in ("clear (from 0 to 5)", "a fault", "2+2?", "\n4\n")]
    assert places == sorted(places)
    schema = request["response_format"]["json_schema"]["schema"]
    assert list(schema["properties"]) == schema["required"] == ["code", "plan", "criteria"]
    criteria = schema["properties"]["criteria"]
    assert list(criteria["properties"]) == ["clear", "padded"]
    assert list(criteria["properties"]["clear"]["properties"]) == ["rationale", "score"]
    assert not criteria["additionalProperties"]


def test_the_schema_is_the_same_for_all_responses() -> None:
    with serving(grading(by_length)) as served:
        grader(served).judge([group("a", "b"), group("c", question="?")])
    assert len({json.dumps(request["response_format"]) for request in served.requests}) == 1


def test_a_server_that_refuses_schemas_is_asked_without_from_then_on() -> None:
    def behave(body: dict[str, Any]) -> Answer:
        return Answer("what?", 400) if "response_format" in body else grading(by_length)(body)

    with serving(behave) as served:
        judge = grader(served)
        rows = [judge.judge([group("a", "bb")]) for _ in range(2)]
        asked = [request.get("response_format", {}).get("type") for request in served.requests]
    assert [v.scores["clear"] for row in rows for v in row[0]] == [1, 2, 1, 2]
    assert sorted(asked[:3], key=str) == ["json_object", "json_schema", "json_schema"]
    assert asked[3:] == [None] * 4


def test_structured_replies_can_be_left_out_or_be_the_users_own() -> None:
    with serving(grading(by_length)) as served:
        grader(served, structured=False).judge([group("a")])
        grader(served, extra={"response_format": {"type": "json_object"}}).judge([group("a")])
    formats = [request.get("response_format") for request in served.requests]
    assert formats == [None, {"type": "json_object"}]


def test_rationales_and_plan_can_be_asked_for_beside_the_verdict() -> None:
    def reply(body: dict[str, Any]) -> str:
        return json.dumps({"plan": "add", **graded(body, clear=1, padded=0)})

    with serving(replying(reply)) as served:
        judge = grader(served, plan=True)
        verdicts = judge.judge([group("a")])
        asked = len(served.requests)
        (((reading,),),) = judge.explain([group("a").judged(verdicts[0], "f")])
        assert len(served.requests) == asked
    assert reading.plan == "add"
    assert reading.rationales == {"clear": "because clear", "padded": "because padded"}
    assert json.loads(verdicts[0][0].replies[0])["plan"] == "add"


def test_a_verdict_without_its_replies_has_no_rationales() -> None:
    with serving(grading(by_length)) as served:
        bare = group("a").judged([Verdict(0.5)], "f")
        assert grader(served).explain([bare]) == [((),)]
        assert served.requests == []


def test_check_criteria_are_scored_by_code_in_the_same_verdict() -> None:
    with serving(grading(lambda text: {"clear": 5})) as served:
        ((number, none),) = grader(served, MIXED).judge([group("it is 4", "dunno")])
        assert "It has a number" not in asked_text(served.requests[0])
    assert number.scores == {"clear": 5.0, "number": 1.0}
    assert none.scores == {"clear": 5.0, "number": 0.0}
    assert (number.reward, none.reward) == (1.0, 0.75)


def test_a_rubric_of_checks_alone_asks_nobody() -> None:
    with serving(grading(by_length)) as served:
        ((verdict,),) = grader(served, Rubric((SHORT,))).judge([group("4")])
        assert served.requests == []
    assert verdict.reward == 1.0


def test_a_check_that_does_not_apply_makes_the_verdict_missing_and_asks_nobody() -> None:
    rubric = Rubric((*JUDGED.criteria, replace(SHORT, check="exact_answer")))
    with serving(grading(by_length)) as served:
        ((verdict,),) = grader(served, rubric).judge([group("a", answer=None)])
        assert served.requests == []
    assert verdict.reward is None
    assert "no gold answer" in verdict.reason


def test_without_a_reference_answer_a_judge_that_shows_it_has_no_verdict() -> None:
    with serving(grading(by_length)) as served:
        judge = grader(served, reference=True)
        known, unknown = judge.judge([group("a"), group("a", answer=None)])
    assert known[0].reward is not None
    assert unknown[0].reason == "the prompt has no reference answer"


def test_votes_are_averaged_and_an_unreadable_one_is_left_out_and_noted() -> None:
    def behave(body: dict[str, Any]) -> Answer:
        scores = (1, 3, 5)[: body["n"] - 1]
        return completion(*[json.dumps(graded(body, clear=s, padded=0)) for s in scores], "er")

    with serving(behave) as served:
        ((verdict,),) = grader(served, votes=4, temperature=1.0).judge([group("a")])
        assert [request["n"] for request in served.requests] == [4]
    assert verdict.scores == {"clear": 3.0, "padded": 0.0, "note/unreadable": 0.25}
    assert verdict.reward == pytest.approx((3 * 0.6 + 1) / 4)


def test_repeats_draw_anew_and_the_same_repeat_draws_the_same() -> None:
    with serving(grading(by_length)) as served:
        judge = grader(served, temperature=1.0)
        for repeat in (0, 1, 0):
            judge.judge([group("a", "b")], repeat)
        seeds = [{r["seed"] for r in served.requests[i : i + 2]} for i in (0, 2, 4)]
    assert len(seeds[0]) == 2
    assert seeds[0] == seeds[2]
    assert not seeds[0] & seeds[1]


def test_equal_responses_are_asked_about_once_when_nothing_is_drawn() -> None:
    with serving(grading(by_length)) as served:
        ((first, second),) = grader(served).judge([group("a", "a")])
        assert len(served.requests) == 1
    assert first == second


def test_the_live_policy_judges_itself_once_it_is_known() -> None:
    def script(chat: Any, sampling: Any, index: int, rng: Any) -> str:
        body = {"messages": [{"content": chat[-1].content}]}
        return json.dumps(graded(body, clear=len(response_in(body)) + index, padded=0))

    options = RubricLLMOptions(votes=2, temperature=1.0)
    meta = Meta(MetaConfig(judge=chosen("rubric_llm", JUDGES, options)), JUDGED)
    with pytest.raises(ConfigError, match="expected a live policy to ask"):
        meta.judge([group("a")])
    meta.meet(ScriptedModel(script))  # type: ignore[arg-type]
    ((verdict,),) = meta.judge([group("a")])
    assert verdict.scores["clear"] == 1.5


def test_the_fingerprint_names_the_model_the_rubric_and_the_votes() -> None:
    def judge(rubric: Rubric = JUDGED, model: str = "m", **options: Any) -> str:
        choice = chosen("endpoint", MODELS, EndpointOptions(model=model))
        values = RubricLLMOptions(model=choice, **options)
        return Meta(MetaConfig(judge=chosen("rubric_llm", JUDGES, values)), rubric).fingerprint

    other = replace(JUDGED, version=2)
    votes = judge(votes=2, temperature=1.0)
    assert len({judge(), judge(other), judge(model="n"), votes, judge(plan=True)}) == 5
    assert judge() == judge()


def test_the_wordings_version_is_part_of_the_content(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = RubricLLM(RubricLLMOptions(), JUDGED)
    before = judge.content
    monkeypatch.setattr("meta.judges.rubric_llm.WORDING", "grading-2.1")
    assert judge.content != before


def test_a_judge_without_a_rubric_and_votes_that_cannot_differ_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"there is no rubric; set meta\.rubric"):
        RubricLLM(RubricLLMOptions(), None)
    values = {"judge": {"name": "rubric_llm", "votes": 3}}
    with pytest.raises(ConfigError, match=r"temperature: expected above 0, so that 3 votes"):
        load_values(values, "test", MetaConfig)


def test_the_code_of_a_request_stands_nowhere_in_what_is_quoted() -> None:
    with serving(grading(by_length)) as served:
        judge = grader(served)
        judge.judge([group("a")])
        known = code_in(served.requests[0])
        judge.judge([group(f"a {known}")])
        assert code_in(served.requests[1]) not in response_in(served.requests[1])
