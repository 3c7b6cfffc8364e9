"""Claims about the HTTP client: what cannot work, what is too large, and what must not get out."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
import ssl
import subprocess
import sys
import zlib
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from selfplay.core.errors import ConfigError, EndpointError, NoAnswerError
from selfplay.core.models.endpoint import EndpointModel
from selfplay.core.models.endpoint_options import EndpointOptions
from selfplay.core.seeding import Seed
from selfplay.core.types import Response, Sampling, user
from tests.model_server import Answer, Served, choice, completion, serving

QUICK = EndpointOptions(model="m", retries=1, backoff=0.01, longest_wait=0.05, timeout=30.0)
ONE = Sampling(n=1)
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)


def model_at(served: Served, **options: Any) -> EndpointModel:
    return EndpointModel(replace(QUICK, base_url=served.url, **options))


def ask(model: EndpointModel, *texts: str) -> list[tuple[Response, ...]]:
    return model.generate([user(text) for text in texts or ("hi",)], ONE, Seed(1))


ODD_ADDRESSES = [
    "http://host:99999/v1",
    "http://host:0/v1",
    "http://host:abc/v1",
    "http://[::1/v1",
    "http://ho\x01st/v1",
    "http://xn--zzzz\u2603/v1",
    "http://host/" + "a" * 70_000,
]


@pytest.mark.parametrize("address", ODD_ADDRESSES, ids=range(len(ODD_ADDRESSES)))
def test_an_address_that_cannot_be_asked_is_refused_by_name(address: str) -> None:
    with pytest.raises(ConfigError, match="base_url: expected an address"):
        EndpointModel(replace(QUICK, base_url=address))


@pytest.mark.parametrize("address", ODD_ADDRESSES[:4])
def test_a_configuration_with_such_an_address_is_refused_before_a_client_is_made(
    address: str,
) -> None:
    with pytest.raises(ConfigError, match=r"judge\.model\.base_url: expected an address"):
        replace(QUICK, base_url=address).check("judge.model")


@pytest.mark.parametrize("address", ["http://a..b/v1", "http://" + "a" * 70 + ".test/v1"])
def test_a_host_that_no_name_can_be_is_an_error_of_ours(address: str) -> None:
    with pytest.raises(EndpointError, match="/chat/completions: expected"):
        ask(EndpointModel(replace(QUICK, base_url=address)))


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "ftp://127.0.0.1", "://"])
@pytest.mark.parametrize("name", ["all_proxy", "http_proxy"])
def test_a_proxy_that_cannot_be_used_is_refused_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, proxy: str
) -> None:
    monkeypatch.setenv(name, proxy)
    with pytest.raises(ConfigError, match=f"Look at .*{name}.*no_proxy"):
        EndpointModel(QUICK)


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:99999", "http://[x", "http://us\u201cer:p@h"])
def test_a_proxy_that_proves_unusable_when_it_is_asked_is_an_error_of_ours(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises((ConfigError, EndpointError)):
        ask(EndpointModel(replace(QUICK, base_url="http://elsewhere.test/v1")))


def test_a_file_of_certificates_that_is_not_there_is_refused_by_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    with pytest.raises(ConfigError, match="SSL_CERT_FILE"):
        EndpointModel(replace(QUICK, base_url="https://host/v1"))
    EndpointModel(QUICK)


@pytest.mark.parametrize("key", ["\u201csk-123456789\u201d", "sk-1234\n56789", "sk-1234 56789é"])
def test_a_key_that_no_header_can_hold_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("A_KEY", key)
    with pytest.raises(ConfigError, match=r"variable A_KEY, found the character U\+") as caught:
        EndpointModel(replace(QUICK, api_key_env="A_KEY"))
    assert "sk-" not in str(caught.value)


@pytest.mark.parametrize("odd", [{"a": {1, 2}}, {"a": float("nan")}])
def test_fields_that_json_cannot_hold_are_refused(odd: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"judge\.extra: expected fields that JSON can hold"):
        replace(QUICK, extra=odd).check("judge")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("a certificate is made with openssl, which is not installed")
    folder = tmp_path_factory.mktemp("tls")
    public, private = folder / "public.pem", folder / "private.pem"
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    named = "-subj /CN=test -addext subjectAltName=IP:127.0.0.1"
    command = [*made.split(), *named.split(), "-keyout", str(private), "-out", str(public)]
    subprocess.run(command, check=True, capture_output=True)
    return public, private


def serving_tls(certificate: tuple[Path, Path]) -> Any:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return serving(lambda body: completion("fine"), context)


def test_a_certificate_that_is_not_trusted_ends_it_at_once_and_says_what_to_do(
    certificate: tuple[Path, Path],
) -> None:
    with serving_tls(certificate) as served:
        model = model_at(served)
        with pytest.raises(EndpointError, match=r"(?i)self.signed certificate.*SSL_CERT_FILE"):
            ask(model)
    assert model.usage.requests == 1


def test_a_certificate_that_is_named_is_trusted(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with serving_tls(certificate) as served:
        assert ask(model_at(served))[0][0].text == "fine"


def test_a_server_without_tls_ends_it_at_once_where_tls_is_asked_for() -> None:
    with serving(lambda body: completion("fine")) as served:
        address = served.url.replace("http://", "https://")
        with pytest.raises(EndpointError, match="seems to speak http://"):
            ask(EndpointModel(replace(QUICK, base_url=address)))


MEASURED = """
import resource, sys
from selfplay.core.models.endpoint import EndpointModel
from selfplay.core.models.endpoint_options import EndpointOptions
from selfplay.core.seeding import Seed
from selfplay.core.types import Sampling, user
model = EndpointModel(EndpointOptions(model="m", base_url=sys.argv[1], retries=0))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(model.generate([user("hi")], Sampling(n=1), Seed(1)), dict(model.usage.failures))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


