"""Claims about replies kept in a file, against a real HTTP server and real SQLite files."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from selfplay.core.errors import DataError, NoAnswerError, ResourceError
from selfplay.core.models.endpoint import EndpointModel
from selfplay.core.models.endpoint_options import EndpointOptions
from selfplay.core.models.reply_cache import Request
from selfplay.core.seeding import Seed
from selfplay.core.types import Response, Sampling, user
from tests.model_server import Answer, Served, choice, completion, serving

QUICK = EndpointOptions(model="m", retries=1, backoff=0.01, longest_wait=0.05, timeout=5.0)
ONE = Sampling(n=1)


@pytest.fixture
def fresh() -> Iterator[Served]:
    """A server that never says the same twice."""
    number = count()

    def behaviour(body: dict[str, Any]) -> Answer:
        return completion(*[f"{next(number)}" for _ in range(body.get("n", 1))])

    with serving(behaviour) as served:
        yield served


def model_at(served: Served, cache: Path, **options: Any) -> EndpointModel:
    return EndpointModel(replace(QUICK, base_url=served.url, cache=str(cache), **options))


def ask(
    model: EndpointModel, *texts: str, sampling: Sampling = ONE, seed: int = 1
) -> list[tuple[str, ...]]:
    found = model.generate([user(text) for text in texts], sampling, Seed(seed))
    return [tuple(response.text for response in group) for group in found]


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM replies").fetchone()[0])


def test_what_was_asked_before_is_not_asked_again_by_another_process_either(
    fresh: Served, tmp_path: Path
) -> None:
    path = tmp_path / "folder" / "replies.db"
    first = ask(model_at(fresh, path), "a", "b", "a")
    again = model_at(fresh, path)
    assert ask(again, "a", "b", "a") == first
    assert len(set(first)) == len(fresh.requests) == 3
    assert (again.usage.cached, again.usage.requests, again.usage.prompt_tokens) == (3, 0, 0)


def test_a_kept_reply_is_the_same_response_down_to_its_tokens(tmp_path: Path) -> None:
    more = {"token_ids": [5, 9], "logprobs": {"content": [{"logprob": -0.5}, {"logprob": -2}]}}
    odd = choice("a\ud83db", "length", **more)

    def asked(served: Served) -> Response:
        return model_at(served, tmp_path / "replies.db").generate([user("x")], ONE, Seed(1))[0][0]

    with serving(lambda body: completion(odd)) as served:
        first, second = asked(served), asked(served)
        assert len(served.requests) == 1
    assert first.logprobs is not None
    assert second.logprobs is not None
    assert (first.text, first.finish_reason) == (second.text, second.finish_reason)
    assert first.token_ids.tolist() == second.token_ids.tolist() == [5, 9]
    assert first.logprobs.tolist() == second.logprobs.tolist()


CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "model": ({"model": "other"}, {}),
    "further fields": ({"extra": {"response_format": {"type": "json_object"}}}, {}),
    "temperature": ({}, {"sampling": Sampling(n=1, temperature=0.5)}),
    "length": ({}, {"sampling": Sampling(n=1, max_new_tokens=9)}),
    "n": ({}, {"sampling": Sampling(n=2)}),
    "seed": ({}, {"seed": 2}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_request_is_another_entry(change: str, fresh: Served, tmp_path: Path) -> None:
    options, sampled = CHANGES[change]
    path = tmp_path / "replies.db"
    ask(model_at(fresh, path), "a")
    ask(model_at(fresh, path, **options), "a", **sampled)
    assert (len(fresh.requests), rows(path)) == (2, 2)


def test_another_message_and_another_address_are_other_entries() -> None:
    body = {"messages": [{"role": "user", "content": "Rubric A. Judge: x"}]}
    other = {"messages": [{"role": "user", "content": "Rubric B. Judge: x"}]}
    asked = [Request("http://h/v1", body, 1), Request("http://h/v1", other, 1)]
    asked += [Request("http://i/v1", body, 1), Request("http://h/v1", body, 2)]
    assert len({request.key for request in asked}) == 4


def test_equal_chats_draw_differently_though_the_server_is_sent_no_seed(
    fresh: Served, tmp_path: Path
) -> None:
    model = model_at(fresh, tmp_path / "replies.db", extra={"seed": None})
    assert len(set(ask(model, "a", "a", "a"))) == 3
    assert model.usage.cached == 0


def test_the_key_of_the_api_stands_nowhere_in_the_file(
    fresh: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_KEY", "secret-123")
    ask(model_at(fresh, tmp_path / "replies.db", api_key_env="A_KEY"), "a")
    assert fresh.headers[0]["Authorization"] == "Bearer secret-123"
    assert all(b"secret-123" not in file.read_bytes() for file in tmp_path.iterdir())


@pytest.mark.parametrize(
    "answer",
    [
        Answer("too long", 400),
        Answer("{"),
        Answer('{"choices": []}'),
        completion(choice("half", "content_filter")),
        completion("whole", choice("half", "content_filter")),
    ],
)
def test_only_whole_good_answers_are_kept(answer: Answer, tmp_path: Path) -> None:
    path = tmp_path / "replies.db"
    with serving(lambda body: answer if body.get("n") else Answer("no", 400)) as served:
        model = model_at(served, path)
        try:
            assert ask(model, "a", sampling=Sampling(n=2)) == [()]
        except NoAnswerError:
            assert answer.body == "{"
    assert rows(path) == 0


def test_answers_before_a_failure_are_kept_although_the_call_fails(tmp_path: Path) -> None:
    path = tmp_path / "replies.db"

    def behaviour(body: dict[str, Any]) -> Answer:
        good = body["messages"][0]["content"] == "good"
        return completion("fine") if good else Answer("no such model", 404, delay=0.3)

    with serving(behaviour) as served, pytest.raises(RuntimeError, match="no such model"):
        ask(model_at(served, path), "good", "bad")
    assert rows(path) == 1


def test_a_dead_server_does_not_matter_to_what_is_kept(tmp_path: Path) -> None:
    down = [False]
    with serving(lambda body: Answer("down", 503) if down[0] else completion("fine")) as served:
        ask(model_at(served, tmp_path / "replies.db"), "a")
        down[0] = True
        model = model_at(served, tmp_path / "replies.db", breaker=1)
        assert ask(model, "a", "b") == [("fine",), ()]
        assert ask(model, "a", "b") == [("fine",), ()]


WRITE = """
import sys
from pathlib import Path
from selfplay.core.models.reply_cache import Request, open_cache
for i in range(60):
    with open_cache(sys.argv[1]) as cache:
        cache.put(Request("all", {}, i), {"i": i})
        cache.put(Request(sys.argv[2], {}, i), {"i": i})
        assert cache.get(Request("all", {}, i)) == {"i": i}
