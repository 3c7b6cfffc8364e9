"""What cannot be learned from: nothing to compare, figures that do not fit, no numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from selfplay.core.seeding import Seed
from selfplay.core.types import Group
from solver.learning.errors import NotFiniteError
from solver.learning.generated import MOST, TOLERANCE
from solver.learning.memory import PeakMemory
from solver.solver import Solver
from tests.solver.small_solver import judged, make, weights


def with_logprobs(groups: Sequence[Group], change: Callable[[float], float | None]) -> list[Group]:
    """The groups with every recorded log-probability changed, or taken away."""

    def changed(logprobs: np.ndarray) -> np.ndarray | None:  # type: ignore[type-arg]
        found = [change(float(logp)) for logp in logprobs]
        return None if None in found else np.array(found, dtype=np.float32)

    return [
        replace(
            group,
            responses=tuple(
                replace(response, logprobs=changed(response.logprobs))
                for response in group.responses
                if response.logprobs is not None
            ),
        )
        for group in groups
    ]


@pytest.mark.parametrize("name", ["dpo", "simpo", "ipo"])
def test_rewards_that_all_tie_give_no_pairs_and_no_step(tiny_model_dir: Path, name: str) -> None:
    solver = make(tiny_model_dir, name)
    before = weights(solver)
    metrics = solver.learn(judged(solver, rewards=0.5), Seed(1))
    assert (metrics["pairs"], metrics["groups_tied"], metrics["steps"]) == (0.0, 4.0, 0.0)
    assert solver.version == 1
    assert all(torch.equal(before[key], weight) for key, weight in weights(solver).items())


def test_rewards_that_are_all_missing_give_no_step(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir, "dpo")
    metrics = solver.learn(judged(solver, rewards=math.nan), Seed(1))
    assert (metrics["groups_unscored"], metrics["responses_missing"]) == (4.0, 16.0)
    assert metrics["steps"] == 0.0


def test_altered_log_probabilities_are_noticed_and_not_used(tiny_model_dir: Path) -> None:
    altered, absent = make(tiny_model_dir, "dpo"), make(tiny_model_dir, "dpo")
    groups = judged(altered)
    found = altered.learn(with_logprobs(groups, lambda logp: logp - 0.5), Seed(1))
    expected = absent.learn(with_logprobs(groups, lambda logp: None), Seed(1))
    assert found.pop("generation_mismatch") > 10 * TOLERANCE
    assert found.pop("generation_mismatch_max") > 10 * TOLERANCE
    assert found.pop("generation_checked") == 16.0
    assert "generation_mismatch" not in expected
    assert found == expected
    assert all(torch.equal(weights(absent)[k], v) for k, v in weights(altered).items())


@pytest.mark.parametrize("name", ["rloo", "grpo"])
def test_a_policy_gradient_weighs_what_generation_found_less_likely_up_to_a_bound(
    tiny_model_dir: Path, name: str
) -> None:
    altered, absent = make(tiny_model_dir, name), make(tiny_model_dir, name)
    groups = judged(altered)
    found = altered.learn(with_logprobs(groups, lambda logp: logp - 5.0), Seed(1))
    expected = absent.learn(with_logprobs(groups, lambda logp: None), Seed(1))
    assert found["grad_norm"] == pytest.approx(MOST * expected["grad_norm"], rel=1e-4)


def test_true_log_probabilities_are_within_the_tolerance(tiny_model_dir: Path) -> None:
    solver = make(tiny_model_dir)
    assert solver.learn(judged(solver), Seed(1))["generation_mismatch"] < TOLERANCE / 10


def broken(directory: Path, name: str) -> tuple[Solver, list[Group]]:
    """A solver whose weights broke after it had answered."""
    solver = make(directory, name)
    groups = judged(solver)
    with torch.no_grad():
        solver.policy.learned[0].fill_(math.nan)
    return solver, groups


@pytest.mark.parametrize("name", ["rloo", "dpo", "simpo"])
def test_scores_that_are_no_numbers_are_never_taken_for_missing_ones(
    tiny_model_dir: Path, name: str
) -> None:
    solver, groups = broken(tiny_model_dir, name)
    with pytest.raises(NotFiniteError, match="go back to an earlier version") as raised:
        solver.learn(groups, Seed(1))
    ids_BL, labels_BL = raised.value.batch["ids"], raised.value.batch["labels"]
    assert ids_BL.shape == labels_BL.shape
    assert solver.version == 0


@pytest.mark.parametrize("name", ["rloo", "dpo", "simpo"])
def test_a_loss_that_is_no_number_comes_with_its_batch(tiny_model_dir: Path, name: str) -> None:
    solver = make(tiny_model_dir, name, learning_rate=1e30, minibatches=2)
    with pytest.raises(NotFiniteError, match="optimiser step 1 of the learning stage") as raised:
        solver.learn(judged(solver), Seed(1))
    tensors = raised.value.batch
    assert any(key.endswith("ids") for key in tensors)
    owners = [tensor.untyped_storage().data_ptr() for tensor in tensors.values()]
    assert len(set(owners)) == len(owners)


def test_a_peak_of_memory_holds_what_came_and_went() -> None:
    peak = PeakMemory(torch.device("cpu"))
    before = peak.bytes
    torch.ones(50 << 20, dtype=torch.uint8).sum()
    assert peak.bytes >= before + (45 << 20)
