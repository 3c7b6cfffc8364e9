"""Claims about families, the split by them, and the choice of the most valuable prompts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from selfplay.exports.candidates import _ROW, Candidates
from selfplay.exports.choosing import BANDS, best, by_cells, by_distance, hashed_words
from selfplay.exports.families import smallest_kin, validation_mask

Edge = tuple[int, int]
NODES = st.integers(0, 2**64 - 1)


@st.composite
def lineages(draw: st.DrawFn) -> tuple[list[int], list[Edge]]:
    """Prompts that are exported, and edges between these and others of the run."""
    nodes = draw(st.lists(NODES, min_size=1, max_size=30, unique=True))
    edges = draw(st.lists(st.tuples(st.sampled_from(nodes), st.sampled_from(nodes)), max_size=30))
    exported = draw(st.lists(st.sampled_from(nodes), min_size=1, unique=True))
    return exported, edges


def kin(start: int, edges: list[Edge]) -> set[int]:
    """All that a walk along the edges reaches."""
    reached, frontier = {start}, [start]
    while frontier:
        node = frontier.pop()
        for one, other in edges:
            for here, there in ((one, other), (other, one)):
                if here == node and there not in reached:
                    reached.add(there)
                    frontier.append(there)
    return reached


def labels(exported: list[int], edges: list[Edge]) -> list[int]:
    ids_N = np.array(exported, np.uint64)
    return smallest_kin(ids_N, np.array(edges, np.uint64).reshape(-1, 2)).tolist()


@given(lineages())
@settings(deadline=None)
def test_a_family_is_all_that_a_walk_along_descent_reaches(
    lineage: tuple[list[int], list[Edge]],
) -> None:
    exported, edges = lineage
    assert labels(exported, edges) == [min(kin(prompt, edges)) for prompt in exported]


@settings(deadline=None)
@given(lineages(), st.floats(0, 0.99), st.integers(0, 9))
def test_no_descent_crosses_the_split_and_its_share_is_kept(
    lineage: tuple[list[int], list[Edge]], share: float, seed: int
) -> None:
    exported, edges = lineage
    mask = validation_mask(np.array(labels(exported, edges), np.uint64), share, seed).tolist()
    side = dict(zip(exported, mask, strict=True))
    for prompt in exported:
        assert {side[relative] for relative in kin(prompt, edges) if relative in side} == {
            side[prompt]
        }
    assert sum(mask) <= share * len(exported)


@settings(deadline=None)
@given(st.lists(NODES, min_size=20, max_size=60, unique=True), st.integers(0, 9))
def test_without_families_the_share_is_reached(ids: list[int], seed: int) -> None:
    mask = validation_mask(np.array(ids, np.uint64), 0.25, seed)
    assert mask.sum() == len(ids) // 4


def test_the_split_does_not_depend_on_the_order_of_the_prompts() -> None:
    ids_N = np.arange(100, dtype=np.uint64)
    mask_N = validation_mask(ids_N, 0.3, 0)
    assert (validation_mask(ids_N[::-1], 0.3, 0)[::-1] == mask_N).all()
    assert (validation_mask(ids_N, 0.3, 1) != mask_N).any()


def table(rows: list[tuple[float, float, int]]) -> Candidates:
    """Prompts of (value, difficulty, kind)."""
    packed = [(i, 1, value, 0.0, hard, kind) for i, (value, hard, kind) in enumerate(rows)]
    return Candidates(np.array(packed, _ROW), (("a", "x"), ("a", "y"), ("b", "x")))


VALUES = st.one_of(st.just(float("nan")), st.floats(0, 1))
TABLES = st.lists(st.tuples(VALUES, VALUES, st.integers(0, 2)), min_size=1, max_size=40)


def cells(found: Candidates) -> Iterator[tuple[int, int]]:
    for hard, kind in zip(found.difficulty_N.tolist(), found.kind_N.tolist(), strict=True):
        yield kind, BANDS if np.isnan(hard) else min(int(hard * BANDS), BANDS - 1)


@given(TABLES, st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_no_cell_gives_two_more_than_another_that_has_them(
    rows: list[tuple[float, float, int]], count: int
) -> None:
    found = table(rows)
    places = by_cells(found, count).tolist()
    assert len(places) == len(set(places)) == min(count, len(rows))
    all_cells = list(cells(found))
    given_by = {cell: sum(all_cells[p] == cell for p in places) for cell in set(all_cells)}
    for cell, given_ in given_by.items():
        if given_ < all_cells.count(cell):
            assert max(given_by.values()) <= given_ + 1


@given(TABLES)
@settings(max_examples=60, deadline=None)
def test_the_best_of_a_cell_comes_before_its_others(rows: list[tuple[float, float, int]]) -> None:
    found = table(rows)
    all_cells = list(cells(found))
    value = np.nan_to_num(found.value_N, nan=-1.0)
    last: dict[tuple[int, int], float] = {}
    for place in by_cells(found, len(rows)).tolist():
        assert value[place] <= last.get(all_cells[place], 1.0)
        last[all_cells[place]] = float(value[place])


def test_prompts_without_an_estimate_come_last() -> None:
    found = table([(float("nan"), 0.5, 0), (0.25, 0.5, 0), (0.75, 0.5, 0)])
    assert best(found, 3).tolist() == [2, 1, 0]


def test_greedy_distance_takes_the_far_before_the_slightly_better() -> None:
    found = table([(0.9, 0.5, 0), (0.8, 0.5, 0), (0.7, 0.5, 0)])
    vectors_3D = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    taken = by_distance(found, 2, lambda places_P: vectors_3D[places_P])
    assert taken.tolist() == [0, 2]


def test_hashed_words_tell_alike_from_different() -> None:
    vectors_3D = hashed_words(["count the red apples", "count the red pears", "rotate a matrix"])
    cosines = vectors_3D @ vectors_3D.T
    assert np.allclose(np.diag(cosines), 1.0)
    assert cosines[0, 1] > 0.4 > 0.2 > cosines[0, 2]
