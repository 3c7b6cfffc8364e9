"""Claims about what a judging fingerprint depends on."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from typing import Any

import pytest

from meta.judges import fingerprint_of, judging_fingerprint
from meta.judges.llm.table import RubricLLMOptions
from selfplay.core.components import chosen
from selfplay.core.models.endpoint_options import EndpointOptions
from selfplay.core.models.table import MODELS, OwnModelOptions

ENDPOINT = EndpointOptions(model="m")


def fingerprint(**changed: Any) -> str:
    """That of a rubric judge behind an endpoint with these options."""
    model = chosen("endpoint", MODELS, replace(ENDPOINT, **changed))
    return judging_fingerprint("rubric_llm", RubricLLMOptions(model=model), None)


ASIDE: dict[str, Any] = {
    "api_key_env": "A_KEY",
    "concurrency": 3,
    "timeout": 7.0,
    "retries": 0,
    "backoff": 0.5,
    "longest_wait": 9.0,
    "breaker": 3,
    "rest": 1.0,
    "cache": "replies.db",
    "price_in": 1.0,
    "price_out": 2.0,
    "max_money": 3.0,
    "max_reply_mib": 7.0,
}
COUNTING: dict[str, Any] = {
    "model": "n",
    "base_url": "http://127.0.0.1:9/v1",
    "logprobs": True,
    "token_limit": "max_completion_tokens",
    "extra": {"reasoning_effort": "low"},
}


def test_every_option_of_an_endpoint_is_looked_at_here() -> None:
    assert {field.name for field in fields(EndpointOptions)} == {*ASIDE, *COUNTING}


@pytest.mark.parametrize("name", ASIDE)
def test_how_a_server_is_asked_and_what_it_costs_changes_no_fingerprint(name: str) -> None:
    assert fingerprint(**{name: ASIDE[name]}) == fingerprint()


@pytest.mark.parametrize("name", COUNTING)
def test_what_a_server_answers_with_changes_the_fingerprint(name: str) -> None:
    assert fingerprint(**{name: COUNTING[name]}) != fingerprint()


def test_a_judge_without_an_endpoint_has_the_fingerprint_of_all_its_options() -> None:
    own = chosen("transformers", MODELS, OwnModelOptions(path="DIR"))
    options = RubricLLMOptions(model=own, votes=2, temperature=0.5)
    whole = json.loads(json.dumps(asdict(options)))
    expected = fingerprint_of(["rubric_llm", whole, None])
    assert judging_fingerprint("rubric_llm", options, None) == expected
