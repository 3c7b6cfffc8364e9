"""The margins are those of the estimators' formulas, worked out below; nothing is tuned.

With σ the noise of one judgement, m judgements and n responses, the noise of a mean is τ = σ/√m. On
a prompt whose responses are all equal

- the raw gap is the range of n normals: d₂(n)·τ in expectation, d₂ = ∫ 1 − Φⁿ − (1 − Φ)ⁿ;
- the raw variance is τ² in expectation;
- a corrected value is the cut at 0 of a number X of mean 0, and E[max(0, X)] = E|X|/2 ≤ sd(X)/2.
  For the gap, X averages two differences of two means of m/2 judgements: sd(X) ≤ 2τ. For the
  variance, X = s²_between − s²_within/m: sd(X) = τ²·√(2/(n − 1) + 2/(n(m − 1))).
"""

from __future__ import annotations

from itertools import product
from math import sqrt

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from benchmarks.judge_noise import (
    STUDIED,
    all_equal,
    judged,
    outcome,
    recorded,
    shares,
    synthetic,
    values,
)
from creator.estimators.moments import FloatArray
from creator.estimators.table import ESTIMATORS
from selfplay.core.components import chosen
from selfplay.core.seeding import Seed
from tests.creator.gate_surroundings import needs_gsm8k

PROMPTS, RESPONSES, REPEATS = 8_000, 8, 4
VARIANCE = RESPONSES / (RESPONSES - 1) / 4
"""Of a group that is half right and half wrong: its gap is 1."""


def wasted(name: str, sigma: float) -> float:
    """Share of a draw that goes to prompts of which only the judge's noise is seen.

    One half of the prompts are those; the other half is mixed, and judged without noise.
    """
    mixed_P = np.arange(PROMPTS) < PROMPTS // 2
    true_PG = np.where(mixed_P[:, None], np.arange(RESPONSES) % 2, 1).astype(np.float64)
    rng = Seed(0, ("wasted",)).numpy()
    evidence = judged(true_PG, np.where(mixed_P, 0.0, sigma), REPEATS, rng)
    return float(shares(values(chosen(name, ESTIMATORS).build(), evidence))[~mixed_P].sum())


def range_of_normals(n: int) -> float:
    """d₂(n): the expected range of n standard normals."""
    return float(quad(lambda x: 1 - norm.cdf(x) ** n - norm.sf(x) ** n, -np.inf, np.inf)[0])


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0, 4.0])
def test_the_raw_gap_chases_noise_and_the_corrected_one_keeps_its_choice(sigma: float) -> None:
    tau = sigma / sqrt(REPEATS)
    raw = range_of_normals(RESPONSES) * tau
    margin = raw / (raw + 1) - tau / (tau + 1)
    assert margin > 0.1
    assert wasted("regret_gap", sigma) - wasted("corrected_gap", sigma) >= margin


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0, 4.0])
def test_the_raw_variance_chases_noise_and_the_corrected_one_less(sigma: float) -> None:
    raw = sigma**2 / REPEATS
    cut = raw / 2 * sqrt(2 / (RESPONSES - 1) + 2 / (RESPONSES * (REPEATS - 1)))
    margin = raw / (raw + VARIANCE) - cut / (cut + VARIANCE)
    assert margin > 0.1
    assert wasted("variance", sigma) - wasted("corrected_variance", sigma) >= margin


def test_without_noise_nothing_changes() -> None:
    _, true_PG = synthetic(prompts=600)
    for name in STUDIED:
        found = outcome(true_PG, 0.0, chosen(name, ESTIMATORS).build(), Seed(0))
        assert (found.top_equal, found.overlap, found.kept) == (0.0, 1.0, 1.0)
        assert found.drawn_equal == 0.0


def wasted_places(true_PG: FloatArray, sigma: float, name: str) -> float:
    """Among the highest, in 20 draws of the noise."""
    estimator = chosen(name, ESTIMATORS).build()
    return float(
        np.mean([outcome(true_PG, sigma, estimator, Seed(i)).top_equal for i in range(20)])
    )


@needs_gsm8k
def test_on_real_answers_correction_wastes_fewer_of_the_chosen_places() -> None:
    _, true_PG = recorded()
    assert true_PG.shape == (1319, 4)
    assert 0.4 < all_equal(true_PG).mean() < 0.5
    for sigma, kind in product((1.0, 2.0, 4.0), ("gap", "variance")):
        raw = wasted_places(true_PG, sigma, "regret_gap" if kind == "gap" else kind)
        assert wasted_places(true_PG, sigma, f"corrected_{kind}") < raw
