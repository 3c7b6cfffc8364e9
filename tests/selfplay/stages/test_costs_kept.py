"""Claims about what servers took for work that came to nothing, against a real HTTP server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from selfplay.core.errors import EndpointError, NoAnswerError
from selfplay.core.models.endpoint import EndpointModel
from selfplay.core.models.endpoint_options import EndpointOptions
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Now, Prompt, Sampling, Verdict, user
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER
from selfplay.stages.costs import charged, costs
from selfplay.stages.rewriting import RecordedRewriter
from selfplay.stages.rollouts import Rollouts
from tests.model_server import Answer, Served, completion, serving

ONE = Sampling(n=1)


def asked_model(served: Served) -> EndpointModel:
    return EndpointModel(
        EndpointOptions(model="m", base_url=served.url, concurrency=1, retries=1, backoff=0.01)
    )


def wrong_key_later(body: dict[str, Any]) -> Answer:
    """Answers all but the chat that says so."""
    return Answer("no", 401) if "last" in str(body["messages"]) else completion("fine")


def test_what_a_rewriter_took_before_the_key_was_refused_is_in_the_costs(tmp_path: Path) -> None:
    with serving(wrong_key_later) as served, Ledger.create(tmp_path / LEDGER, {}, {}) as ledger:
        rewriter = RecordedRewriter(asked_model(served), ledger, Now(2, 1, "j"), "", 8, [])
        with pytest.raises(EndpointError):
            rewriter.generate([user("a"), user("b"), user("the last")], ONE, Seed(0))
        assert ledger.group_count(2, "rewrite:0") == 0
    spent, total = costs(tmp_path)
    assert (spent.role, spent.requests, spent.tokens_in) == ("rewriter", 3, 22)
    assert total.requests == 3


class AskingJudge:
    """A judge whose model is behind a server."""

    fingerprint = "asking"

    def __init__(self, model: EndpointModel) -> None:
        self._model = model

    def judge(self, groups: Any) -> list[tuple[Verdict, ...]]:
        for group in groups:
            self._model.generate([user(group.prompt.text)], ONE, Seed(0))
        return [(Verdict(1.0),) * len(group.responses) for group in groups]


def test_what_a_judge_took_for_a_chunk_that_ended_in_an_error_is_in_the_costs(
    tmp_path: Path,
) -> None:
    prompts = [Prompt(user(text)) for text in ("a", "b", "the last")]
    with serving(wrong_key_later) as served, Ledger.create(tmp_path / LEDGER, {}, {}) as ledger:
        ledger.admit(prompts)
        ledger.add_groups(1, "train", 0, [Group(prompt, (), "train", 0) for prompt in prompts])
        rollouts = Rollouts(ledger, None, ONE, Seed(0), chunk=3)  # type: ignore[arg-type]
        with pytest.raises(EndpointError):
            list(rollouts.judge(1, "train", AskingJudge(asked_model(served))))
        assert ledger.judged_count(1, "train") == 0
    spent, _ = costs(tmp_path)
    assert (spent.role, spent.requests, spent.tokens_in) == ("judge", 3, 22)


def test_what_ends_well_is_left_to_its_caller_and_what_does_not_is_written_down_once(
    tmp_path: Path,
) -> None:
    with (
        serving(lambda body: Answer("down", 503)) as served,
        Ledger.create(tmp_path / LEDGER, {}, {}) as ledger,
    ):
        with charged(ledger, 1, "train", "judge"):
            pass
        assert ledger.usages() == []
        with pytest.raises(NoAnswerError), charged(ledger, 1, "train", "judge"):
            asked_model(served).generate([user("a")], ONE, Seed(0))
        (entry,) = ledger.usages()
    assert (entry.requests, entry.retries, entry.unanswered) == (2, 1, 1)