"""


def test_several_processes_may_share_a_file_and_make_it_at_once(tmp_path: Path) -> None:
    path = tmp_path / "replies.db"
    command = [sys.executable, "-c", WRITE, str(path)]
    writers = [
        subprocess.Popen([*command, str(k)], stderr=subprocess.PIPE, text=True) for k in range(4)
    ]
    errors = [writer.communicate()[1] for writer in writers]
    assert ([w.returncode for w in writers], errors) == ([0] * 4, [""] * 4)
    assert rows(path) == 60 * 5


DIE = """
import os, signal, sys
from selfplay.core.models.reply_cache import Request, open_cache
with open_cache(sys.argv[1]) as cache:
    for i in range(50):
        cache.put(Request("all", {}, i), {"i": i})
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_leaves_every_reply_that_it_put(tmp_path: Path) -> None:
    path = tmp_path / "replies.db"
    done = subprocess.run([sys.executable, "-c", DIE, str(path)], check=False)
    assert done.returncode == -9
    assert rows(path) == 50


def test_a_file_of_another_kind_is_refused_before_anything_is_asked_and_left_as_it_is(
    fresh: Served, tmp_path: Path
) -> None:
    text, other = tmp_path / "notes.txt", tmp_path / "other.db"
    text.write_text("not a database " * 100, encoding="utf-8")
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE mine (x)")
    before = other.read_bytes()
    with pytest.raises(DataError, match=r"notes\.txt: expected a cache of replies.*Delete the fil"):
        model_at(fresh, text)
    with pytest.raises(DataError, match=r"other\.db: .* found another database"):
        model_at(fresh, other)
    assert text.read_text(encoding="utf-8").startswith("not a database")
    assert other.read_bytes() == before
    assert fresh.requests == []


def test_a_damaged_file_is_said_by_name_and_nothing_is_made_of_it(
    fresh: Served, tmp_path: Path
) -> None:
    path = tmp_path / "replies.db"
    texts = [str(i) for i in range(200)]
    ask(model_at(fresh, path), *texts)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\x5a" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"replies\.db: .*Delete the file with its -wal and -shm"):
        ask(model_at(fresh, path), *texts)


def test_a_reply_that_is_no_json_is_damage_and_no_answer(fresh: Served, tmp_path: Path) -> None:
    path = tmp_path / "replies.db"
    ask(model_at(fresh, path), "a")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE replies SET reply = '{'")
        connection.commit()
    with pytest.raises(DataError, match="a reply that is no JSON"):
        ask(model_at(fresh, path), "a")


def test_a_path_that_cannot_be_written_is_refused_at_once(fresh: Served, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ResourceError, match="choose another path in `cache`"):
        model_at(fresh, tmp_path / "file" / "replies.db")
    with pytest.raises(ResourceError, match="choose another path in `cache`"):
        model_at(fresh, tmp_path)
