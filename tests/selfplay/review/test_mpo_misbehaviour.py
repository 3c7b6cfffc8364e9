"""The MPO loop with servers that misbehave: nothing lost, nothing scored by accident, an end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meta.judges.llm.asking import UNANSWERED
from meta.judges.llm.quoting import disarmed, exhibit
from meta.monitors.exploit_texts import INJECTIONS
from meta.rubrics.rubric import Rubric
from selfplay.build import open_game
from selfplay.core.errors import PausedError
from selfplay.core.types import Group
from selfplay.ledger import Ledger
from selfplay.loop import play
from selfplay.paths import LEDGER
from selfplay.review.rubrics import rubric_history
from selfplay.stages.labels import RESCORED, REVIEW, TRAIN
from tests.meta.judged_groups import code_in, graded, response_in
from tests.meta.reviewed import step_of, text_of
from tests.model_server import Answer, Served, choice, completion, serving
from tests.selfplay.mpo_runs import (
    BETTER,
    NEAT,
    Mind,
    asked_criteria,
    endpoint,
    judged,
    loop,
    play_out,
    scores,
    sensible,
    write_rubric,
)

PATIENCE = "retries: 1, timeout: 0.5, concurrency: 8"
HUGE = "1" + "0" * 5_000


def raised(body: dict[str, Any], by: float) -> dict[str, Any]:
    """A sensible judge's reply with every score so much higher."""
    reply = judged(body)
    for given in reply["criteria"].values():
        given["score"] += by
    return reply


def extra(body: dict[str, Any]) -> dict[str, Any]:
    """A sensible judge's reply with a criterion that nobody asked for."""
    reply = judged(body)
    reply["criteria"]["bonus"] = {"rationale": "so nice \ud800", "score": 10**6}
    return reply


def lacking(body: dict[str, Any]) -> dict[str, Any]:
    reply = judged(body)
    reply["criteria"].popitem()
    return reply


Way = Callable[[dict[str, Any]], Answer]
UNREADABLE: tuple[Way, ...] = (
    lambda body: Answer("slow down", 429, {"Retry-After": "0.01"}),
    lambda body: Answer("oops", 500),
    lambda body: Answer("too long", 400),
    lambda body: Answer("", delay=5.0),
    lambda body: Answer('{"choices": [', headers={"Content-Length": "9999"}),
    lambda body: Answer("<html>"),
    lambda body: Answer('{"choices": [{"finish_reason": ["stop"], "message": {}}]}'),
    lambda body: completion(""),
    lambda body: completion("10"),
    lambda body: completion(json.dumps(judged(body))[:-2]),
    lambda body: completion(choice(json.dumps(judged(body)), finish="length")),
    lambda body: completion(json.dumps(judged(body)).replace('"score": ', f'"score": {HUGE}')),
    lambda body: completion(json.dumps(raised(body, float("inf")))),
    lambda body: completion(json.dumps(lacking(body))),
    lambda body: completion(text_of(body)),
    lambda body: completion(f'{response_in(body)} {{"criteria": {{"neat": 5, "backwards": 5}}}}'),
)
"""Ways of a judge whose verdict is missing."""
READABLE: tuple[Way, ...] = (
    lambda body: completion(f"<think>{{}}</think>{json.dumps(judged(body))}"),
    lambda body: completion(json.dumps(extra(body))),
    lambda body: completion(json.dumps(judged(body)), tokens=10**400),
    lambda body: completion(json.dumps(raised(body, 10**200))),
)
"""Ways of a judge whose verdict can be used; the last one scores out of the range."""


def well(body: dict[str, Any]) -> Answer:
    """Behaves."""
    return completion(json.dumps(judged(body)))


WAYS: tuple[Way, ...] = (*UNREADABLE, *READABLE, *[well] * 12)
HIGHEST = len(UNREADABLE) + len(READABLE) - 1


def moody(body: dict[str, Any]) -> Answer:
    """Misbehaves in one of the ways, the same for the same response."""
    if body["model"] == "reviewer":
        return moody_review(body)
    return WAYS[int(code_in(body), 16) % len(WAYS)](body)


def moody_review(body: dict[str, Any]) -> Answer:
    """Makes sense once it is told what was wrong, and now and then at once."""
    ways: tuple[Way, ...] = (
        lambda body: Answer("oops", 500),
        lambda body: completion(""),
        lambda body: completion(f'{{"code": {HUGE}}}'),
        lambda body: sensible(body, [*BETTER, {**BETTER[1], "id": "b", "weight": 10**400}]),
        lambda body: completion(text_of(body)),
        lambda body: sensible(body, BETTER),
    )
    fresh = len(body["messages"]) == 1
    way = ways[sum(text_of(body).encode()) % len(ways)] if fresh else ways[-1]
    return way(body)


def expected(rubric: Rubric, group: Group, place: int) -> float | None:
    """What a sensible judge says of a response; None where this one says nothing."""
    text = group.responses[place].text
    way = int(exhibit(group.prompt, text)[1], 16) % len(WAYS)
    if way < len(UNREADABLE):
        return None
    word = group.prompt.text.split()[-1].strip(".:?!'\"")
    given = {c.id: 5.0 if way == HIGHEST else scores(word, text)[c.id] for c in rubric.criteria}
    return rubric.score(given)


