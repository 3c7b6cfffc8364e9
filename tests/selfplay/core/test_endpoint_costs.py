"""Claims about what servers took: tokens, money, and whom that is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from selfplay.core.errors import ConfigError, NoAnswerError, PausedError
from selfplay.core.models.endpoint import EndpointModel
from selfplay.core.models.endpoint_options import EndpointOptions
from selfplay.core.models.metering import metered
from selfplay.core.models.usage import Usage
from selfplay.core.seeding import Seed
from selfplay.core.types import Sampling, user
from tests.model_server import Answer, Served, completion, serving

QUICK = EndpointOptions(model="m", retries=1, backoff=0.01, longest_wait=0.05, timeout=5.0)
PRICED: dict[str, Any] = {"price_in": 2.0, "price_out": 10.0}
EACH = (11 * 2.0 + 7 * 10.0) / 1e6
"""Money of one answer of the test's server."""


def model_at(served: Served, **options: Any) -> EndpointModel:
    return EndpointModel(replace(QUICK, base_url=served.url, **options))


def ask(model: EndpointModel, *texts: str) -> None:
    model.generate([user(text) for text in texts], Sampling(n=1), Seed(1))


def test_money_is_the_tokens_of_all_answers_at_their_prices() -> None:
    with serving(lambda body: completion("x")) as served:
        model = model_at(served, **PRICED)
        assert model.usage.money == 0.0
        ask(model, "a", "b", "c")
    assert model.usage.money == pytest.approx(3 * EACH)


@pytest.mark.parametrize("prices", [{}, {"price_in": 2.0}, {"price_out": 0.0}])
def test_money_without_both_prices_is_unknown_and_not_0(prices: dict[str, float]) -> None:
    with serving(lambda body: completion("x")) as served:
        model = model_at(served, **prices)
        ask(model, "a")
    assert model.usage.money is None
    assert model.usage.completion_tokens == 7


@pytest.mark.parametrize(
    "said",
    [None, "7", {"prompt_tokens": 7}, {"prompt_tokens": True, "completion_tokens": -1}],
)
def test_an_answer_whose_tokens_are_not_said_makes_the_money_unknown(said: object) -> None:
    usage = Usage(price_in=1.0, price_out=1.0)
    usage.bill({"prompt_tokens": 5, "completion_tokens": 5})
    assert usage.money == pytest.approx(1e-5)
    usage.bill(said)
    assert (usage.money, usage.unmetered) == (None, 1)
    assert (usage.prompt_tokens, usage.completion_tokens) == (5, 5)


def test_what_came_since_is_a_difference_in_everything() -> None:
    usage = Usage(requests=3, cached=1, price_in=1.0, price_out=1.0)
    usage.failures["no JSON"] += 1
    usage.bill(None)
    before = usage.copy()
    usage.bill({"prompt_tokens": 500_000, "completion_tokens": 500_000})
    usage.requests += 2
    usage.failures.update(["no JSON", "time-out"])
    since = usage.since(before)
    assert (since.requests, since.cached, since.prompt_tokens) == (2, 0, 500_000)
    assert since.failures == {"no JSON": 1, "time-out": 1}
    assert (usage.money, since.money) == (None, 1.0)


def test_a_meter_hears_of_every_call_in_its_block_and_of_no_other() -> None:
    with serving(lambda body: completion("x")) as served:
        first, second = model_at(served, **PRICED), model_at(served, model="other")
        ask(first, "before")
        with metered() as meter:
            ask(first, "a", "b")
            ask(second, "a")
            ask(first, "c")
        ask(first, "after")
    priced, other = meter.spent()
    assert (priced.model, priced.server, priced.requests) == ("m", served.url, 3)
    assert (priced.tokens_in, priced.tokens_out) == (33, 21)
    assert priced.money == pytest.approx(3 * EACH)
    assert (other.model, other.requests, other.tokens_out, other.money) == ("other", 1, 7, None)


def test_the_innermost_meter_alone_hears_of_a_call() -> None:
    with serving(lambda body: completion("x")) as served:
        model = model_at(served)
        with metered() as outer:
            with metered() as inner:
                ask(model, "a")
            ask(model, "b", "c")
    assert [meter.spent()[0].requests for meter in (inner, outer)] == [1, 2]


def test_a_meter_hears_of_retries_hits_and_calls_that_fail(tmp_path: Path) -> None:
    down = [False]
    with serving(lambda body: Answer("", 503) if down[0] else completion("x")) as served:
        model = model_at(served, cache=str(tmp_path / "replies.db"), **PRICED)
        ask(model, "a")
        down[0] = True
        with metered() as meter:
            ask(model, "a")
            with pytest.raises(NoAnswerError):
                ask(model, "b")
    (spent,) = meter.spent()
    assert (spent.cached, spent.requests, spent.retries, spent.unanswered) == (1, 2, 1, 1)
    assert (spent.tokens_in, spent.money) == (0, 0.0)


def test_a_block_in_which_nobody_was_asked_has_nothing_to_tell() -> None:
    with metered() as meter:
        pass
    assert meter.spent() == []


def test_the_run_pauses_between_two_calls_once_the_money_is_spent() -> None:
    with serving(lambda body: completion("x")) as served:
        model = model_at(served, **PRICED, max_money=1.5 * EACH)
        ask(model, "a")
        ask(model, "b", "c")
        with pytest.raises(PausedError, match=r"max_money=0\.000138 on model 'm'.*0\.000276 spent"):
            ask(model, "d")
        assert len(served.requests) == 3


def test_a_bound_on_money_that_cannot_be_held_pauses_the_run() -> None:
    with serving(lambda body: completion("x", tokens=None)) as served:
        model = model_at(served, **PRICED, max_money=100.0)
        ask(model, "a")
        with pytest.raises(PausedError, match="answers whose tokens it did not say"):
            ask(model, "b")


@pytest.mark.parametrize(
    "wrong",
    [{"max_money": 1.0}, {"price_in": -1.0}, {"breaker": -1}, {"rest": -1.0}],
)
def test_impossible_prices_and_bounds_are_refused_by_name(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ConfigError, match=rf"judge\.{name}: expected"):
        replace(QUICK, **wrong).check("judge")