def zipped(mebibytes: int) -> bytes:
    """A gzip body of so many mebibytes of zeros, without the checksum behind them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    return head + (packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)) * mebibytes


def test_a_small_body_that_unpacks_to_gigabytes_is_not_unpacked() -> None:
    bomb = Answer(zipped(2048), headers={"Content-Encoding": "gzip"})
    with serving(lambda body: bomb) as served:
        command = [sys.executable, "-c", MEASURED, served.url]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    answered, mebibytes = done.stdout.splitlines()
    assert answered == "[()] {'reply too large': 1}"
    assert int(mebibytes) < 200


def test_a_reply_is_bounded_by_its_size_and_its_words_say_by_what() -> None:
    large = completion(choice("a" * (2 << 20)))
    with serving(lambda body: large) as served:
        assert ask(model_at(served))[0][0].text.startswith("aaa")
        model = model_at(served, max_reply_mib=1)
        assert ask(model) == [()]
    assert model.usage.failures == {"reply too large": 1}
    assert model.usage.retries == 0


def test_zipped_replies_are_read() -> None:
    body = completion("fine").body
    assert isinstance(body, str)
    packed = Answer(gzip.compress(body.encode()), headers={"Content-Encoding": "gzip"})
    with serving(lambda _: packed) as served:
        assert ask(model_at(served))[0][0].text == "fine"
    assert served.headers[0]["Accept-Encoding"] == "gzip"


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "no such"])
def test_an_encoding_that_was_not_asked_for_is_no_answer(encoding: str) -> None:
    odd = Answer("x", headers={"Content-Encoding": encoding})
    with (
        serving(lambda body: odd) as served,
        pytest.raises(NoAnswerError, match=f"a body in the encoding '{encoding}'"),
    ):
        ask(model_at(served))


@pytest.mark.parametrize("charset", ["iso-8859-1", "utf-8", "no-such"])
def test_a_body_in_latin_letters_is_read_as_it_says_it_is(charset: str) -> None:
    content = json.dumps(json.loads(str(completion("fin\u00e9").body)), ensure_ascii=False)
    headers = {"Content-Type": f"application/json; charset={charset}"}
    answer = Answer(content.encode("latin-1"), headers=headers)
    with serving(lambda body: answer) as served:
        text = ask(model_at(served))[0][0].text
    assert text == ("fin\u00e9" if charset == "iso-8859-1" else "fin\ufffd")


SECRET = "sk-SECRET/0123456789"
ECHOES = {
    "answer": completion(f"Bearer {SECRET}!"),
    "escaped": Answer(str(completion("K!").body).replace("K", SECRET.replace("/", "\\/"))),
    "refusal": completion(choice(None)),
    "filtered": completion(choice(SECRET, SECRET)),
    "name": Answer(json.dumps({SECRET: SECRET, **json.loads(str(completion("x").body))})),
    "400": Answer(f"bad key {SECRET}", 400),
    "body": Answer(json.dumps({"error": {"message": SECRET, "code": 400}})),
    "503": Answer("x" * 295 + SECRET, 503),
    "no choices": Answer(json.dumps({"detail": SECRET})),
    "401": Answer(json.dumps({"error": SECRET}), 401),
    "301": Answer("", 301, {"Location": f"/v2?key={SECRET}"}),
}


@pytest.mark.parametrize("name", ECHOES)
def test_a_key_that_a_server_repeats_is_in_no_answer_message_count_or_cache(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("A_KEY", SECRET)
    cache = tmp_path / "replies.db"
    said = ""
    with serving(lambda body: ECHOES[name]) as served:
        model = model_at(served, api_key_env="A_KEY", cache=str(cache))
        try:
            said += "".join(response.text for group in ask(model) for response in group)
        except EndpointError as error:
            said += str(error)
    assert served.headers[0]["Authorization"] == f"Bearer {SECRET}"
    with closing(sqlite3.connect(cache)) as connection:
        said += "".join(row[0] for row in connection.execute("SELECT reply FROM replies"))
    assert "SECRET" not in f"{said}{model.usage}"
    if name in ("answer", "escaped"):
        assert "[key]!" in said


def test_a_word_that_serves_as_a_key_may_stand_in_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "EMPTY")
    with serving(lambda body: completion("the set is EMPTY")) as served:
        assert ask(model_at(served, api_key_env="A_KEY"))[0][0].text == "the set is EMPTY"
