"""Reward models from soft labels: the closed form, its gradient, and hard labels as before."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from selfplay.core.seeding import Seed
from selfplay.core.types import WIN, Group
from solver.config import SolverConfig
from solver.learning.stage import Stage
from solver.objectives.reward_model import RewardModel
from solver.objectives.rows.ppo import RewardModelOptions
from solver.solver import Solver
from tests.solver.small_solver import judged, make


def pairs_of(solver: Solver, labels: Sequence[float | None]) -> list[Group]:
    """Groups of two, the first the better one, with how likely that is where it is known."""
    groups = []
    for group, label in zip(judged(solver), labels, strict=True):
        first, second = group.verdicts[0], group.verdicts[1]
        known = {} if label is None else {f"{WIN}1": label}
        verdicts = [replace(first, reward=1.0, scores=known), replace(second, reward=0.0)]
        groups.append(replace(group, responses=group.responses[:2]).judged(verdicts, "f"))
    return groups


def loss_of(
    solver: Solver, groups: list[Group], options: RewardModelOptions
) -> tuple[float, dict[str, float]]:
    config = SolverConfig()
    plan = RewardModel(options, config).plan(Stage(solver.policy, groups, Seed(0), config))
    ((one,),) = plan.steps
    found, _ = one.loss()
    found.backward()
    return found.item(), dict(plan.metrics)


def reference(gaps: Sequence[float], labels: Sequence[float | None], margin: float = 0.0) -> float:
    """In float64, by the definition."""
    terms = []
    for gap, label in zip(gaps, labels, strict=True):
        p, d = 1.0 if label is None else label, np.float64(gap) - margin
        terms.append(p * np.logaddexp(0.0, -d) + (1.0 - p) * np.logaddexp(0.0, d))
    return float(np.mean(terms))


LABELS = (0.9, 0.5, None, 0.62)


@pytest.mark.parametrize("margin", [False, True])
def test_the_loss_is_the_cross_entropy_of_the_labels(tiny_model_dir: Path, margin: bool) -> None:
    solver = make(tiny_model_dir, "rm")
    with torch.no_grad():
        solver.policy.heads["reward"].weight.mul_(40.0)
    groups = pairs_of(solver, LABELS)
    gaps = [float(scores[0] - scores[1]) for scores in solver.reward_scores(groups)]
    assert max(map(abs, gaps)) > 1
    found, metrics = loss_of(solver, groups, RewardModelOptions(margin=margin))
    assert found == pytest.approx(reference(gaps, LABELS, float(margin)), rel=1e-5)
    assert metrics["label"] == pytest.approx(np.mean([0.9, 0.5, 1.0, 0.62]))


def test_the_gradient_is_that_of_the_closed_form(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "rm")
    groups = pairs_of(solver, LABELS)
    gaps = np.array([float(s[0] - s[1]) for s in solver.reward_scores(groups)])
    loss_of(solver, groups, RewardModelOptions())
    head = solver.policy.heads["reward"].weight
    # A head's scale multiplies all gaps: dL/ds = mean(gap * (sigmoid(gap) - p)).
    labels = np.array([0.9, 0.5, 1.0, 0.62])
    expected = float((gaps * (1 / (1 + np.exp(-gaps)) - labels)).mean())
    assert float((head.grad * head.detach()).sum()) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("soft", [True, False])
def test_certain_labels_or_none_leave_trls_loss_alone(tiny_model_dir: Path, soft: bool) -> None:
    found = []
    for labels in ((None,) * 4, (1.0,) * 4):
        solver = make(tiny_model_dir, "rm")
        value, metrics = loss_of(solver, pairs_of(solver, labels), RewardModelOptions(soft=soft))
        assert "label" not in metrics
        found.append(value)
    assert found[0] == found[1]


def test_soft_labels_are_not_looked_at_where_hard_ones_are_asked_for(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "rm")
    hard, metrics = loss_of(solver, pairs_of(solver, LABELS), RewardModelOptions(soft=False))
    plain, _ = loss_of(solver, pairs_of(solver, (None,) * 4), RewardModelOptions())
    assert hard == plain
    assert "label" not in metrics


def test_learning_ends_where_the_scores_say_what_the_labels_say(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "rm", epochs=80, learning_rate=1e-2)
    groups = pairs_of(solver, (0.75,) * 4)
    solver.learn(groups, Seed(1))
    gaps = [float(scores[0] - scores[1]) for scores in solver.reward_scores(groups)]
    assert gaps == pytest.approx([math.log(3)] * 4, abs=0.15)
