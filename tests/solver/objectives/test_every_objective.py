"""Every objective of the table learns from the same judged groups of a real tiny model."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from selfplay.core.components import load_attribute
from selfplay.core.errors import ConfigError
from selfplay.core.seeding import Seed
from solver.objectives.table import OBJECTIVES
from tests.solver.small_solver import judged, make, weights

COMPOSED = {"sum", "schedule", "tasks"}
"""They have no meaning without the parts that they are made of; test_combined.py has them."""

ALONE = sorted(OBJECTIVES.keys() - COMPOSED)


@pytest.mark.parametrize("name", ALONE)
def test_it_moves_the_weights_and_repeats_itself_bit_for_bit(
    tiny_model_dir: Path, tmp_path: Path, name: str
) -> None:
    digests = []
    for attempt in ("one", "two"):
        solver = make(tiny_model_dir, name)
        before = weights(solver)
        metrics = solver.learn(judged(solver, violating=(1,)), Seed(1))
        assert metrics["steps"] >= 1
        assert all(math.isfinite(value) for value in metrics.values()), metrics
        assert any(not torch.equal(before[k], v) for k, v in weights(solver).items())
        digests.append((solver.save(tmp_path / attempt), metrics))
    assert digests[0] == digests[1]


@pytest.mark.parametrize("name", ALONE)
def test_without_a_reward_it_changes_nothing(tiny_model_dir: Path, name: str) -> None:
    solver = make(tiny_model_dir, name)
    before = weights(solver)
    metrics = solver.learn(judged(solver, rewards=math.nan), Seed(1))
    assert (metrics["steps"], metrics["responses_missing"], solver.version) == (0, 16, 1)
    assert all(torch.equal(before[k], v) for k, v in weights(solver).items())


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_its_row_names_code_that_exists(name: str) -> None:
    assert callable(load_attribute(OBJECTIVES[name].factory))


@pytest.mark.parametrize("name", [n for n in ALONE if not OBJECTIVES[n].reference])
def test_one_without_a_reference_refuses_to_be_given_one(tiny_model_dir: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f"'{name}' has no reference policy"):
        make(tiny_model_dir, name, reference="initial")
