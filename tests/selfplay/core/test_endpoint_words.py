"""Claims about what a server says and which words it takes, each against a real HTTP server."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, formatdate
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from meta.judges.llm.asking import Asked
from selfplay.core.components import Choice
from selfplay.core.errors import EndpointError, NoAnswerError
from selfplay.core.models.endpoint import EndpointModel
from selfplay.core.models.endpoint_options import EndpointOptions
from selfplay.core.models.failure import Failure
from selfplay.core.models.http_replies import Secret, outcome_of
from selfplay.core.models.transport import Reply
from selfplay.core.notices import heard_by
from selfplay.core.seeding import Seed
from selfplay.core.types import Response, Sampling, user
from tests.model_server import Answer, Served, choice, completion, serving

QUICK = EndpointOptions(model="m", retries=3, backoff=0.01, longest_wait=0.05, timeout=5.0)
ONE = Sampling(n=1)
FORM = {"type": "json_schema", "json_schema": {"name": "v", "schema": {"type": "object"}}}
OBJECT = {"type": "json_object"}
USE_OTHER = Answer(
    json.dumps(
        {"error": {"message": "'max_tokens' is not supported. Use 'max_completion_tokens'"}}
    ),
    400,
)
FINE = completion("fine")


def model_at(served: Served, **options: Any) -> EndpointModel:
    return EndpointModel(replace(QUICK, base_url=served.url, **options))


def ask(model: EndpointModel, *texts: str) -> list[tuple[Response, ...]]:
    return model.generate([user(text) for text in texts or ("hi",)], ONE, Seed(1))


def forms(served: Served) -> list[Any]:
    return [request.get("response_format") for request in served.requests]


def error(message: str, **more: Any) -> str:
    return json.dumps({"error": {"message": message, **more}})


def test_a_server_that_asks_for_the_limits_other_name_is_asked_so_and_it_is_told_once() -> None:
    heard: list[str] = []
    with serving(lambda body: USE_OTHER if "max_tokens" in body else FINE) as served:
        model = model_at(served, concurrency=8)
        with heard_by(heard.append):
            assert all(ask(model, *"abcdefgh"))
            asked = len(served.requests)
            assert all(ask(model, *"ijkl"))
    assert model.usage.failures == {}
    assert not any("max_tokens" in request for request in served.requests[asked:])
    assert len(served.requests) == asked + 4
    assert [line for line in heard if "wants max_completion_tokens" in line] == heard


@pytest.mark.parametrize("last", [USE_OTHER, Answer(error("no schemas"), 400)])
def test_a_request_refused_in_words_that_were_replaced_meanwhile_is_asked_in_the_new_ones(
    last: Answer,
) -> None:
    """And in others, where the new ones are refused for something else."""
    found_out = Event()

    def behave(body: dict[str, Any]) -> Answer:
        if "max_tokens" not in body:
            found_out.set()
            return last if last is not USE_OTHER and "response_format" in body else FINE
        if "late" in str(body["messages"]):
            found_out.wait(30.0)
        return USE_OTHER

    with serving(behave) as served:
        model = model_at(served, concurrency=2, timeout=60.0).replying_as(FORM)
        assert [len(found) for found in ask(model, "early", "late")] == [1, 1]
    assert model.usage.failures == {}
    assert model.usage.retries == 0


def test_passing_trouble_in_new_words_is_waited_for_and_the_words_are_found_then() -> None:
    busy = [Answer("busy", 429, {"Retry-After": "0.01"}), Answer("", 503)]

    def behave(body: dict[str, Any]) -> Answer:
        if "max_tokens" in body:
            return USE_OTHER
        return busy.pop(0) if busy else FINE

    with serving(behave) as served:
        model = model_at(served)
        assert ask(model)[0][0].text == "fine"
        asked = len(served.requests)
        assert ask(model, "b")[0]
    assert ["max_tokens" in request for request in served.requests[:asked]] == [True, False] * 3
    assert len(served.requests) == asked + 1
    assert model.usage.retries == 2


def test_a_busy_server_is_not_asked_at_once_in_words_that_were_found_meanwhile() -> None:
    found_out = Event()

    def behave(body: dict[str, Any]) -> Answer:
        if "max_tokens" not in body:
            found_out.set()
            return FINE
        if "late" not in str(body["messages"]):
            return USE_OTHER
        found_out.wait(30.0)
        return Answer("busy", 429)

    with serving(behave) as served:
        model = model_at(served, concurrency=2, timeout=60.0)
        assert all(ask(model, "early", "late"))
    assert model.usage.retries == 1, "after the wait that a busy server is given"


def refusing_schemas(status: int, objects: bool) -> Any:
    def behave(body: dict[str, Any]) -> Answer:
        form = body.get("response_format")
        if form == FORM or (form and not objects):
            return Answer(error("no grammar here"), status)
        return FINE

    return behave


@pytest.mark.parametrize("status", [400, 500])
@pytest.mark.parametrize("objects", [True, False])
def test_a_server_that_refuses_schemas_is_asked_for_an_object_then_without_a_form(
    status: int, objects: bool
) -> None:
    heard: list[str] = []
    with serving(refusing_schemas(status, objects)) as served:
        model = model_at(served, concurrency=4).replying_as(FORM)
        with heard_by(heard.append):
            assert all(ask(model, *"abcd"))
            asked = len(served.requests)
            assert all(ask(model, *"efgh"))
    assert forms(served)[asked:] == [OBJECT if objects else None] * 4
    assert asked <= 4 + 4 + 4, "one request finds out, the others ask once more"
    (line,) = heard
    assert "refuses replies in the form of a JSON schema" in line
    assert "no grammar here" in line
    assert model.usage.retries == 0


def test_a_server_error_in_passing_is_not_taken_for_a_refusal_of_schemas() -> None:
    left = [500]

    def behave(body: dict[str, Any]) -> Answer:
        return Answer("oops", left.pop()) if left else FINE

    heard: list[str] = []
    with serving(behave) as served, heard_by(heard.append):
        model = model_at(served).replying_as(FORM)
        assert all(ask(model))
        assert all(ask(model, "b"))
    assert forms(served)[-1] == FORM
    assert heard == []


def test_a_schema_that_was_answered_once_is_asked_for_ever() -> None:
    def behave(body: dict[str, Any]) -> Answer:
        return Answer("too long", 400) if "long" in str(body["messages"]) else FINE

    with serving(behave) as served:
        model = model_at(served).replying_as(FORM)
        assert ask(model, "a")[0]
        assert [len(found) for found in ask(model, "long", "b")] == [0, 1]
    assert forms(served) == [FORM] * 3


def test_both_refusals_of_one_server_are_found_out() -> None:
    def behave(body: dict[str, Any]) -> Answer:
        if "max_tokens" in body:
            return USE_OTHER
        return Answer(error("no schemas"), 400) if "response_format" in body else FINE

    with serving(behave) as served:
        model = model_at(served).replying_as(FORM)
        assert all(ask(model, "a", "b"))
    last = served.requests[-1]
    assert "max_completion_tokens" in last
    assert "response_format" not in last


def test_models_that_share_an_account_find_out_once() -> None:
    with serving(refusing_schemas(500, objects=False)) as served:
        first = model_at(served)
        assert all(ask(first.replying_as(FORM)))
        second = model_at(served).accounting_with(first).replying_as(FORM)
        asked = len(served.requests)
        assert all(ask(second, "b"))
    assert forms(served)[asked:] == [None]


def test_a_reply_in_other_words_is_cached_under_what_was_asked_for(tmp_path: Path) -> None:
    cache = str(tmp_path / "replies.db")
    with serving(refusing_schemas(500, objects=False)) as served:
        ask(model_at(served, cache=cache).replying_as(FORM))
        asked = len(served.requests)
        assert ask(model_at(served, cache=cache).replying_as(FORM))[0][0].text == "fine"
    assert len(served.requests) == asked


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(error("seed is unknown"), 400), "status 400: seed is unknown"),
        (Answer(json.dumps({"detail": "no room"}), 422), "status 422: no room"),
        (Answer(error("overloaded", code=503)), "status 503: overloaded"),
        (Answer(error("odd")), "an error in place of an answer: odd"),
        (completion(choice("ab", "tool_calls")), "no usable choice: finish_reason 'tool_calls'"),
        (Answer('{"detail": "quota"}'), "no choices: {'detail': 'quota'}"),
        (Answer("<html>Sign in"), "no JSON: <html>Sign in"),
    ],
)
def test_a_missing_verdicts_reason_has_the_servers_own_words(answer: Answer, said: str) -> None:
    heard: list[str] = []
    with serving(lambda body: answer) as served, heard_by(heard.append):
        options = replace(QUICK, base_url=served.url)
        asked = Asked(Choice("endpoint", "selfplay.core.models.factories:endpoint", options))
        (reason,) = asked.replies([user("hi")], ONE, Seed(0))
    assert reason == f"no usable reply ({said})"
    assert any(said.split(": ", 1)[1] in line for line in heard)


def test_an_error_body_under_status_200_is_asked_again() -> None:
    answers = [Answer(error("model overloaded", code=503)), Answer(error("?")), FINE]
    with serving(lambda body: answers.pop(0)) as served:
        model = model_at(served)
        assert ask(model)[0][0].text == "fine"
    assert model.usage.retries == 2
    assert model.usage.unmetered == 0


def test_an_error_body_that_no_request_escapes_ends_it_at_once_with_its_words() -> None:
    body = error("The model `judge` does not exist", code=404)
    with (
        serving(lambda _: Answer(body)) as served,
        pytest.raises(EndpointError, match="status 404: The model `judge` does not exist"),
    ):
        ask(model_at(served))
    assert len(served.requests) == 1


@pytest.mark.parametrize(
    ("finish", "meaning"),
    [("eos", "stop"), ("STOP", "stop"), ("end_turn", "stop"), ("MAX_TOKENS", "length")],
)
def test_other_servers_words_for_an_end_mean_the_same(finish: str, meaning: str) -> None:
    with serving(lambda body: completion(choice("ab", finish))) as served:
        assert ask(model_at(served))[0][0].finish_reason == meaning


def waited(headers: Mapping[str, str], clock: float = 1_000_000.0) -> float:
    found = outcome_of(Reply(429, headers, ""), Secret(""), lambda: clock)
    assert isinstance(found, Failure)
    return found.wait


def test_a_wait_may_be_seconds_milliseconds_or_a_date_by_the_servers_own_clock() -> None:
    date, now = formatdate(1_000_030, usegmt=True), formatdate(1_000_010, usegmt=True)
    assert waited({"Retry-After": "4.5"}) == 4.5
    assert waited({"Retry-After-Ms": "1500"}) == 1.5
    assert waited({"Retry-After": date}) == 30.0
    assert waited({"Retry-After": date, "Date": now}) == 20.0
    assert waited({"Retry-After": formatdate(5, usegmt=True)}) == 0.0


@pytest.mark.parametrize("odd", ["-5", "nan", "soon", "", "Wed, 99 Zzz 2026 00:00:00 GMT"])
def test_a_wait_that_says_nothing_is_none(odd: str) -> None:
    assert waited({"Retry-After": odd}) == 0.0


def test_a_wait_until_a_date_is_kept() -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    answers = [Answer("", 429, {"Retry-After": until}), FINE]
    with serving(lambda body: answers.pop(0)) as served:
        start = time.monotonic()
        ask(model_at(served, longest_wait=10.0))
    # Dates have whole seconds, and the server's own is among its headers.
    assert time.monotonic() - start >= 0.5


def test_a_redirect_is_told_with_where_it_points() -> None:
    moved = Answer("", 307, {"Location": "https://elsewhere/v1"})
    with (
        serving(lambda body: moved) as served,
        pytest.raises(EndpointError, match=r"status 307: \(it points to https://elsewhere/v1\)"),
    ):
        ask(model_at(served))


def test_what_is_waited_for_is_told_with_what_holds_it_up() -> None:
    heard: list[str] = []
    with (
        serving(lambda body: Answer("loading the model", 503)) as served,
        heard_by(heard.append, every=0.05),
        pytest.raises(NoAnswerError),
    ):
        ask(model_at(served, retries=4, backoff=0.2, longest_wait=0.2))
    waits = [line for line in heard if line.startswith("waiting for")]
    assert waits
    assert f"model 'm' at {served.url}" in waits[-1]
    assert waits[-1].endswith("0 of 1 answered; the last attempt: status 503: loading the model")
