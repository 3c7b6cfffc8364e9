"""A real HTTP server on this machine that answers chat completions as a test tells it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Answer:
    """What the server sends."""

    body: str | bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds before it; the server's end cuts it short."""


Behaviour: TypeAlias = Callable[[dict[str, Any]], Answer]
"""From the request's JSON to the answer."""


@dataclass
class Served:
    """A running server, and what it was asked."""

    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    busiest: int = 0
    """Most requests that were under way at once."""
    under_way: int = 0
    closing: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)


def choice(text: str | None, finish: str = "stop", **more: Any) -> dict[str, Any]:
    """One choice of a completion."""
    return {"message": {"role": "assistant", "content": text}, "finish_reason": finish, **more}


def completion(*choices: dict[str, Any] | str, tokens: int | None = 7) -> Answer:
    """A well-formed completion; a plain text is a choice that ended by itself."""
    made = [choice(c) if isinstance(c, str) else c for c in choices]
    body: dict[str, Any] = {"object": "chat.completion", "choices": made}
    if tokens is not None:
        body["usage"] = {"prompt_tokens": 11, "completion_tokens": tokens}
    return Answer(json.dumps(body))


@contextmanager
def serving(behaviour: Behaviour, tls: SSLContext | None = None) -> Iterator[Served]:
    """A server at `url` for as long as the context lasts; it speaks TLS where `tls` says how."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with served.lock:
                served.requests.append({"path": self.path, **body})
                served.headers.append(dict(self.headers))
                served.under_way += 1
                served.busiest = max(served.busiest, served.under_way)
            answer = behaviour(body)
            served.closing.wait(answer.delay) if answer.delay else None
            with served.lock:
                served.under_way -= 1
            if not served.closing.is_set():
                self._send(answer)

        def _send(self, answer: Answer) -> None:
            content = answer.body.encode() if isinstance(answer.body, str) else answer.body
            self.send_response(answer.status)
            for name, value in {**answer.headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *message: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *who: None  # type: ignore[method-assign]
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    served = Served(f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        served.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
