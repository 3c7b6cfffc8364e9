"""Groups to judge, rubrics to judge by, and a server that grades as it is told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from meta.judges.llm.table import RubricLLMOptions
from meta.judges.rubric_llm import RubricLLM
from meta.rubrics.rubric import Criterion, Rubric
from selfplay.core.components import chosen
from selfplay.core.models.endpoint_options import EndpointOptions
from selfplay.core.models.table import MODELS
from selfplay.core.types import Group, Prompt, Response, user
from tests.model_server import Answer, Behaviour, Served, completion

CLEAR = Criterion("clear", "Is it clear?", 3.0, (0.0, 5.0), kind="judge")
PADDED = Criterion("padded", "Does it pad?", 1.0, (0.0, 2.0), sign="deduction", kind="judge")
SHORT = Criterion("number", "It has a number.", 1.0, check="number")
JUDGED = Rubric((CLEAR, PADDED))
MIXED = Rubric((CLEAR, SHORT))


def group(*texts: str, answer: str | None = "4", question: str = "2+2?") -> Group:
    responses = tuple(Response(text, np.array([], np.int32), None, "recorded") for text in texts)
    return Group(Prompt(user(question), answer=answer), responses, "train", 0)


def grader(served: Served, rubric: Rubric = JUDGED, **options: Any) -> RubricLLM:
    """The rubric judge that asks the server, impatiently."""
    patience = EndpointOptions(
        model="m", base_url=served.url, retries=2, backoff=0.01, longest_wait=0.05, timeout=5.0
    )
    extra = options.pop("extra", {})
    patience = replace(patience, **{k: options.pop(k) for k in ("timeout",) if k in options})
    model = chosen("endpoint", MODELS, replace(patience, extra=extra))
    return RubricLLM(RubricLLMOptions(model=model, **options), rubric)


def asked_text(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


def code_in(body: dict[str, Any]) -> str:
    """The code of a request."""
    found = re.search(r"carry the code (\w+)\.", asked_text(body))
    assert found
    return found.group(1)


def response_in(body: dict[str, Any]) -> str:
    """The response that a request shows."""
    code = code_in(body)
    _, _, behind = asked_text(body).rpartition(f"<response {code}>\n")
    return behind.partition(f"\n</response {code}>")[0]


def graded(body: dict[str, Any], **scores: object) -> dict[str, Any]:
    """The reply that a request asks for."""
    criteria = {name: {"rationale": f"because {name}", "score": s} for name, s in scores.items()}
    return {"code": code_in(body), "criteria": criteria}


def grading(score: Callable[[str], dict[str, object]]) -> Behaviour:
    """A server that gives each response the scores that `score` says, as often as asked."""

    def behave(body: dict[str, Any]) -> Answer:
        reply = json.dumps(graded(body, **score(response_in(body))))
        return completion(*[reply] * body.get("n", 1))

    return behave


def replying(reply: Callable[[dict[str, Any]], str]) -> Behaviour:
    """A server whose reply to each request is what `reply` says."""
    return lambda body: completion(reply(body))
