from __future__ import annotations

import numpy as np
import pytest

from selfplay.config.settings import EvaluationConfig
from selfplay.core.types import GENERATED, Group, Prompt, Response, Sampling, Verdict, user
from selfplay.stages.evaluation import GREEDY, SAMPLED, accuracy, samplings
from selfplay.stages.statistics import response_metrics, verdict_metrics


def judged(rewards: list[float | None], task: str = "a", finish: str = "stop") -> Group:
    answer = Response("x", np.array([1, 2], dtype=np.int32), None, finish)  # type: ignore[arg-type]
    verdicts = [Verdict(r) if r is not None else Verdict.missing("time-out") for r in rewards]
    group = Group(Prompt(user("q"), task), (answer,) * len(rewards), "evaluate", 0)
    return group.judged(verdicts, "v")


def test_every_prompt_weighs_the_same_whatever_is_missing() -> None:
    groups = [judged([1.0, None, None, None]), judged([0.0, 0.0, 0.0, 0.0])]
    assert accuracy(groups, "m") == {"m": 0.5, "m/missing": 3.0}


def test_accuracy_is_given_for_each_task_where_there_are_several() -> None:
    groups = [judged([1.0], "a"), judged([0.0], "b"), judged([1.0], "b")]
    assert accuracy(groups, "m") == {"m": pytest.approx(2 / 3), "m/a": 1.0, "m/b": 0.5}


def test_without_any_verdict_there_is_no_accuracy() -> None:
    assert accuracy([judged([None])], "m") == {"m/missing": 1.0}
    assert accuracy([], "m") == {}


def test_policies_are_asked_greedily_and_at_temperature_one_and_more_at_the_ends() -> None:
    config = EvaluationConfig(samples=3, temperatures=(0.5,))
    train = Sampling(n=8, temperature=0.7, top_p=0.9, max_new_tokens=5)
    usual, edge = samplings(config, train, edge=False), samplings(config, train, edge=True)
    assert usual == {
        GREEDY: Sampling(n=1, temperature=0.0, max_new_tokens=5),
        SAMPLED: Sampling(n=3, temperature=1.0, max_new_tokens=5),
    }
    assert edge.keys() - usual.keys() == {"heldout/t0.5"}


def test_response_metrics_count_tokens_and_cut_answers() -> None:
    groups = [judged([1.0, 0.0]), judged([1.0, 0.0], finish="length")]
    assert response_metrics(groups) == {
        "responses": 4.0,
        GENERATED: 8.0,
        "length": 2.0,
        "truncated": 0.5,
    }


def test_verdict_metrics_tell_missing_from_zero_and_count_mixed_groups() -> None:
    groups = [judged([1.0, 0.0]), judged([0.0, None]), judged([None, None])]
    assert verdict_metrics(groups) == {
        "missing": 0.5,
        "reward": pytest.approx(1 / 3),
        "mixed": 0.5,
    }
