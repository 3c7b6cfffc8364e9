"""Claims about the text model behind a server, each against a real HTTP server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from selfplay.core.errors import ConfigError, EndpointError, ModelError
from selfplay.core.models.completions import UNKNOWN
from selfplay.core.models.endpoint import EndpointModel
from selfplay.core.models.endpoint_options import EndpointOptions
from selfplay.core.seeding import Seed
from selfplay.core.text import TextModel
from selfplay.core.types import Message, Response, Sampling, user
from tests.model_server import Answer, Behaviour, Served, choice, completion, serving

ONE = Sampling(n=1)
QUICK = EndpointOptions(model="m", retries=2, backoff=0.01, longest_wait=0.05, timeout=5.0)


def echo(body: dict[str, Any]) -> Answer:
    """As many choices as asked for, which say what was asked and with which seed."""
    text = f"{body['messages'][-1]['content']}/{body.get('seed')}"
    return completion(*[f"{text}/{i}" for i in range(body.get("n", 1))])


def one_after_the_other(answers: Sequence[Answer]) -> Behaviour:
    """The answers in turn; the last one for ever."""
    left = list(answers)
    return lambda body: left.pop(0) if len(left) > 1 else left[0]


def model_at(served: Served, **options: Any) -> EndpointModel:
    return EndpointModel(replace(QUICK, base_url=served.url, **options))


def ask(model: TextModel, sampling: Sampling = ONE, *texts: str) -> list[tuple[Response, ...]]:
    return model.generate([user(text) for text in texts or ("hi",)], sampling, Seed(1))


def test_chats_are_answered_in_their_order_with_lengths_as_billed() -> None:
    with serving(echo) as served:
        model = model_at(served)
        answered = ask(model, ONE, "a", "b", "c")
    assert [group[0].text.split("/")[0] for group in answered] == ["a", "b", "c"]
    assert {group[0].finish_reason for group in answered} == {"stop"}
    assert [group[0].token_ids.tolist() for group in answered] == [[UNKNOWN] * 7] * 3
    assert (model.usage.requests, model.usage.retries) == (3, 0)
    assert (model.usage.prompt_tokens, model.usage.completion_tokens) == (33, 21)


def test_the_request_says_what_the_sampling_says_and_nothing_that_changes_nothing() -> None:
    with serving(echo) as served:
        model = model_at(served, extra={"stop": "x", "seed": None})
        chat = (Message("system", "s"), Message("user", "u"))
        model.generate([chat], Sampling(n=1, max_new_tokens=5), Seed(1))
        plain = dict(served.requests[0])
        sampling = Sampling(n=2, temperature=0.5, top_p=0.9, top_k=3, max_new_tokens=5)
        ask(model_at(served, token_limit="max_completion_tokens"), sampling)
        full = dict(served.requests[-1])
    assert plain == {
        "path": "/v1/chat/completions",
        "model": "m",
        "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}],
        "max_tokens": 5,
        "temperature": 1.0,
        "stop": "x",
    }
    assert full.pop("seed") >= 0
    assert full == {
        "path": "/v1/chat/completions",
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "n": 2,
        "max_completion_tokens": 5,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 3,
    }


def test_the_result_follows_from_the_seed_and_equal_chats_draw_differently() -> None:
    with serving(echo) as served:
        texts = [[r.text for group in ask(model_at(served), ONE, "a", "a", "b") for r in group]]
        texts += [[r.text for group in ask(model_at(served), ONE, "b", "a", "a") for r in group]]
        other = model_at(served).generate([user("b")], ONE, Seed(2))[0][0].text
    assert sorted(texts[0]) == sorted(texts[1])
    assert len(set(texts[0])) == 3
    assert other not in texts[0]


def test_n_samples_come_in_one_request_where_the_server_can() -> None:
    with serving(echo) as served:
        (group,) = ask(model_at(served), Sampling(n=3))
    assert len({response.text for response in group}) == 3
    assert len(served.requests) == 1


def test_n_samples_come_one_by_one_where_the_server_ignores_n() -> None:
    with serving(lambda body: echo({**body, "n": 1})) as served:
        (group,) = ask(model_at(served), Sampling(n=3))
    assert len({response.text for response in group}) == 3
    assert [request.get("n") for request in served.requests] == [3, None, None]


def test_n_samples_come_one_by_one_where_the_server_refuses_n() -> None:
    with serving(lambda body: Answer("n?", 400) if "n" in body else echo(body)) as served:
        (group,) = ask(model_at(served), Sampling(n=3))
    assert len({response.text for response in group}) == 3


def test_more_choices_than_asked_for_are_cut() -> None:
    with serving(lambda body: completion("a", "b", "c")) as served:
        assert len(ask(model_at(served), Sampling(n=2))[0]) == 2


TROUBLES = [
    Answer("slow down", 429),
    Answer("oops", 500),
    Answer("{"),
    Answer("[" * 100_000),
    Answer("plain", headers={"Content-Encoding": "gzip"}),
]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_passing_trouble_is_sat_out(trouble: Answer) -> None:
    with serving(one_after_the_other([trouble, trouble, completion("fine")])) as served:
        model = model_at(served)
        assert ask(model)[0][0].text == "fine"
    assert (model.usage.requests, model.usage.retries, model.usage.failures) == (3, 2, {})
    assert len({json.dumps(request) for request in served.requests}) == 1


def test_a_wait_that_the_server_asks_for_is_kept() -> None:
    busy = Answer("", 429, {"Retry-After": "0.4"})
    with serving(one_after_the_other([busy, completion("fine")])) as served:
        start = time.monotonic()
        ask(model_at(served, longest_wait=10.0))
    assert time.monotonic() - start >= 0.4


def test_a_server_that_keeps_failing_is_an_error_that_names_it() -> None:
    with serving(lambda body: Answer("out of memory", 503)) as served:
        expected = rf"{served.url}.*none to 1 chats in up to 3 attempts.*status 503: out of memory"
        with pytest.raises(EndpointError, match=expected):
            ask(model_at(served))
    assert len(served.requests) == 3


def test_a_server_that_hangs_runs_into_the_deadline() -> None:
    with serving(lambda body: Answer("{}", delay=30.0)) as served:
        start = time.monotonic()
        with pytest.raises(EndpointError, match=r"no answer within 0\.2 s"):
            ask(model_at(served, timeout=0.2, retries=1))
    assert time.monotonic() - start < 25.0


def test_a_server_that_is_not_there_is_an_error_that_names_it() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        options = replace(QUICK, base_url=f"http://127.0.0.1:{free.getsockname()[1]}/v1")
    with pytest.raises(EndpointError, match="Check that the server runs"):
        ask(EndpointModel(options))


def test_one_chat_that_fails_leaves_the_others_their_answers() -> None:
    troubles = {"long": Answer("too long", 400), "bad": Answer("oops", 500), "odd": Answer("[]")}

    def behaviour(body: dict[str, Any]) -> Answer:
        return troubles.get(body["messages"][-1]["content"]) or echo(body)

    with serving(behaviour) as served:
        model = model_at(served)
        lengths = [len(group) for group in ask(model, ONE, "a", "long", "bad", "b", "odd")]
    assert lengths == [1, 0, 0, 1, 0]
    assert model.usage.failures == {"status 400": 1, "status 500": 1, "no JSON": 1}


def test_a_chat_that_the_server_turns_down_is_no_error_even_when_it_is_the_only_one() -> None:
    with serving(lambda body: Answer("too long", 400)) as served:
        assert ask(model_at(served)) == [()]
    assert len(served.requests) == 1


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_no_other_request_would_escape_ends_it_at_once(status: int) -> None:
    with (
        serving(lambda body: Answer("no", status)) as served,
        pytest.raises(EndpointError, match=f"status {status}: no. Check base_url"),
    ):
        ask(model_at(served))
    assert len(served.requests) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer('{"detail": "quota"}'), "no choices"),
        (Answer('{"choices": null}'), "no choices"),
        (Answer('{"choices": []}'), "no choices"),
        (Answer('{"choices": [1]}'), "no usable choice"),
        (Answer('{"choices": [{"finish_reason": "stop"}]}'), "no usable choice"),
        (completion(choice("half a sen", "content_filter")), "no usable choice"),
        (completion({"finish_reason": "stop", "message": {"content": 3}}), "no usable choice"),
        (completion({"finish_reason": ["stop"], "message": {"content": "a"}}), "no usable choice"),
    ],
)
def test_what_is_off_contract_is_missing_with_a_reason(answer: Answer, reason: str) -> None:
    with serving(lambda body: answer) as served:
        model = model_at(served)
        assert ask(model) == [()]
    assert model.usage.failures == {reason: 1}


def test_a_cut_text_says_so_and_nothing_is_an_empty_text() -> None:
    with serving(lambda body: completion(choice("ab", "length"), choice(None))) as served:
        cut, empty = ask(model_at(served), Sampling(n=2))[0]
    assert (cut.text, cut.finish_reason) == ("ab", "length")
    assert (empty.text, empty.finish_reason) == ("", "stop")


def test_half_a_character_is_neither_refused_nor_let_in() -> None:
    with serving(lambda body: completion("a\ud83db")) as served:
        assert ask(model_at(served), ONE, "what is \ud83d?")[0][0].text == "a?b"


def test_a_refusal_field_is_the_text() -> None:
    refusing = choice(None)
    refusing["message"]["refusal"] = "I'm sorry."
    with serving(lambda body: completion(refusing)) as served:
        assert ask(model_at(served))[0][0].text == "I'm sorry."


def test_token_ids_and_logprobs_are_kept_when_given() -> None:
    more = {"token_ids": [5, 9], "logprobs": {"content": [{"logprob": -0.5}, {"logprob": -2}]}}
    with serving(lambda body: completion(choice("ab", **more))) as served:
        (response,) = ask(model_at(served, logprobs=True))[0]
        assert served.requests[-1]["logprobs"] is True
        assert response.token_ids.tolist() == [5, 9]
        assert response.logprobs is not None
        assert response.logprobs.tolist() == [-0.5, -2.0]
        ask(model_at(served, logprobs=True), Sampling(n=1, temperature=0.7))
        assert "logprobs" not in served.requests[-1]


def test_lengths_of_several_samples_add_up_to_what_was_billed() -> None:
    with serving(lambda body: completion("a" * 30, "b" * 10, tokens=8)) as served:
        assert [r.length for r in ask(model_at(served), Sampling(n=2))[0]] == [6, 2]
    with serving(lambda body: completion("añ", tokens=None)) as served:
        assert ask(model_at(served))[0][0].length == 3


@pytest.mark.parametrize("tokens", [10**400, 10**12, -5, 2.5, True, "7"])
def test_a_server_that_cannot_count_has_its_tokens_counted_from_the_texts(tokens: Any) -> None:
    with serving(lambda body: completion("añ", tokens=tokens)) as served:
        model = model_at(served)
        assert ask(model)[0][0].length == 3
    assert (model.usage.unmetered, model.usage.completion_tokens) == (1, 0)


@pytest.mark.parametrize("number", [10**400, 2**40, float("nan"), float("-inf")])
def test_token_ids_and_logprobs_that_are_none_are_not_kept(number: Any) -> None:
    logprobs = {"content": [{"logprob": number}] * 7}
    more: dict[str, Any] = {"token_ids": [5, number], "logprobs": logprobs}
    with serving(lambda body: completion(choice("ab", **more))) as served:
        (response,) = ask(model_at(served, logprobs=True))[0]
    assert response.token_ids.tolist() == [UNKNOWN] * 7
    assert response.logprobs is None


def test_no_more_requests_are_under_way_than_allowed() -> None:
    with serving(lambda body: replace(echo(body), delay=0.02)) as served:
        ask(model_at(served, concurrency=3), ONE, *map(str, range(12)))
    assert served.busiest == 3


def test_the_key_comes_from_the_environment_and_goes_nowhere_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("A_KEY", " secret-123 \n")
    with serving(lambda body: Answer("Incorrect API key: secret-123", 401)) as served:
        model = model_at(served, api_key_env="A_KEY")
        with pytest.raises(EndpointError, match=r"Incorrect API key: \[key\].*A_KEY") as caught:
            ask(model)
    assert served.headers[0]["Authorization"] == "Bearer secret-123"
    assert "secret-123" not in f"{caught.value}{model.name}{model!r}{model.usage}"


def test_a_key_that_is_not_set_is_said_before_anything_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("A_KEY", raising=False)
    with pytest.raises(ConfigError, match="environment variable A_KEY, which is not set"):
        EndpointModel(replace(QUICK, api_key_env="A_KEY"))


def test_scoring_and_loading_are_refused(tmp_path: Path) -> None:
    model = EndpointModel(QUICK)
    with pytest.raises(ModelError, match="scores given texts"):
        model.logprobs([], [])
    with pytest.raises(ModelError, match="weights can be replaced"):
        model.load(tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": ""},
        {"base_url": "localhost:8000"},
        {"base_url": "http://user:pass@host/v1"},
        {"concurrency": 0},
        {"retries": -1},
        {"timeout": 0.0},
        {"backoff": -1.0},
    ],
)
def test_impossible_options_are_refused_by_name(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ConfigError, match=rf"rewriter\.{name}: expected"):
        replace(QUICK, **wrong).check("rewriter")


def test_the_options_import_no_array_library_and_no_http_client() -> None:
    code = (
        "import sys, selfplay.core.models.endpoint_options\n"
        "assert not {'numpy', 'torch', 'httpx2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


needs_serving = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("fastapi", "uvicorn", "openai")),
    reason="a real model server needs transformers[serving]",
)


@pytest.fixture
def real_server(tiny_model_dir: Path) -> Iterator[str]:
    """The base URL of `transformers serve` with a tiny random model."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(tiny_model_dir)]
    process = subprocess.Popen(
        [*command, "--device", "cpu", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
    )
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/health"), process)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except URLError:
        return False


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    while not ready():
        assert process.poll() is None, "the server ended"
        time.sleep(0.1)


@needs_serving
def test_a_real_server_answers_with_as_many_samples_and_tokens_as_asked(
    real_server: str, tiny_model_dir: Path
) -> None:
    options = EndpointOptions(model=str(tiny_model_dir), base_url=real_server, concurrency=2)
    model = EndpointModel(options)
    groups = ask(model, Sampling(n=2, max_new_tokens=6), "1+1", "2+2")
    assert [len(group) for group in groups] == [2, 2]
    assert {r.finish_reason for group in groups for r in group} <= {"stop", "length"}
    lengths = [r.length for group in groups for r in group]
    assert sum(lengths) == model.usage.completion_tokens
    assert all(1 <= length <= 6 for length in lengths)
