"""A page that follows a live run, served to this machine alone.

The ledger is opened for reading at each look, so the run is never in the way of its report. The
page asks for newer data every few seconds and says which parts it has; only those that changed are
sent. Prompts and map, which take longer, are read again at most every `HEAVY_SECONDS`. Requests
under another host name than this machine's are refused: a site that a browser visits at the same
time cannot have its own name resolved to this address and read the run.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from selfplay.analysis.status import standing
from selfplay.core.errors import ResourceError, SelfplayError
from selfplay.report.page import page
from selfplay.report.prompt_map import Mapper
from selfplay.report.sections import Payload, ReportOptions, as_json, heavy, light
from selfplay.report.writing import ORDER

HOST, PORT = "127.0.0.1", 8765
SECONDS, HEAVY_SECONDS = 5.0, 30.0


@dataclass
class Follower:
    """The newest data of a run, read again when its ledger has moved on."""

    directory: Path
    options: ReportOptions
    heavy_seconds: float = HEAVY_SECONDS
    _parts: dict[str, Any] = field(default_factory=dict)
    _seen: tuple[object, ...] = ()
    _heavy_at: float = float("-inf")
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._mapper = Mapper(self.options.embedder)

    def payload(self) -> Payload:
        """The data as of now."""
        with self._lock:
            found = standing(self.directory)
            seen = (found.state, found.round, found.stage, found.tokens)
            due = time.monotonic() - self._heavy_at >= self.heavy_seconds
            if seen != self._seen or not self._parts:
                self._parts |= light(self.directory, self.options)
                self._stale = True
            if self._stale and due:
                self._parts |= heavy(self.directory, self.options, self._mapper)
                self._heavy_at, self._stale = time.monotonic(), False
            self._seen = seen
            parts = {name: self._parts[name] for name in ORDER}
        return Payload("report", self.directory.resolve().name, parts)

    _stale: bool = True
    """Prompts and map are older than the rest."""


class ReportServer(ThreadingHTTPServer):
    """Serves one run's page on this machine; `serve_forever` runs it, `url` says where."""

    daemon_threads = True

    def __init__(self, follower: Follower, port: int = PORT, seconds: float = SECONDS) -> None:
        """Opens the port; 0 takes a free one.

        Raises:
            ResourceError: the port is taken.
        """
        self.follower, self.seconds = follower, seconds
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise ResourceError(
                f"cannot serve on port {port}: {error.strerror or error}; give another --port, "
                "or 0 for a free one"
            ) from error

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: ReportServer

    def do_GET(self) -> None:
        """Answers with the page or its newer data."""
        name = self.headers.get("Host", "").rsplit(":", 1)[0]
        if name not in (HOST, "localhost"):
            self.send_error(HTTPStatus.FORBIDDEN, "this page is for this machine alone")
            return
        try:
            self._serve()
        except SelfplayError as error:
            self.log_error("%s", error)
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR, "the run cannot be read")

    def _serve(self) -> None:
        asked = urlsplit(self.path)
        if asked.path == "/":
            text = page(self.server.follower.payload(), self.server.seconds)
            self._answer(text, "text/html")
        elif asked.path == "/data.json":
            have = dict(parse_qsl(asked.query))
            data = self.server.follower.payload().as_dict(have)
            self._answer(as_json(data), "application/json")
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _answer(self, text: str, kind: str) -> None:
        body = text.encode("utf-8", errors="replace")
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        # A browser that went away in the meantime is nobody's fault.
        with suppress(ConnectionError):
            self.end_headers()
            self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Says nothing: a line for each look would bury what matters."""


def report_server(
    directory: Path, port: int = PORT, options: ReportOptions | None = None
) -> ReportServer:
    """A server for the run's page; `serve_forever()` it.

    Raises:
        LedgerError: there is no readable ledger.
        ResourceError: the port is taken.
    """
    standing(directory)
    return ReportServer(Follower(directory, options or ReportOptions()), port)
