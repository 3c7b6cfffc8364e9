"""The page that follows a live run."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlencode

import pytest

from selfplay.core.errors import ResourceError
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER
from selfplay.report import ReportOptions, report_server
from selfplay.report.serving import ReportServer
from tests.selfplay.report.report_runs import FIGS, PEARS, play, write_run


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ReportServer]:
    directory = write_run(tmp_path / "run", "rounds=9")
    with report_server(directory, 0, ReportOptions(embedder=None)) as made:
        thread = Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def ask(server: ReportServer, path: str, host: str | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    try:
        connection.request("GET", path, headers={"Host": host} if host else {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def data(server: ReportServer, have: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ask(server, f"/data.json?{urlencode(have)}")[1])
    return found


def test_what_a_page_has_is_not_sent_again(server: ReportServer) -> None:
    first = data(server, {})
    assert set(first["sections"]) == set(first["marks"])
    assert data(server, first["marks"])["sections"] == {}


def test_a_round_that_is_played_meanwhile_is_seen(server: ReportServer) -> None:
    have = data(server, {})["marks"]
    server.follower.heavy_seconds = 0.0
    with Ledger.open(server.follower.directory / LEDGER) as ledger:
        play(ledger, 4, (FIGS, PEARS))
    newer = data(server, have)["sections"]
    assert newer["narrative"]["standing"]["round"] == 4
    assert {"narrative", "curves", "frontier", "prompts", "spending"} <= set(newer)
    assert "configuration" not in newer


def test_the_page_asks_its_server_alone(server: ReportServer) -> None:
    status, page = ask(server, "/")
    assert status == 200
    assert "connect-src 'self'" in page
    assert 'data-follow="5"' in page


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", ""])
def test_another_host_name_is_refused(server: ReportServer, host: str) -> None:
    assert ask(server, "/", host or "[::1]:1")[0] == 403


def test_nothing_else_is_served(server: ReportServer) -> None:
    assert ask(server, "/../ledger.db")[0] == 404


def test_a_port_that_is_taken_says_so(server: ReportServer) -> None:
    with pytest.raises(ResourceError, match="give another --port"):
        report_server(server.follower.directory, server.server_port)
