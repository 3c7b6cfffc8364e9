from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from creator.sample import draw


def first_draw_shares(scores: np.ndarray, draws: int = 20_000) -> np.ndarray:
    rng = np.random.default_rng(0)
    first = [draw(scores, 1, rng)[0] for _ in range(draws)]
    return np.bincount(first, minlength=len(scores)) / draws


def chi_square(observed: np.ndarray, expected: np.ndarray) -> float:
    return float((((observed - expected) ** 2) / expected).sum())


def test_the_first_draw_is_proportional_to_the_scores() -> None:
    scores = np.array([1.0, 2.0, 3.0, 4.0])
    draws = 20_000
    observed = first_draw_shares(scores, draws) * draws
    assert chi_square(observed, scores / scores.sum() * draws) < 16.27  # 3 degrees, p = 0.001


def test_ordered_pairs_follow_successive_drawing_without_replacement() -> None:
    weights = np.array([0.5, 0.3, 0.2])
    rng = np.random.default_rng(1)
    draws = 30_000
    seen = dict.fromkeys(permutations(range(3), 2), 0)
    for _ in range(draws):
        i, j = draw(weights, 2, rng)
        seen[int(i), int(j)] += 1
    expected = {(i, j): weights[i] * weights[j] / (1 - weights[i]) * draws for i, j in seen}
    observed = np.array(list(seen.values()))
    assert chi_square(observed, np.array(list(expected.values()))) < 20.52  # 5 degrees, p = 0.001


@pytest.mark.parametrize("scores", [np.zeros(4), np.full(4, 7.0), np.full(4, np.nan)])
def test_equal_zero_and_unknown_scores_are_drawn_uniformly(scores: np.ndarray) -> None:
    draws = 20_000
    observed = first_draw_shares(scores, draws) * draws
    assert chi_square(observed, np.full(4, draws / 4)) < 16.27


def test_zero_scores_come_only_after_all_others() -> None:
    rng = np.random.default_rng(2)
    for _ in range(200):
        order = draw(np.array([0.0, 1e-9, 0.0, 5.0]), 4, rng)
        assert set(order[:2]) == {1, 3}
        assert set(order) == {0, 1, 2, 3}


def test_an_unknown_score_weighs_as_much_as_the_mean_of_the_known() -> None:
    shares = first_draw_shares(np.array([1.0, 3.0, np.nan]))
    assert shares == pytest.approx([1 / 6, 3 / 6, 2 / 6], abs=0.015)


def test_asking_for_more_than_there_is_gives_all() -> None:
    assert sorted(draw(np.array([1.0, 0.0]), 9, np.random.default_rng(0))) == [0, 1]
    assert draw(np.array([2.0]), 1, np.random.default_rng(0)).tolist() == [0]
    assert draw(np.array([]), 3, np.random.default_rng(0)).size == 0


@pytest.mark.parametrize("bad", [-1.0, np.inf])
def test_negative_and_infinite_scores_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        draw(np.array([1.0, bad]), 1, np.random.default_rng(0))
