"""Judge throughput: `rubric_llm` behind a server, against a bare asynchronous client.

A real HTTP server in a process of its own answers every request after a fixed time with a reply
that the judge can read. The judge asks about responses at its concurrency cap: it writes the
requests, sends them, reads the replies strictly and makes verdicts. The bare client has the same
request bodies ready, sends them through one `httpx2.AsyncClient` under one semaphore and parses the
JSON that comes back, without retries, deadlines or a look at what it says. The runs alternate, and
each pair gives one ratio.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import random
import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from ssl import PROTOCOL_TLS_CLIENT, SSLContext
from tempfile import TemporaryDirectory

import httpx2
import numpy as np

from benchmarks.runner import Measurement
from meta.judges.llm.grading import request, response_format
from meta.judges.llm.table import RubricLLMOptions
from meta.judges.rubric_llm import RubricLLM
from meta.rubrics.rubric import Criterion, Rubric
from selfplay.core.components import chosen
from selfplay.core.models.endpoint import request_body
from selfplay.core.models.endpoint_options import EndpointOptions
from selfplay.core.models.table import MODELS
from selfplay.core.types import Group, Prompt, Response, Sampling, user

_LATENCY, _WAVES, _GROUP, _PAIRS = 0.05, 16, 8, 9
_NEW_TOKENS = 1024
_CRITERIA = tuple(
    Criterion(name, f"Is it {name}?", 1.0, (0.0, 5.0), kind="judge")
    for name in ("clear", "correct", "complete")
)
_SCORED = {c.id: {"rationale": f"It is rather {c.id}.", "score": 4} for c in _CRITERIA}
_CODE = re.compile(rb"carry the code (\w+)")
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Case:
    """One way to ask."""

    concurrency: int
    cache: bool = False
    """Keep the replies in a file, which is empty at first."""


def measure() -> Measurement:
    """Medians, with the lowest and highest of the paired ratios."""
    cases = [Case(16), Case(32), Case(64), Case(32, cache=True)]
    with serving() as url:
        rows = [_row(case, url) for case in cases]
    return Measurement(
        title="Judging through a server",
        question=(
            "How many requests a second does the rubric judge send, compared with a bare "
            "asynchronous client at the same concurrency?"
        ),
        rows=rows,
        notes=(
            f"A server in a process of its own answers after {_LATENCY * 1000:g} ms; {_WAVES} "
            f"requests for each place under way, {_PAIRS} alternating pairs after one warm-up. The "
            "ceiling is concurrency / latency. The judge's time includes writing the requests, "
            "reading every reply strictly, and the verdicts; with a cache, one commit to an SQLite "
            "file for each reply and the file's making. The bare client finds its requests written."
        ),
    )


def _row(case: Case, url: str) -> dict[str, str | float]:
    groups = _groups(case.concurrency * _WAVES // _GROUP)
    bodies = _bodies(groups, url)
    pairs = [
        (_rate(partial(_judge, groups, case, url)), _rate(partial(_bare, bodies, case, url)))
        for _ in range(_PAIRS + 1)
    ][1:]
    ratios = [ours / bare for ours, bare in pairs]
    return {
        "under way": case.concurrency,
        "cache": "written" if case.cache else "none",
        "ceiling (requests/s)": round(case.concurrency / _LATENCY),
        "rubric_llm (requests/s)": round(statistics.median(ours for ours, _ in pairs)),
        "bare client (requests/s)": round(statistics.median(bare for _, bare in pairs)),
        "ratio, median": round(statistics.median(ratios), 3),
        "ratio, min to max": f"{min(ratios):.2f} to {max(ratios):.2f}",
    }


def _rate(run: Callable[[], int]) -> float:
    """Requests per second of a run that returns how many were answered."""
    began = time.perf_counter()
    return run() / (time.perf_counter() - began)


def _judge(groups: Sequence[Group], case: Case, url: str) -> int:
    with TemporaryDirectory() as folder:
        cache = str(Path(folder) / "replies.db") if case.cache else ""
        options = EndpointOptions(
            model="m", base_url=url, concurrency=case.concurrency, cache=cache
        )
        model = chosen("endpoint", MODELS, options)
        judge = RubricLLM(
            RubricLLMOptions(model=model, max_new_tokens=_NEW_TOKENS), Rubric(_CRITERIA)
        )
        verdicts = [verdict for row in judge.judge(groups) for verdict in row]
    if any(verdict.reward is None for verdict in verdicts):
        raise ValueError(f"expected a verdict for every response, found {verdicts}")
    return len(verdicts)


def _bare(bodies: Sequence[dict[str, object]], case: Case, url: str) -> int:
    async def run() -> int:
        turns = asyncio.Semaphore(case.concurrency)
        limits = httpx2.Limits(max_connections=case.concurrency)
        # Certificates would be read for nothing: the address is no https.
        context = SSLContext(PROTOCOL_TLS_CLIENT)
        async with httpx2.AsyncClient(limits=limits, timeout=None, verify=context) as client:

            async def ask(body: dict[str, object]) -> int:
                async with turns:
                    response = await client.post(f"{url}/chat/completions", json=body)
                return len(response.json()["choices"])

            return sum(await asyncio.gather(*map(ask, bodies)))

    return asyncio.run(run())


def _groups(count: int) -> list[Group]:
    """Prompts with responses of some 60 words, no two alike."""
    draw = random.Random(0)

    def response(i: int) -> Response:
        words = " ".join("".join(draw.choices("abcdefgh", k=5)) for _ in range(60))
        return Response(f"{i} {words}", np.array([], np.int32), None, "recorded")

    return [
        Group(
            Prompt(user(f"Question {p}: what follows from {draw.random()}?")),
            tuple(response(i) for i in range(_GROUP)),
            "train",
            0,
        )
        for p in range(count)
    ]


def _bodies(groups: Sequence[Group], url: str) -> list[dict[str, object]]:
    """The requests that the judge sends, but for their seeds."""
    form = {"response_format": response_format(_CRITERIA, plan=False)}
    options = EndpointOptions(model="m", base_url=url, extra=form)
    sampling = Sampling(n=1, temperature=0.0, max_new_tokens=_NEW_TOKENS)
    bodies: list[dict[str, object]] = []
    for group in groups:
        for response in group.responses:
            chat, _ = request(_CRITERIA, group.prompt, response.text, plan=False, reference=False)
            bodies.append(request_body(options, chat, sampling, 1, 2**30))
    return bodies


@contextmanager
def serving() -> Iterator[str]:
    """The base URL of a server in a process of its own."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(there,))
    process.start()
    there.close()
    try:
        yield f"http://127.0.0.1:{here.recv()}/v1"
    finally:
        process.terminate()
        process.join()


def _serve(pipe: Connection) -> None:
    async def run() -> None:
        server = await asyncio.start_server(_answer, "127.0.0.1", 0, backlog=512)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers the requests of one connection, which is kept."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length.group(1)) if length else 0)
            await asyncio.sleep(_LATENCY)
            content = _reply(body)
            sent = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\n\r\n".encode()
            writer.write(sent + content)
    except (asyncio.IncompleteReadError, ConnectionResetError):
        writer.close()


def _reply(body: bytes) -> bytes:
    found = _CODE.search(body)
    code = found.group(1).decode() if found else ""
    message = {"content": json.dumps({"code": code, "criteria": _SCORED})}
    usage = {"prompt_tokens": 300, "completion_tokens": 60}
    choices = [{"message": message, "finish_reason": "stop"}]
    return json.dumps({"choices": choices, "usage": usage}).encode()
