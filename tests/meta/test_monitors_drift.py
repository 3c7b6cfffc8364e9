"""The test of a drift: its false-positive rate by simulation, and what it is by hand."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, hypergeom, norm

from meta.monitors.drift import bound, drawn, drift
from meta.monitors.seen import FloatArray, Side

RNG = np.random.default_rng


def exact(reference: FloatArray, now: FloatArray) -> float:
    """The share of all ways to choose the second sample whose mean is as high."""
    pooled = np.concatenate([reference, now])
    sums = [pooled[list(way)].sum() for way in combinations(range(len(pooled)), len(now))]
    return float(np.mean(np.array(sums) >= now.sum() - 1e-9))


def test_the_p_value_is_the_share_of_permutations_that_are_as_far_off() -> None:
    reference, now = RNG(0).normal(size=8), RNG(1).normal(0.9, size=5)
    found = drift(reference, now, "up", 1e-4, RNG(2))
    # Draws stop at the fourth way that is as far off: the estimate has a relative error of a half.
    assert found.p == pytest.approx(exact(reference, now), rel=1.0)
    means = np.mean([drift(reference, now, "up", 1e-4, RNG(i)).p for i in range(300)])
    # E[4 / l] of a negative binomial is 4p/3 in the limit of small p.
    assert exact(reference, now) <= means <= 1.6 * exact(reference, now)


def test_a_rare_event_has_its_hypergeometric_p_value() -> None:
    reference, now = np.zeros(150), np.array([1.0] * 4 + [0.0] * 46)
    p = hypergeom.sf(3, 200, 4, 50)
    assert p == pytest.approx(comb(50, 4) / comb(200, 4))
    found = drawn(np.concatenate([reference, now]), 50, 4.0, 1e-5, RNG(0))
    assert p / 3 < found < 3 * p


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 32), min_size=7, max_size=12),
    st.integers(2, 4),
)
def test_the_bound_is_never_below_the_exact_p_value(values: list[int], m: int) -> None:
    pooled = np.array(values) / 32.0
    now = np.sort(pooled)[-m:]
    reference = np.sort(pooled)[:-m]
    assert bound(pooled, m, float(now.sum())) >= exact(reference, now) - 1e-12


@pytest.mark.parametrize("side", ["up", "both"])
@pytest.mark.parametrize("kind", ["normal", "skewed", "rare"])
def test_without_a_drift_a_test_alarms_at_no_more_than_its_level(side: Side, kind: str) -> None:
    rng, level, runs = RNG(3), 0.02, 1500

    def sample(n: int) -> FloatArray:
        if kind == "rare":
            return (rng.random(n) < 0.03).astype(np.float64)
        return rng.normal(size=n) if kind == "normal" else rng.exponential(size=n) ** 2

    alarms = sum(drift(sample(40), sample(12), side, level, rng).p <= level for _ in range(runs))
    assert binomtest(alarms, runs, level, alternative="greater").pvalue > 1e-3
    if kind != "rare":  # and it is no test that never alarms
        assert binomtest(alarms, runs, level, alternative="less").pvalue > 1e-3


@pytest.mark.parametrize("shift", [0.75, 1.0])
def test_a_planted_shift_is_found_about_as_often_as_by_a_test_that_knows_the_distribution(
    shift: float,
) -> None:
    rng, level, runs = RNG(4), 1e-4, 25
    found = [
        drift(rng.normal(size=192), rng.normal(shift, size=48), "both", level, rng).p <= level
        for _ in range(runs)
    ]
    power = norm.sf(norm.isf(level / 2) - shift / np.sqrt(1 / 192 + 1 / 48))
    assert np.mean(found) >= power - 2 * np.sqrt(power * (1 - power) / runs) - 0.05


def test_a_drift_to_the_other_side_is_none() -> None:
    low, high = np.zeros(30) + RNG(0).random(30), RNG(1).random(30) + 5.0
    assert drift(high, low, "up", 1e-3, RNG(0)).p == 1.0
    assert drift(low, high, "down", 1e-3, RNG(0)).p == 1.0
    assert drift(high, low, "down", 1e-3, RNG(0)).p < 1e-6
    assert drift(high, low, "both", 1e-3, RNG(0)).size < -4.0


def test_values_that_are_all_equal_have_not_drifted() -> None:
    assert drift(np.ones(20), np.ones(5), "both", 1e-3, RNG(0)).p == 1.0


def test_more_prompts_now_than_in_the_reference_are_no_trouble() -> None:
    reference, now = RNG(0).random(20), RNG(1).random(90) + 1.5
    assert drift(reference, now, "up", 1e-4, RNG(0)).p < 1e-4
    clean = [
        drift(RNG(i).random(20), RNG(-i % 999).random(90), "up", 0.05, RNG(i)).p
        for i in range(1, 200)
    ]
    assert np.mean(np.array(clean) <= 0.05) < 0.12


def test_the_same_generator_gives_the_same_p_value() -> None:
    reference, now = RNG(0).normal(size=60), RNG(1).normal(0.3, size=20)
    found = [drift(reference, now, "both", 1e-4, RNG(5)) for _ in range(2)]
    assert found[0] == found[1]
