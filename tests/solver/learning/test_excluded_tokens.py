"""Models that exclude tokens by logits of -inf, as those with padded vocabularies do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from selfplay.core.seeding import Seed
from solver.learning.batches import padded_labels, padded_rows
from solver.learning.scoring import divergences
from solver.learning.stage import Stage
from solver.solver import Solver
from tests.solver.objectives.exact import Watch, flat
from tests.solver.small_solver import judged, make

EXCLUDED = torch.arange(90, 99)


def excluding(directory: Path, name: str) -> Solver:
    solver = make(directory, name, max_grad_norm=1e9)
    solver.policy.module.lm_head.register_forward_hook(
        lambda _module, _args, logits: logits.index_fill(-1, EXCLUDED, -torch.inf)
    )
    return solver


@pytest.mark.parametrize("name", ["dpo", "tdpo1", "tdpo2", "grpo", "kto", "sft", "ppo", "simpo"])
def test_tokens_with_a_logit_of_minus_infinity_leave_all_figures_finite(
    tiny_model_dir: Path, name: str
) -> None:
    solver = excluding(tiny_model_dir, name)
    watch = Watch(solver)
    metrics = solver.learn(judged(solver), Seed(1))
    assert all(np.isfinite(value) for value in metrics.values()), metrics
    assert all(torch.isfinite(flat(step.gradient)).all() for step in watch.steps)
    assert metrics["steps"] == 1.0


def test_the_divergence_is_that_over_the_tokens_that_are_not_excluded(
    tiny_model_dir: Path,
) -> None:
    solver, other = excluding(tiny_model_dir, "tdpo2"), excluding(tiny_model_dir, "tdpo2")
    other.learn(judged(other), Seed(1))
    stage = Stage(solver.policy, judged(solver), Seed(0), solver.policy.config)
    rows = stage.rows(stage.scored)
    ids, labels = padded_rows(rows, 0), padded_labels(rows)
    now, before = other.policy.module, solver.policy.module
    _, _, found = divergences(now, before, ids, labels)
    kept = torch.arange(90)
    with torch.no_grad():
        p, q = (
            torch.log_softmax(module(ids[:, :-1]).logits[..., kept].double(), -1)
            for module in (before, now)
        )
    expected = (p.exp() * (p - q)).sum(-1).masked_fill(labels[:, 1:] == -100, 0)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-6)
    assert float(found.detach().sum()) > 1e-4
