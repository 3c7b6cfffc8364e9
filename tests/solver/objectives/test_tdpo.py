"""TDPO against its formulas written out in plain floats, and its relations to DPO."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from solver.objectives.margins import gpo
from solver.objectives.rows.pairs import GpoOptions, Tdpo1Options, Tdpo2Options
from solver.objectives.tdpo import tdpo1, tdpo2
from solver.objectives.terms import PairBatch, Scores

SEEDS = range(5)
LENGTH = 4


@dataclass(frozen=True)
class Pair:
    """One pair in plain floats: sums over tokens of its log-ratios and its divergences."""

    chosen_ratio: float
    rejected_ratio: float
    chosen_divergence: float
    rejected_divergence: float


def random_batch(seed: int, count: int = 5) -> tuple[PairBatch, list[Pair]]:
    rng = np.random.default_rng(seed)
    sides, sums = [], []
    for _ in ("chosen", "rejected"):
        lengths_R = rng.integers(1, LENGTH + 1, size=count)
        mask_RT = np.arange(LENGTH) < lengths_R[:, None]
        logps_RT, reference_RT = (
            np.where(mask_RT, -rng.exponential(size=mask_RT.shape), 0.0) for _ in range(2)
        )
        divergence_RT = np.where(mask_RT, rng.exponential(0.5, size=mask_RT.shape), 0.0)
        sides.append(
            Scores(
                torch.tensor(logps_RT, requires_grad=True),
                torch.tensor(mask_RT),
                torch.tensor(reference_RT),
                divergence_RT=torch.tensor(divergence_RT, requires_grad=True),
            )
        )
        ratios = [sum(a) - sum(b) for a, b in zip(logps_RT, reference_RT, strict=True)]
        sums.append((ratios, [sum(row) for row in divergence_RT]))
    (chosen_r, chosen_k), (rejected_r, rejected_k) = sums
    pairs = [
        Pair(*values) for values in zip(chosen_r, rejected_r, chosen_k, rejected_k, strict=True)
    ]
    return PairBatch(sides[0], sides[1], torch.ones(count, dtype=torch.float64)), pairs


def minus_log_sigmoid(z: float) -> float:
    return -math.log(1.0 / (1.0 + math.exp(-z)))


def gap(pair: Pair) -> float:
    return pair.chosen_ratio - pair.rejected_ratio


def tdpo1_formula(pair: Pair, beta: float) -> float:
    return minus_log_sigmoid(
        beta * (gap(pair) - (pair.rejected_divergence - pair.chosen_divergence))
    )


def tdpo2_formula(pair: Pair, beta: float, alpha: float, held: float) -> float:
    """`held` is the chosen response's divergence, a constant under the gradient."""
    return minus_log_sigmoid(beta * (gap(pair) - alpha * (pair.rejected_divergence - held)))


def slope(formula: Callable[[Pair], float], pair: Pair, name: str) -> float:
    step = 1e-6
    up, down = (replace(pair, **{name: getattr(pair, name) + d}) for d in (step, -step))
    return (formula(up) - formula(down)) / (2 * step)


def assert_gradients(
    batch: PairBatch, formulas: Sequence[Callable[[Pair], float]], pairs: list[Pair]
) -> None:
    """Each token has the slope of its response's sum."""
    for side, prefix in ((batch.chosen, "chosen"), (batch.rejected, "rejected")):
        for tensor, kind in ((side.logps_RT, "ratio"), (side.divergence_RT, "divergence")):
            gradient_RT = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
            for b, (formula, pair) in enumerate(zip(formulas, pairs, strict=True)):
                expected = slope(formula, pair, f"{prefix}_{kind}")
                assert gradient_RT[b].tolist() == pytest.approx([expected] * LENGTH, abs=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_tdpo1_is_its_formula(seed: int) -> None:
    batch, pairs = random_batch(seed)
    losses_B = tdpo1(batch, Tdpo1Options(beta=0.4))
    losses_B.sum().backward()
    formulas = [lambda pair: tdpo1_formula(pair, 0.4)] * len(pairs)
    expected = [formula(pair) for formula, pair in zip(formulas, pairs, strict=True)]
    assert losses_B.tolist() == pytest.approx(expected, rel=1e-9)
    assert_gradients(batch, formulas, pairs)


@pytest.mark.parametrize("seed", SEEDS)
def test_tdpo2_is_its_formula_with_the_chosen_divergence_held_fixed(seed: int) -> None:
    batch, pairs = random_batch(seed)
    losses_B = tdpo2(batch, Tdpo2Options(beta=0.4, alpha=0.7))
    losses_B.sum().backward()
    formulas = [
        lambda pair, held=original.chosen_divergence: tdpo2_formula(pair, 0.4, 0.7, held)
        for original in pairs
    ]
    expected = [formula(pair) for formula, pair in zip(formulas, pairs, strict=True)]
    assert losses_B.tolist() == pytest.approx(expected, rel=1e-9)
    assert_gradients(batch, formulas, pairs)


def test_tdpo2_without_divergences_is_dpo() -> None:
    batch, _ = random_batch(0)
    losses_B = tdpo2(batch, Tdpo2Options(beta=0.3, alpha=0.0))
    assert torch.equal(losses_B, gpo(batch, GpoOptions(beta=0.3)))


def test_equal_divergences_leave_dpo() -> None:
    batch, _ = random_batch(1)
    same = replace(
        batch, rejected=replace(batch.rejected, divergence_RT=batch.chosen.divergence_RT)
    )
    expected_B = gpo(batch, GpoOptions(beta=0.3))
    torch.testing.assert_close(tdpo1(same, Tdpo1Options(beta=0.3)), expected_B)
    torch.testing.assert_close(tdpo2(same, Tdpo2Options(beta=0.3)), expected_B)


def test_tdpo2_with_full_divergences_has_the_value_of_tdpo1_but_not_its_gradient() -> None:
    first, _ = random_batch(2)
    second, _ = random_batch(2)
    losses1_B = tdpo1(first, Tdpo1Options(beta=0.3))
    losses2_B = tdpo2(second, Tdpo2Options(beta=0.3, alpha=1.0))
    assert torch.equal(losses1_B, losses2_B)
    losses1_B.sum().backward()
    losses2_B.sum().backward()
    for side in ("chosen", "rejected"):
        one, two = getattr(first, side), getattr(second, side)
        torch.testing.assert_close(one.logps_RT.grad, two.logps_RT.grad)
    torch.testing.assert_close(
        first.rejected.divergence_RT.grad, second.rejected.divergence_RT.grad
    )
    assert (first.chosen.divergence_RT.grad < 0).all()
    assert second.chosen.divergence_RT.grad is None
