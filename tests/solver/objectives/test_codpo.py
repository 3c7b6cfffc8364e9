"""CODPO's loss against its formula written out in plain floats, and its relation to DPO."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from selfplay.config import load_config
from selfplay.core.components import component
from selfplay.core.errors import ConfigError
from solver.objectives.codpo import codpo
from solver.objectives.margins import gpo
from solver.objectives.rows.pairs import ROWS, CodpoOptions, GpoOptions
from solver.objectives.terms import PairBatch, Scores


@dataclass(frozen=True)
class Root:
    """A configuration that holds nothing but an objective."""

    objective: object = component("codpo", ROWS)


def random_batch(seed: int, count: int = 5, width: int = 4) -> PairBatch:
    rng = np.random.default_rng(seed)

    def side() -> Scores:
        mask_RT = np.arange(width) < rng.integers(1, width + 1, size=count)[:, None]
        logps_RT, reference_RT = (
            np.where(mask_RT, -rng.exponential(size=mask_RT.shape), 0.0) for _ in range(2)
        )
        return Scores(
            torch.tensor(logps_RT, requires_grad=True),
            torch.tensor(mask_RT),
            torch.tensor(reference_RT),
        )

    return PairBatch(side(), side(), torch.ones(count, dtype=torch.float64))


def formula(chosen: list[float], rejected: list[float], references: float, length: int) -> float:
    """β 0.4 and λ 0.7; `references` is log π_ref(y⁺) - log π_ref(y⁻)."""
    gap = sum(chosen) - sum(rejected) - references
    return -math.log(1 / (1 + math.exp(-0.4 * gap))) - 0.7 / length * sum(chosen)


@pytest.mark.parametrize("seed", range(5))
def test_codpo_is_its_formula(seed: int) -> None:
    batch = random_batch(seed)
    losses_B = codpo(batch, CodpoOptions(beta=0.4, sft_weight=0.7))
    losses_B.sum().backward()
    for b, loss in enumerate(losses_B.tolist()):
        sides = [side.logps_RT[b].tolist() for side in (batch.chosen, batch.rejected)]
        references = sum(batch.chosen.reference_RT[b].tolist()) - sum(
            batch.rejected.reference_RT[b].tolist()
        )
        length = int(batch.chosen.mask_RT[b].sum())
        assert loss == pytest.approx(formula(*sides, references, length), rel=1e-9)
        for which, side in enumerate((batch.chosen, batch.rejected)):
            for t in range(4):
                values = []
                for step in (1e-6, -1e-6):
                    moved = [list(tokens) for tokens in sides]
                    moved[which][t] += step
                    values.append(formula(*moved, references, length))
                slope = (values[0] - values[1]) / 2e-6
                assert side.logps_RT.grad[b, t].item() == pytest.approx(slope, abs=1e-6)


def test_codpo_without_imitation_is_dpo() -> None:
    batch = random_batch(0)
    losses_B = codpo(batch, CodpoOptions(beta=0.3, sft_weight=0.0))
    assert torch.equal(losses_B, gpo(batch, GpoOptions(beta=0.3)))


def test_imitation_weighs_each_response_alike_whatever_its_length() -> None:
    """Equal ratios leave the imitation term: log π spread over one token or over four."""
    mask_RT = torch.tensor([[True] + [False] * 3, [True] * 4])
    logps_RT = torch.where(mask_RT, -0.5, 0.0).double()
    side = Scores(logps_RT, mask_RT, logps_RT)
    losses_B = codpo(PairBatch(side, side, torch.ones(2)), CodpoOptions(sft_weight=0.2))
    assert losses_B.tolist() == pytest.approx([math.log(2) + 0.1] * 2)


def test_codpo_pairs_by_constraints_unless_told_otherwise() -> None:
    default = load_config(None, [], Root).config.objective.options
    told = load_config(None, ["objective.pairs=max_min"], Root).config.objective.options
    assert (default.pairs.name, told.pairs.name) == ("constraints", "max_min")


def test_other_objectives_pair_best_and_worst_unless_told_otherwise() -> None:
    for name in set(ROWS) - {"codpo"}:
        loaded = load_config(None, [f"objective={name}"], Root)
        assert loaded.config.objective.options.pairs.name == "max_min"


def test_options_are_checked_when_a_configuration_is_read() -> None:
    with pytest.raises(ConfigError, match=r"objective\.sft_weight: expected 0 or more, found -1"):
        load_config(None, ["objective.sft_weight=-1"], Root)
