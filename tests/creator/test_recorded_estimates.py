"""Estimates of GSM8K's recorded answers, from the file to the values, against plain Python.

`test_estimators.py` holds the metrics of rewards alone to their formulas; here are all estimators
that can be asked about such groups at all, through the groups that a run would read.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from math import isfinite, nan

import numpy as np
import pytest

from creator.estimators.evidence import Evidence
from creator.estimators.table import ESTIMATORS
from creator.estimators.trial import lacking
from selfplay.analysis.ranking import recorded_evidence
from selfplay.core.components import chosen
from selfplay.data.recorded import read_recorded, to_group
from tests.creator.gate_surroundings import GSM8K, needs_gsm8k

PATH = GSM8K / "example_model_solutions.jsonl"
REPEATED = {"corrected_variance", "corrected_gap", "judge_disagreement", "policy_disagreement"}
"""These read repeated judgements, or several answers of each policy; neither was recorded."""


def one_token_a_word(text: str) -> list[int]:
    return [0] * len(text.split())


def rate(r: list[float]) -> float:
    return sum(x >= 0.5 for x in r) / len(r)


def loss(r: list[float], sign: Callable[[float], float]) -> float:
    return statistics.fmean(sign(x - (sum(r) - x) / (len(r) - 1)) for x in r)


def learnability(r: list[float]) -> float:
    return len(r) / (len(r) - 1) * rate(r) * (1 - rate(r))


# From the rewards and the token counts of one prompt, as docs/methods.md defines them.
INDEPENDENT: dict[str, Callable[[list[float], list[int]], float]] = {
    "uniform": lambda r, n: 1.0,
    "variance": lambda r, n: statistics.variance(r),
    "mean": lambda r, n: statistics.fmean(r),
    "inverse_mean": lambda r, n: 1 / max(statistics.fmean(r), 0.01),
    "inverse_gap": lambda r, n: 1 / max(max(r) - min(r), 0.01),
    "advantage_mean": lambda r, n: max(r) - statistics.fmean(r),
    "advantage_dueling": lambda r, n: sorted(r)[-1] - sorted(r)[-2],
    "regret_gap": lambda r, n: max(r) - min(r),
    "learnability": lambda r, n: learnability(r),
    "value_loss": lambda r, n: loss(r, abs),
    "positive_value_loss": lambda r, n: loss(r, lambda a: max(a, 0.0)),
    "max_mc": lambda r, n: max(r) - statistics.fmean(r),
    "policy_entropy": lambda r, n: nan,  # no log-probabilities were recorded
    "posterior": lambda r, n: (
        (a := 1 + sum(r)) * (b := 1 + len(r) - sum(r)) / ((a + b) * (a + b + 1))
    ),
    "mixed_outcomes": lambda r, n: float(0 < rate(r) < 1),
    "per_token": lambda r, n: learnability(r) / statistics.fmean(n),
}


class Recorded:
    """The file read twice: by the project, and by json."""

    def __init__(self) -> None:
        groups = [
            to_group(one, one_token_a_word) for one in read_recorded(PATH, layout="gsm8k_solutions")
        ]
        self.evidence: Evidence = recorded_evidence(groups)
        rows = [json.loads(line) for line in PATH.read_text(encoding="utf-8").splitlines()]
        answers = [[cell for cell in row.values() if isinstance(cell, dict)] for row in rows]
        self.rewards = [[float(one["is_correct"]) for one in row] for row in answers]
        self.tokens = [[len(one["solution"].split()) for one in row] for row in answers]


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    return Recorded()


@needs_gsm8k
def test_every_estimator_that_the_recorded_answers_allow_is_checked(recorded: Recorded) -> None:
    allowed = {
        name
        for name in ESTIMATORS
        if not lacking(chosen(name, ESTIMATORS).build(), recorded.evidence)
    }
    apart = {"category_bandit", "split_halves"}  # not of one prompt, not of all answers: below
    assert allowed == INDEPENDENT.keys() | apart
    assert ESTIMATORS.keys() - allowed == REPEATED


@needs_gsm8k
@pytest.mark.parametrize("name", INDEPENDENT)
def test_estimates_equal_an_independent_computation(recorded: Recorded, name: str) -> None:
    found = chosen(name, ESTIMATORS).build()(recorded.evidence, np.random.default_rng(0)).values_P
    pairs = zip(recorded.rewards, recorded.tokens, strict=True)
    np.testing.assert_allclose(found, [INDEPENDENT[name](*pair) for pair in pairs], atol=1e-12)
    assert len(found) == 1319


@needs_gsm8k
def test_the_one_task_of_the_bandit_is_worth_half_the_mean_scaled_advantage(
    recorded: Recorded,
) -> None:
    gains = [
        statistics.fmean(abs(x - statistics.fmean(r)) for x in r) / statistics.stdev(r)
        if len(set(r)) > 1
        else 0.0
        for r in recorded.rewards
    ]
    found = chosen("category_bandit", ESTIMATORS).build()(
        recorded.evidence, np.random.default_rng(0)
    )
    np.testing.assert_allclose(found.values_P, 0.5 * statistics.fmean(gains))  # from 0, at rate 0.5


@needs_gsm8k
def test_halves_are_valued_like_two_groups_of_half_the_answers(recorded: Recorded) -> None:
    made = chosen("split_halves", ESTIMATORS).build()(recorded.evidence, np.random.default_rng(0))
    assert made.held_P is not None
    pairs = set(zip(map(sum, recorded.rewards), made.values_P, made.held_P, strict=True))
    possible = {
        (right, learnability([float(i < first) for i in range(2)]), learnability(rest))
        for right in range(5)
        for first in range(max(0, right - 2), min(2, right) + 1)
        for rest in [[float(i < right - first) for i in range(2)]]
    }
    assert pairs == possible  # among 1,319 prompts every way to divide them comes
    assert all(isfinite(value) for _, *values in pairs for value in values)
