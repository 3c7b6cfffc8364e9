from __future__ import annotations

import math

import numpy as np
import pytest

from creator.diversity import distinct_ngrams, effective_clusters, embedding_spread


def grouped(shares: tuple[int, ...]) -> np.ndarray:
    """Vectors along different axes, so many of each, of different lengths."""
    axes = np.repeat(np.arange(len(shares)), shares)
    return np.eye(len(shares))[axes] * np.arange(1, len(axes) + 1)[:, None]


def test_distinct_ngrams_count_each_once_and_ignore_case() -> None:
    assert distinct_ngrams(["a b a b"]) == 2 / 3
    assert distinct_ngrams(["The cat", "the CAT", "the dog"]) == 2 / 3
    assert distinct_ngrams(["a a a"], n=1) == 1 / 3
    assert distinct_ngrams(["all words differ here"]) == 1.0


def test_ngrams_do_not_cross_from_one_text_to_the_next() -> None:
    assert distinct_ngrams(["a b", "b a"]) == distinct_ngrams(["a b", "c d"]) == 1.0


def test_without_ngrams_nothing_can_be_said() -> None:
    assert math.isnan(distinct_ngrams([]))
    assert math.isnan(distinct_ngrams(["one", ""], n=2))
    with pytest.raises(ValueError, match="1 word or more, found n = 0"):
        distinct_ngrams(["a b"], n=0)


def test_spread_is_the_mean_distance_over_all_pairs() -> None:
    vectors = np.random.default_rng(0).normal(size=(40, 7))
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = [1 - units[i] @ units[j] for i in range(40) for j in range(i)]
    assert embedding_spread(vectors) == pytest.approx(np.mean(pairs), rel=1e-12)


def test_spread_of_alike_orthogonal_and_opposite_vectors() -> None:
    assert embedding_spread(np.ones((5, 3))) == pytest.approx(0.0, abs=1e-15)
    assert embedding_spread(np.eye(4)) == pytest.approx(1.0)
    assert embedding_spread(np.array([[1.0, 0.0], [-2.0, 0.0]])) == pytest.approx(2.0)
    assert math.isnan(embedding_spread(np.ones((1, 3))))


def test_alike_vectors_are_one_kind_and_orthogonal_ones_a_kind_each() -> None:
    assert effective_clusters(np.full((9, 4), 0.5)) == pytest.approx(1.0)
    assert effective_clusters(np.eye(6)) == pytest.approx(6.0)


@pytest.mark.parametrize("shares", [(5, 5), (8, 1, 1), (3, 2, 1, 6)])
def test_orthogonal_groups_count_by_the_entropy_of_their_shares(shares: tuple[int, ...]) -> None:
    parts = np.array(shares) / sum(shares)
    expected = np.exp(-(parts * np.log(parts)).sum())
    assert effective_clusters(grouped(shares)) == pytest.approx(expected)


def test_the_number_of_kinds_is_the_same_by_either_matrix_and_in_any_order() -> None:
    rng = np.random.default_rng(1)
    wide = rng.normal(size=(10, 30))
    padded = np.concatenate([wide, np.zeros((10, 5))], axis=1)
    tall = np.concatenate([wide, wide, wide, wide])  # each prompt four times: no new kinds
    assert effective_clusters(tall) == pytest.approx(effective_clusters(wide))
    assert effective_clusters(padded[rng.permutation(10)]) == pytest.approx(
        effective_clusters(wide)
    )


def test_vectors_without_a_direction_are_refused() -> None:
    with pytest.raises(ValueError, match=r"with a direction, found \[0\. 0\.\]"):
        embedding_spread(np.array([[1.0, 0.0], [0.0, 0.0]]))
    with pytest.raises(ValueError, match="with a direction"):
        effective_clusters(np.array([[1.0, math.nan]]))
    with pytest.raises(ValueError, match=r"shape \(N, D\), found \(3,\)"):
        effective_clusters(np.ones(3))
    assert math.isnan(effective_clusters(np.empty((0, 3))))
