"""Claims about servers that answer nobody, each but the first few against a real HTTP server."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from selfplay.core.errors import NoAnswerError
from selfplay.core.models import endpoint
from selfplay.core.models.breaker import Breaker
from selfplay.core.models.endpoint import EndpointModel
from selfplay.core.models.endpoint_options import EndpointOptions
from selfplay.core.models.failure import Failure
from selfplay.core.seeding import Seed
from selfplay.core.types import Response, Sampling, user
from tests.model_server import Answer, Served, completion, serving

QUICK = EndpointOptions(
    model="m",
    concurrency=4,
    retries=2,
    backoff=0.01,
    longest_wait=0.05,
    timeout=5.0,
    breaker=4,
    rest=60.0,
)
RESTING = "server resting after 4 failures"
DOWN = Answer("down", 503)


def model_at(served: Served, **options: Any) -> EndpointModel:
    return EndpointModel(replace(QUICK, base_url=served.url, **options))


def ask(model: EndpointModel, *texts: str) -> list[tuple[Response, ...]]:
    return model.generate([user(text) for text in texts], Sampling(n=1), Seed(1))


class Clock:
    """Seconds that pass when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


LOST = Failure("no connection", "refused", again=True)


def test_a_breaker_opens_after_its_limit_of_failures_in_a_row_and_an_answer_sets_it_back() -> None:
    breaker = Breaker(2, 10.0, Clock())
    for outcome in (LOST, {}, LOST):
        breaker.heard(outcome)
    assert (breaker.resting, breaker.refusal()) == (False, None)
    breaker.heard(LOST)
    refusal = breaker.refusal()
    assert refusal is not None
    assert refusal.reason == "server resting after 2 failures"
    assert refusal.detail.endswith("for 10.0 s more; the last: refused")
    assert refusal.again


def test_a_request_that_the_server_turns_down_shows_that_it_lives() -> None:
    breaker = Breaker(2, 10.0, Clock())
    for outcome in (LOST, Failure("status 400", "too long"), LOST):
        breaker.heard(outcome)
    assert not breaker.resting


def test_after_its_rest_a_breaker_is_half_open_until_the_next_outcome() -> None:
    clock = Clock()
    breaker = Breaker(1, 10.0, clock)
    breaker.heard(LOST)
    clock.now = 10.0
    assert (breaker.resting, breaker.refusal()) == (True, None)
    breaker.heard(LOST)
    assert breaker.refusal()
    clock.now = 20.0
    breaker.heard({})
    assert (breaker.resting, breaker.refusal()) == (False, None)


def test_a_breaker_of_no_limit_never_opens() -> None:
    breaker = Breaker(0, 10.0, Clock())
    for _ in range(100):
        breaker.heard(LOST)
    assert not breaker.resting


def test_a_dead_server_is_asked_for_the_patience_of_the_first_requests_and_no_more() -> None:
    with serving(lambda body: DOWN) as served:
        model = model_at(served)
        with pytest.raises(NoAnswerError, match=f"found none to 200 chats.*{RESTING}.*status 503"):
            ask(model, *map(str, range(200)))
        asked = len(served.requests)
        with pytest.raises(NoAnswerError, match=RESTING):
            ask(model, "later")
        assert len(served.requests) == asked
    # Four places with three attempts each, and what goes out until the fourth gives up.
    assert 12 <= asked <= 24
    assert model.usage.requests == asked
    assert model.usage.failures.total() == 201
    assert model.usage.failures[RESTING] >= 190


def test_a_server_that_hangs_costs_its_time_outs_once_and_not_for_every_request() -> None:
    with serving(lambda body: Answer("{}", delay=30.0)) as served:
        with pytest.raises(NoAnswerError, match=RESTING):
            ask(model_at(served, timeout=0.2, retries=1), *map(str, range(100)))
        # Four places with two attempts each, and what goes out until the fourth gives up: each
        # request of the hundred would have been two.
        assert len(served.requests) <= 20


def test_an_outage_that_the_retries_sit_out_does_not_open_the_breaker() -> None:
    failed: set[str] = set()

    def behaviour(body: dict[str, Any]) -> Answer:
        text = body["messages"][0]["content"]
        if text in failed:
            return completion("fine")
        failed.add(text)
        return DOWN

    with serving(behaviour) as served:
        model = model_at(served, concurrency=16, breaker=1)
        assert all(ask(model, *map(str, range(64))))
    assert model.usage.failures == {}


def test_one_prompt_that_a_server_fails_on_costs_only_its_own_answer() -> None:
    with serving(lambda body: DOWN if "bad" in str(body) else completion("fine")) as served:
        model = model_at(served, concurrency=1)
        lengths = [len(group) for group in ask(model, *["ok", "bad"] * 6)]
    assert lengths == [1, 0] * 6
    assert model.usage.failures == {"status 503": 6}


def test_after_its_rest_one_request_tries_whether_the_server_is_back_and_the_others_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    down, clock = [True], Clock()
    monkeypatch.setattr(endpoint, "Breaker", partial(Breaker, clock=clock))

    def behaviour(body: dict[str, Any]) -> Answer:
        return DOWN if down[0] else replace(completion("fine"), delay=0.05)

    with serving(behaviour) as served:
        model = model_at(served, rest=10.0)
        with pytest.raises(NoAnswerError):
            ask(model, *"abcdefgh")
        asked = len(served.requests)
        clock.now += 10.0
        with pytest.raises(NoAnswerError):
            ask(model, *"abcdefgh")
        assert len(served.requests) == asked + 1
        down[0] = False
        clock.now += 10.0
        assert all(ask(model, *"abcdefgh"))


def test_every_model_has_a_breaker_of_its_own() -> None:
    with serving(lambda body: DOWN if body["model"] == "m" else completion("fine")) as served:
        with pytest.raises(NoAnswerError):
            ask(model_at(served), *"abcdefgh")
        assert ask(model_at(served, model="other"), "a")[0][0].text == "fine"
