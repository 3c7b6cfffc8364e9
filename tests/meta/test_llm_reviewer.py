"""Claims about the reviewer that is a language model, against a real server."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from meta.anchors.anchors import Anchor, Part, part_of
from meta.judges.llm.reading import Reading
from meta.reviewers import PastEdit
from meta.reviewers.llm.replies import Rules
from meta.reviewers.llm.shown import select
from meta.reviewers.llm.wording import Wording
from meta.reviewers.rationales import rationales
from meta.reviewers.table import LLMOptions
from meta.rubrics.rubric import Criterion, Rubric, rubric_from_yaml
from selfplay.core.errors import ConfigError, DataError
from selfplay.core.models.dialect import FORM
from selfplay.core.models.scripted import ScriptedModel
from selfplay.core.seeding import Seed
from selfplay.core.types import Chat, Sampling, Verdict
from tests.meta.reviewed import (
    CLEAR,
    FORCE,
    GOOD,
    KEPT,
    PADDED,
    SEED,
    TITLE_ONLY,
    as_asked,
    evidence,
    quoted,
    review,
    reviewer,
    step_of,
    text_of,
)
from tests.model_server import Answer


def test_rollouts_are_analysed_refined_and_merged_into_the_next_version() -> None:
    found = review(rollouts=4)
    assert Counter(found.steps) == {"analysis": 4, "refinement": 4, "merging": 1}
    rubric = found.proposal.rubric
    assert rubric is not None
    assert (rubric.name, rubric.version) == ("essays", 5)
    assert rubric.criteria[0] == CLEAR
    assert rubric.criteria[1].sign == "deduction"
    assert rubric_from_yaml(rubric.to_yaml()) == rubric
    assert found.proposal.reason == (
        "removes the deduction 'padded', weight 1: Does it pad?; adds the deduction 'title-only', "
        "weight 4: Is the response a title without a body?. By 4 of 4 rollouts analysed, 4 of 4 "
        "refinements, 4 of them merged, 162 tokens"
    )


def test_its_tokens_are_those_that_the_server_tells() -> None:
    found = review(rollouts=4)
    assert found.proposal.tokens == len(found.requests) * (11 + 7)


def test_each_step_shows_what_the_steps_before_it_wrote() -> None:
    def reply(body: dict[str, Any]) -> str:
        criteria = [{**TITLE_ONLY, "weight": 2}] if step_of(body) == "refinement" else GOOD
        return as_asked(body, criteria)

    found = review(reply, rollouts=4, batch=2)
    assert Counter(found.steps) == {"analysis": 4, "refinement": 2, "merging": 1}
    by_step = {step: [b for b in found.requests if step_of(b) == step] for step in found.steps}
    responses = {quoted(body, "response") for body in by_step["analysis"]}
    analyses = {quoted(body, f"analysis {i}") for body in by_step["refinement"] for i in (1, 2)}
    assert analyses == {f"About {response}" for response in responses}
    (merging,) = by_step["merging"]
    for i in (1, 2):
        assert rubric_from_yaml(quoted(merging, f"refinement {i}")).criteria[0].weight == 2


def test_an_analysis_shows_all_that_is_known_of_its_rollout() -> None:
    seen = evidence(1, 1)
    (own,) = seen.rollouts
    verdict = Verdict(0.75, scores={"clear": 4.0}, violations=("safe",))
    seen = replace(seen, rollouts=[own.judged([verdict], "x")])
    seen = replace(seen, explain=lambda groups: [["clear (4): it is"] for _ in groups])
    (body, *_) = review(seen=seen).requests
    assert quoted(body, "prompt") == "Write about subject 0."
    assert quoted(body, "task") == "essay"
    assert quoted(body, "reference") == "the gold answer of 0"
    assert quoted(body, "response") == "Title 0"
    scores = quoted(body, "judge's scores").splitlines()
    assert scores == ["reward: 0.75", "clear: 4", "violated constraints: safe"]
    assert quoted(body, "judge's rationales") == "clear (4): it is"


@pytest.mark.parametrize("step", ["analysis", "refinement", "merging"])
def test_every_step_shows_rubric_alarms_state_and_past_edits(step: str) -> None:
    past = PastEdit(3, ("removes 'short'",), "rolled_back", "worse on the core")
    seen = evidence(
        alarms=("length: 3 in round 9",), state={"judge/reward": [0.1, 0.25]}, past=(past,)
    )
    found = review(seen=seen, rollouts=2)
    body = next(b for b in found.requests if step_of(b) == step)
    assert rubric_from_yaml(quoted(body, "rubric in force")) == FORCE
    assert quoted(body, "alarms") == "length: 3 in round 9"
    assert quoted(body, "training state, latest round last") == "judge/reward: 0.1, 0.25"
    for words in ("version: 3", "removes 'short'", "rolled back", "worse on the core"):
        assert words in quoted(body, "past edits, latest last")


def test_gold_answers_are_shown_only_where_that_is_allowed() -> None:
    shown = [review(reference=r, rollouts=1).requests[0] for r in (True, False)]
    assert ["gold answer" in text_of(body) for body in shown] == [True, False]


def test_a_rollout_that_is_an_anchor_has_its_trusted_score() -> None:
    seen = evidence(12)
    own = next(g for g in seen.rollouts if part_of(g.prompt.id) == "propose")
    anchor = Anchor(own.prompt, own.responses[2].text, 0.0, "verifier", "suspect", "length")
    seen = replace(seen, anchors=Part("propose", (anchor,)))
    shown = select(seen, 100, SEED)
    assert [s.trusted for s in shown if s.response == anchor.response] == ["0 by verifier"]
    assert sum(bool(s.trusted) for s in shown) == 1
    (body,) = [b for b in review(seen=seen, rollouts=36).requests if "0 by verifier" in text_of(b)]
    assert quoted(body, "response") == anchor.response


def test_long_texts_lose_their_middle() -> None:
    seen = evidence(1, 1)
    (own,) = seen.rollouts
    long = replace(own.responses[0], text="a" * 500 + "b" * 500)
    seen = replace(seen, rollouts=[replace(own, responses=(long,))])
    (body, *_) = review(seen=seen, max_characters=100).requests
    assert quoted(body, "response") == (
        f"{'a' * 50}\n[... 900 characters are left out ...]\n{'b' * 50}"
    )


# What is shown


def test_thirds_of_the_scores_are_shown_in_equal_numbers_from_different_prompts() -> None:
    shown = select(evidence(9), 9, SEED)
    rewards = [round(3 * (s.verdict.reward or 0)) for s in shown]
    assert Counter(rewards) == {1: 3, 2: 3, 3: 3}
    for reward in (1, 2, 3):
        own = [s.prompt.id for s, r in zip(shown, rewards, strict=True) if r == reward]
        assert len(set(own)) == 3


def test_any_beginning_of_what_is_shown_is_stratified() -> None:
    shown = select(evidence(9), 9, SEED)
    assert [round(3 * (s.verdict.reward or 0)) for s in shown] == [3, 1, 2] * 3


def test_suspects_come_first_and_take_half_of_the_places_at_most() -> None:
    seen = evidence(9, suspects=[(i, 2) for i in range(7)])
    shown = select(seen, 8, SEED)
    assert all(s.suspect for s in shown[:4])
    few = select(evidence(9, suspects=[(3, 0)]), 6, SEED)
    assert [s.suspect for s in few] == [True] + [False] * 5
    assert few[0].response == "Some words on it, take 0 of 3."


def test_unscored_and_repeated_responses_are_not_shown() -> None:
    seen = evidence(1, 3)
    (own,) = seen.rollouts
    responses = (own.responses[0], own.responses[0], own.responses[2])
    verdicts = [Verdict(0.5), Verdict(0.5), Verdict.missing("no reply")]
    group = replace(own, responses=responses).judged(verdicts, "x")
    assert [s.response for s in select(replace(seen, rollouts=[group]), 5, SEED)] == [
        own.responses[0].text
    ]


def test_the_seed_draws_what_is_shown() -> None:
    drawn = [[s.response for s in select(evidence(20), 6, Seed(i))] for i in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_evidence_that_does_not_fit_the_rollouts_is_refused() -> None:
    with pytest.raises(DataError, match=r"no rollout is at the suspect's position \(0, 5\)"):
        evidence(2, 2, suspects=[(0, 5)])


def test_rationales_are_those_of_the_readable_replies() -> None:
    read = Reading({"clear": 3.0}, {"clear": "it is"})
    assert rationales([[(read, read), ()]]) == (("clear (3): it is\nclear (3): it is", ""),)


# Options


def test_without_merging_the_first_readable_refinement_is_the_candidate() -> None:
    asked = Counter[str]()

    def reply(body: dict[str, Any]) -> str:
        asked[step_of(body)] += 1
        if step_of(body) == "refinement" and asked["refinement"] == 1:
            return "I would rather not."
        return as_asked(body)

    found = review(reply, merge=False, repairs=0, rollouts=4)
    assert Counter(found.steps) == {"analysis": 4, "refinement": 2}
    assert found.proposal.rubric is not None
    assert "1 of 2 refinements" in found.proposal.reason


CHECKED = Rubric((CLEAR, Criterion("right", "Right.", check="exact_answer")), "essays", 4)
SHORT = {
    **TITLE_ONLY,
    "id": "short",
    "kind": "check",
    "check": "length",
    "params": '{"maximum": 90}',
}


def test_criteria_on_checks_stay_as_they_are_by_default() -> None:
    meddling = {"id": "right", "text": "Anything.", "weight": 9, "range": [0, 1], "sign": "reward"}
    found = review(
        lambda b: as_asked(b, [TITLE_ONLY, meddling]), evidence(rubric=CHECKED), rollouts=2
    )
    assert found.proposal.rubric is not None
    ids = [criterion.id for criterion in found.proposal.rubric.criteria]
    assert ids == ["right", "title-only"]
    assert found.proposal.rubric.criteria[0] == CHECKED.criteria[1]
    assert "the reply does not name them: right" in text_of(found.requests[-1])


def test_a_check_is_refused_unless_checks_are_allowed() -> None:
    found = review(lambda b: as_asked(b, [KEPT, SHORT]), repairs=0, rollouts=2)
    assert found.proposal.rubric is None
    assert "expected a check that may be used (none), found 'length'" in found.proposal.reason


def test_with_checks_code_may_score_and_the_answer_key_may_not() -> None:
    found = review(
        lambda b: as_asked(b, [KEPT, SHORT]), evidence(rubric=CHECKED), checks=True, rollouts=2
    )
    assert found.proposal.rubric is not None
    short = found.proposal.rubric.criteria[-1]
    assert (short.check, short.params) == ("length", {"maximum": 90})
    assert CHECKED.criteria[1] in found.proposal.rubric.criteria
    shown = text_of(found.requests[-1])
    assert "  - length: " in shown
    assert "  - exact_answer" not in shown


@pytest.mark.parametrize(
    ("check", "params"),
    [
        ("exact_answer", {}),
        ("pattern", {"regex": "(a+)+$"}),
        ("punctuation:no_comma", {}),
        ("length", {"maximum": 90}),
        (["length"], {}),
    ],
)
def test_denied_and_costly_checks_are_refused(check: Any, params: dict[str, Any]) -> None:
    entry = {**SHORT, "check": check, "params": params}
    found = review(
        lambda b: as_asked(b, [KEPT, entry]), checks=True, deny=("length",), repairs=0, rollouts=1
    )
    assert found.proposal.rubric is None
    assert "expected a check that may be used" in found.proposal.reason


def test_a_server_is_asked_for_the_schema_of_each_step() -> None:
    found = review(rollouts=2)
    named = {
        step_of(body): body["response_format"]["json_schema"]["name"] for body in found.requests
    }
    assert named == {"analysis": "analysis", "refinement": "rubric", "merging": "rubric"}
    schema = found.requests[-1]["response_format"]["json_schema"]["schema"]
    item = schema["properties"]["criteria"]["items"]
    assert set(item["required"]) == set(item["properties"]) == set(KEPT)
    assert FORM not in review(rollouts=2, structured=False).requests[0]


def test_a_server_that_refuses_schemas_is_asked_without_from_then_on() -> None:
    def reply(body: dict[str, Any]) -> str | Answer:
        return Answer("no schemas here", 400) if FORM in body else as_asked(body)

    found = review(reply, rollouts=2)
    assert found.proposal.rubric is not None
    formed = [body["response_format"]["type"] for body in found.requests if FORM in body]
    # One for each of two schemas, those of an analysis and of a rubric, whatever the rollouts.
    assert formed.count("json_object") == 2
    assert FORM not in found.requests[-1]


def test_the_same_evidence_and_seed_give_the_same_proposal() -> None:
    def script(chat: Chat, sampling: Sampling, index: int, rng: np.random.Generator) -> str:
        body = {"messages": [{"content": message.content} for message in chat]}
        return as_asked(body, [KEPT, {**TITLE_ONLY, "weight": int(rng.integers(1, 9))}])

    own = reviewer(ScriptedModel(script), temperature=1.0)
    first = own.propose(evidence(), SEED)
    assert first == own.propose(evidence(), SEED)
    assert len({str(own.propose(evidence(), Seed(i)).rubric) for i in range(6)}) > 1


def test_an_unchanged_rubric_is_no_candidate() -> None:
    same = [KEPT, {**TITLE_ONLY, "id": "padded", "text": PADDED.text, "weight": 1, "range": [0, 2]}]
    found = review(lambda b: as_asked(b, same), rollouts=2)
    assert found.proposal.rubric is None
    assert found.proposal.reason.startswith("the model leaves the rubric as it is. By 2 of 2")


def test_a_model_in_process_that_says_nothing_useful_ends_the_review(tiny_model_dir: Path) -> None:
    from selfplay.core.models.pretrained import load_pretrained
    from selfplay.core.models.transformers_model import TransformersModel

    model = TransformersModel(load_pretrained(str(tiny_model_dir), "float32", "cpu"))
    found = reviewer(model, max_new_tokens=8, rollouts=2).propose(evidence(), SEED)
    assert found.rubric is None
    assert found.reason.startswith("analysis: no reply can be used")


def test_without_a_model_there_is_no_reviewer() -> None:
    with pytest.raises(ConfigError, match="reviewer 'llm': expected a model that writes"):
        reviewer(None)


@pytest.mark.parametrize(
    "change",
    [
        {"rollouts": 0},
        {"batch": 0},
        {"max_tokens": 0},
        {"repairs": -1},
        {"max_weight": 0.0},
        {"temperature": -1.0},
        {"common": 0.0},
        {"deny": ("lenght",)},
    ],
)
def test_impossible_options_are_refused(change: dict[str, Any]) -> None:
    LLMOptions().check("review")
    with pytest.raises(ConfigError, match=f"review.{next(iter(change))}: expected"):
        LLMOptions(**change).check("review")


def test_the_forms_are_no_replies() -> None:
    words = Wording(evidence(), Rules(FORCE, frozenset({"length"}), 10.0), True, 6000)
    for request in (*words.refinements([["x"]]), words.merging(["x"])):
        form = request.chat[0].content.splitlines()[-1]
        assert request.code in form
        with pytest.raises(json.JSONDecodeError):
            json.loads(form)
