"""Evidence for a reviewing model, and a server that reviews as it is told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from meta.anchors.anchors import Part
from meta.reviewers import Evidence, Proposal
from meta.reviewers.llm.reviewer import LLMReviewer
from meta.reviewers.table import REVIEWERS, LLMOptions
from meta.rubrics.rubric import Criterion, Rubric
from selfplay.core.components import chosen
from selfplay.core.models.endpoint import EndpointModel
from selfplay.core.models.endpoint_options import EndpointOptions
from selfplay.core.seeding import Seed
from selfplay.core.types import Prompt, user
from tests.meta.trusted import group
from tests.model_server import Answer, Behaviour, Served, completion, serving

SEED = Seed(7)
CLEAR = Criterion("clear", "Is it clear?", 3.0, (0.0, 5.0), kind="judge")
PADDED = Criterion("padded", "Does it pad?", 1.0, (0.0, 2.0), sign="deduction", kind="judge")
FORCE = Rubric((CLEAR, PADDED), "essays", 4)
TITLE_ONLY = {
    "id": "title-only",
    "text": "Is the response a title without a body?",
    "weight": 4,
    "range": [0, 5],
    "sign": "deduction",
}
KEPT = {"id": "clear", "text": "Is it clear?", "weight": 3, "range": [0, 5], "sign": "reward"}
GOOD = [KEPT, TITLE_ONLY]


def evidence(prompts: int = 6, responses: int = 3, **more: Any) -> Evidence:
    """Rollouts with rising rewards; the last of each prompt is only a title."""
    rollouts = [
        group(
            Prompt(user(f"Write about subject {i}."), "essay", answer=f"the gold answer of {i}"),
            [f"Some words on it, take {j} of {i}." for j in range(responses - 1)] + [f"Title {i}"],
            [(j + 1) / responses for j in range(responses)],
        )
        for i in range(prompts)
    ]
    return Evidence(**({"rubric": FORCE, "anchors": Part("propose"), "rollouts": rollouts} | more))


def endpoint(served: Served, **more: Any) -> EndpointModel:
    """The server's model, asked impatiently."""
    patience = {"retries": 1, "backoff": 0.01, "longest_wait": 0.02, "timeout": 5.0}
    return EndpointModel(EndpointOptions(model="m", base_url=served.url, **patience, **more))


def reviewer(model: Any, **options: Any) -> LLMReviewer:
    built: LLMReviewer = chosen("llm", REVIEWERS, LLMOptions(**options)).build(model)
    return built


def text_of(body: dict[str, Any]) -> str:
    """The request itself, without what was sent back."""
    return str(body["messages"][0]["content"])


def step_of(body: dict[str, Any]) -> str:
    """`analysis`, `refinement`, `merging`; behind `again `, where a reply was sent back."""
    task = re.search(r"task is to (\w+)", text_of(body))
    assert task
    step = {"analyse": "analysis", "refine": "refinement", "merge": "merging"}[task.group(1)]
    return step if len(body["messages"]) == 1 else f"again {step}"


def code_of(body: dict[str, Any]) -> str:
    found = re.search(r"carry the code (\w+)\.", text_of(body))
    assert found
    return found.group(1)


def quoted(body: dict[str, Any], label: str) -> str:
    """What a request shows under a label."""
    code = code_of(body)
    _, _, behind = text_of(body).partition(f"<{label} {code}>\n")
    return behind.partition(f"\n</{label} {code}>")[0]


def as_asked(body: dict[str, Any], criteria: Any = GOOD) -> str:
    """The reply that a request asks for."""
    analysis = f"About {quoted(body, 'response')}"
    said = {"analysis": analysis} if "analysis" in step_of(body) else {"criteria": criteria}
    return json.dumps({"code": code_of(body), **said})


def replying(reply: Callable[[dict[str, Any]], str | Answer]) -> Behaviour:
    """A server that replies so."""

    def behave(body: dict[str, Any]) -> Answer:
        found = reply(body)
        return completion(found) if isinstance(found, str) else found

    return behave


@dataclass(frozen=True)
class Reviewed:
    """What a review came to, and what the server was asked for it."""

    proposal: Proposal
    requests: list[dict[str, Any]]

    @property
    def steps(self) -> list[str]:
        return [step_of(body) for body in self.requests]


def review(
    reply: Callable[[dict[str, Any]], str | Answer] = as_asked,
    seen: Evidence | None = None,
    extra: dict[str, Any] | None = None,
    **options: Any,
) -> Reviewed:
    """A review by a server that replies so."""
    with serving(replying(reply)) as served:
        model = endpoint(served, extra=extra or {})
        found = reviewer(model, **options).propose(seen or evidence(), SEED)
        return Reviewed(found, list(served.requests))
