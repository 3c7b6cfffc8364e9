from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import chisquare

from creator.samplers.candidates import Candidates
from creator.samplers.shares import EXPLICIT, first_shares
from creator.samplers.table import SAMPLERS
from selfplay.core.components import Choice, chosen

SCORES = np.array([0.0, 0.5, 0.5, np.nan, 2.0, 0.1, 3.0, 3.0])
DRAWS = 3_000


def candidates(scores: np.ndarray) -> Candidates:
    return Candidates(scores, ages_P=np.arange(len(scores)))


def sampler(name: str, **options: Any) -> Choice:
    return chosen(name, SAMPLERS, SAMPLERS[name].options(**options))


@pytest.mark.parametrize(
    "choice",
    [
        *(sampler(name) for name in EXPLICIT),
        sampler("proportional", floor=0.3),
        sampler("rank", temperature=0.5, floor=0.1),
        sampler("softmax", temperature=2.0),
        sampler("softmax", temperature=0.5, floor=0.2),
        sampler("plr", staleness=0.6, floor=0.1),
    ],
    ids=lambda choice: f"{choice.name} {choice.options}",
)
def test_the_first_draw_has_these_probabilities(choice: Choice) -> None:
    shares_P = first_shares(choice, candidates(SCORES))
    assert shares_P is not None
    assert shares_P.sum() == pytest.approx(1.0)
    sample, rng = choice.build(), np.random.default_rng(0)
    firsts = [int(sample(candidates(SCORES), 1, rng)[0]) for _ in range(DRAWS)]
    counts = np.bincount(firsts, minlength=len(SCORES))
    possible = shares_P > 0
    assert not counts[~possible].any()
    assert possible.sum() > 1
    assert chisquare(counts[possible], DRAWS * shares_P[possible]).pvalue > 1e-4


@pytest.mark.parametrize("name", EXPLICIT)
@pytest.mark.parametrize("score", [0.0, 1.0, np.nan])
def test_prompts_of_equal_scores_and_ages_are_equally_likely(name: str, score: float) -> None:
    alike = Candidates(np.full(4, score), ages_P=np.full(4, 2))
    np.testing.assert_allclose(first_shares(sampler(name), alike), 0.25)


def test_a_cold_softmax_stays_finite() -> None:
    shares_P = first_shares(
        sampler("softmax", temperature=1e-3), candidates(np.array([1.0, 900.0]))
    )
    np.testing.assert_array_equal(shares_P, [0.0, 1.0])


@pytest.mark.parametrize("name", sorted(SAMPLERS.keys() - EXPLICIT.keys()))
def test_of_the_other_samplers_nothing_is_claimed(name: str) -> None:
    assert first_shares(sampler(name), candidates(SCORES)) is None


def test_of_no_candidates_nothing_is_said() -> None:
    assert first_shares(sampler("proportional"), candidates(np.empty(0))) is None