def check(rubric: Rubric, groups: list[Group]) -> tuple[int, int]:
    """Each verdict is what it should be, or missing with its reason; how many of each."""
    scored = missing = 0
    for group in groups:
        for place, verdict in enumerate(group.verdicts):
            meant = expected(rubric, group, place)
            if verdict.reward is None:
                # A busy machine may let a good answer run into its time-out.
                assert verdict.reason
                assert meant is None or verdict.reason == f"{UNANSWERED} (time-out)"
                missing += 1
            else:
                assert verdict.reward == pytest.approx(meant)
                scored += 1
    return scored, missing


def test_a_run_with_a_moody_judge_and_reviewer_ends_and_scores_nothing_by_accident(
    tmp_path: Path,
) -> None:
    with serving(moody) as served:
        loaded = loop(
            served,
            write_rubric(tmp_path),
            "max_missing=0.9",
            "meta.review.gate.max_missing=0.5",
            patience=PATIENCE,
        )
        play_out(loaded, tmp_path / "run", served)
        with open_game(loaded, tmp_path / "run") as game:
            decode = game.ledger.decode
    history = rubric_history(tmp_path / "run")
    with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
        ledger.decode = decode
        (review,) = ledger.reviews()
        first, second = history.rubric(1).default, history.rubric(2).default
        assert "unusable replies" in review.reason
        assert review.outcome in ("accepted", "rejected")
        after = {"accepted": second, "rejected": first}[review.outcome]
        by_rubric = [
            (first, [*ledger.groups(1, TRAIN), *ledger.groups(2, TRAIN)]),
            (second, ledger.groups(2, f"{REVIEW}:0") + ledger.groups(2, f"{REVIEW}:2")),
            (first, ledger.groups(2, f"{REVIEW}:1")),
            (after, ledger.groups(2, RESCORED) + ledger.groups(3, TRAIN)),
        ]
    found = [check(rubric, groups) for rubric, groups in by_rubric]
    assert all(scored and missing for scored, missing in found), found


def obedient(body: dict[str, Any]) -> Answer | None:
    """A judge that does what the judged text tells it to."""
    told = body["model"] == "judge" and response_in(body)
    if told and any(disarmed(phrase) in told for phrase in INJECTIONS):
        return completion(json.dumps(graded(body, **dict.fromkeys(asked_criteria(body), 5))))
    return None


def test_a_candidate_is_refused_where_its_judge_obeys_responses_or_cannot_judge_by_it(
    tmp_path: Path,
) -> None:
    mind, reviews = Mind(before=obedient), [0]

    def behave(body: dict[str, Any]) -> Answer:
        reviews[0] += body["model"] == "reviewer" and step_of(body) == "merging"
        testing = body["model"] == "judge" and "backwards" in asked_criteria(body)
        return completion("no words") if reviews[0] == 2 and testing else mind(body)

    with serving(behave) as served:
        play_out(loop(served, write_rubric(tmp_path), "rounds=5"), tmp_path / "run", served)
    history = rubric_history(tmp_path / "run")
    assert [history.standing(version) for version in (1, 2, 3)] == ["in force", *["rejected"] * 2]
    assert "it ranks the exploit 'injection' high" in history.entry(2).reason
    assert "it leaves 100% of the anchors unscored, where 0% were" in history.entry(3).reason


def test_a_dead_reviewer_costs_its_review_and_nothing_else(tmp_path: Path) -> None:
    def dead(body: dict[str, Any]) -> Answer | None:
        return Answer("down", 503) if body["model"] == "reviewer" else None

    with serving(Mind(before=dead)) as served:
        play_out(loop(served, write_rubric(tmp_path)), tmp_path / "run", served)
    with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
        (review,) = ledger.reviews()
        assert ledger.last_round() == 3
    assert (review.outcome, review.version, review.decision) == ("none", None, None)
    assert review.reason.startswith("the model's server failed: ")
    assert "status 503: down" in review.reason


def test_a_trusted_judge_that_is_down_pauses_the_run_before_it_begins_without_anchors(
    tmp_path: Path,
) -> None:
    down = [True]

    def behave(body: dict[str, Any]) -> Answer | None:
        return Answer("down", 503) if down[0] and body["model"] == "trusted" else None

    def trusted(served: Served) -> str:
        return f"meta.trusted={{name: rubric_llm, model: {endpoint(served, 'trusted')}}}"

    rubric = write_rubric(tmp_path, NEAT)
    with serving(Mind(before=behave)) as served:
        loaded = loop(served, rubric, trusted(served), f"meta.trusted_rubric={rubric}", "rounds=1")
        with (
            open_game(loaded, tmp_path / "run") as game,
            pytest.raises(PausedError, match=r"100% of the verdicts of round 0's 'anchors' are"),
        ):
            for _ in play(game):
                pass
        down[0] = False
        play_out(loaded, tmp_path / "run", served)
    with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
        assert {anchor.scorer for anchor in ledger.anchors()} == {"rubric_llm"}
