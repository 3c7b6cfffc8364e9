from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creator.estimators.evidence import NEVER
from creator.pool.contents import Contents, Replacement, lowest, others
from creator.pool.dropping import dropped
from creator.pool.retirement import UNRESTED, Standing, success_rates, visited
from creator.pool.table import REPLACEMENTS, PoolOptions, RetireOptions
from selfplay.config import load_values
from selfplay.core.errors import ConfigError

TASKS = ("sum", "spell", "sort")


def contents(values: list[float], **columns: object) -> Contents:
    """Prompts with these values; all else alike unless said otherwise."""
    size = len(values)
    alike = {
        "seen_P": np.ones(size, np.int32),
        "rates_P": np.full(size, 0.5, np.float32),
        "tasks_P": np.zeros(size, np.int32),
        "operators_P": np.zeros(size, np.int32),
        "new_P": np.zeros(size, bool),
    }
    given = {name: np.array(column) for name, column in columns.items()}
    return Contents(np.array(values, np.float32), **alike | given)


def some(size: int, seed: int = 0) -> Contents:
    """Prompts of all kinds, some of them never scored."""
    rng = np.random.default_rng(seed)
    scored = rng.random(size) < 0.8
    return contents(
        np.where(scored, rng.integers(0, 5, size), nan).tolist(),
        seen_P=np.where(scored, rng.integers(1, 9, size), NEVER),
        rates_P=np.where(scored, rng.integers(0, 9, size) / 8, nan),
        tasks_P=rng.integers(0, 3, size),
        operators_P=rng.integers(0, 2, size),
        new_P=np.arange(size) >= 0.9 * size,
    )


def pool_options(**values: object) -> PoolOptions:
    return load_values(values, "test", PoolOptions).config


def going(found: Contents, **values: object) -> list[int]:
    options = pool_options(**values)
    return dropped(found, TASKS, options, built(options)).tolist()


def built(options: PoolOptions) -> Replacement:
    replacement: Replacement = options.replacement.build()
    return replacement


numbers = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=30)


@settings(max_examples=80, deadline=None)
@given(pairs=numbers, share=st.floats(0, 1))
def test_the_lowest_are_those_that_sorting_puts_first(
    pairs: list[tuple[int, int]], share: float
) -> None:
    first, second = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    count = int(share * len(pairs))
    expected = sorted(np.lexsort((second, first))[:count].tolist())
    assert lowest((first, second), count).tolist() == expected
    assert others(len(pairs), np.array(expected, np.intp)).tolist() == [
        row for row in range(len(pairs)) if row not in expected
    ]


@pytest.mark.parametrize("name", ["lowest_value", "oldest"])
def test_a_pool_without_bounds_keeps_everything(name: str) -> None:
    assert going(some(50), replacement=name) == []
    assert going(some(50), replacement=name, capacity=50) == []
    assert going(contents([]), replacement=name, capacity=1) == []


def test_the_least_valuable_go_and_of_equals_the_one_scored_longest_ago() -> None:
    found = contents([3, 1, 1, 2, 1], seen_P=[9, 5, 4, 1, 5])
    assert going(found, capacity=4) == [2]
    assert going(found, capacity=3) == [1, 2]
    assert going(found, capacity=1) == [1, 2, 3, 4]


def test_an_unknown_value_stands_at_the_mean_of_the_known_and_not_at_zero() -> None:
    found = contents([0, nan, 4, 1, 3], seen_P=[1, NEVER, 1, 1, 1])
    assert going(found, capacity=4) == [0]
    assert going(found, capacity=3) == [0, 3]
    assert going(found, capacity=2) == [0, 1, 3]
    assert going(contents([nan, nan, nan], seen_P=[2, NEVER, 3]), capacity=1) == [0, 1]


@settings(max_examples=60, deadline=None)
@given(
    held=st.lists(st.integers(0, 9), min_size=4, max_size=4),
    newcomers=st.lists(st.integers(0, 9), max_size=6),
)
def test_newcomers_come_in_by_the_rule_of_plr(held: list[int], newcomers: list[int]) -> None:
    kept = list(held)
    for score in newcomers:  # one after the other, each against the lowest
        if score >= min(kept):
            kept[kept.index(min(kept))] = score
    found = contents(
        [*held, *newcomers],
        seen_P=[1] * 4 + [2] * len(newcomers),
        new_P=[False] * 4 + [True] * len(newcomers),
    )
    gone = going(found, capacity=4)
    left = others(len(found), np.array(gone, np.intp))
    assert sorted(found.values_P[left].tolist()) == sorted(kept)


def test_newcomers_stay_when_that_is_asked_for() -> None:
    found = contents([3, 2, 0, 1], new_P=[False, False, True, True])
    replacement = {"name": "lowest_value", "newcomers_stay": True}
    assert going(found, capacity=3, replacement=replacement) == [1]
    assert going(found, capacity=1, replacement=replacement) == [0, 1, 2]
    assert going(found, capacity=3) == [2]


def test_the_oldest_go_first_and_before_them_what_was_never_scored() -> None:
    found = contents([9, 0, nan, 0], seen_P=[2, 4, NEVER, 3])
    assert going(found, capacity=3, replacement="oldest") == [2]
    assert going(found, capacity=2, replacement="oldest") == [0, 2]


def elites(found: Contents, per_cell: int, bins: int, operators: bool) -> set[int]:
    """The rows that a dictionary of cells would keep."""
    worths = np.where(np.isnan(found.values_P), np.nanmean(found.values_P), found.values_P)
    shelves: dict[tuple[object, ...], list[int]] = {}
    for row in sorted(range(len(found)), key=lambda r: (-worths[r], -found.seen_P[r], -r)):
        rate = float(found.rates_P[row])
        part = None if np.isnan(rate) else min(int(rate * bins), bins - 1)
        skill = (found.tasks_P[row], found.operators_P[row] if operators else None)
        shelf = shelves.setdefault((skill, part), [])
        if len(shelf) < per_cell:
            shelf.append(row)
    return {row for shelf in shelves.values() for row in shelf}


@pytest.mark.parametrize("skill", ["task", "task_and_operator"])
@pytest.mark.parametrize("per_cell", [1, 3])
def test_cells_keep_the_best_of_each_skill_and_difficulty(skill: str, per_cell: int) -> None:
    found = some(200)
    replacement = {"name": "cells", "skill": skill, "bins": 4, "per_cell": per_cell}
    gone = going(found, replacement=replacement)
    kept = set(range(200)) - set(gone)
    assert kept == elites(found, per_cell, 4, skill == "task_and_operator")


def test_the_ends_of_the_success_rate_are_in_the_outer_bins_and_unknown_rates_apart() -> None:
    found = contents([5, 4, 3, 2], rates_P=[1.0, 0.95, 0.0, nan])
    replacement = {"name": "cells", "bins": 2, "per_cell": 1}
    assert going(found, replacement=replacement) == [1]


def test_a_capacity_cuts_the_fullest_cells_and_there_the_least_valuable() -> None:
    found = contents([9, 8, 7, 6, 1, 2, 0], rates_P=[0.1] * 4 + [0.9] * 2 + [0.5])
    replacement = {"name": "cells", "bins": 3}
    assert going(found, replacement=replacement, capacity=6) == [3]
    assert going(found, replacement=replacement, capacity=5) == [2, 3]
    assert going(found, replacement=replacement, capacity=4) == [2, 3, 4]
    assert going(found, replacement=replacement, capacity=3) == [1, 2, 3, 4]
    assert going(found, replacement=replacement, capacity=2) == [1, 2, 3, 4, 6]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 99),
    size=st.integers(1, 60),
    capacity=st.integers(1, 40),
    name=st.sampled_from(sorted(REPLACEMENTS)),
    shares=st.dictionaries(st.sampled_from(TASKS), st.sampled_from([0.0, 0.2, 1 / 3])),
)
def test_a_pool_is_as_full_as_it_may_be_and_quotas_are_kept(
    seed: int, size: int, capacity: int, name: str, shares: Mapping[str, float]
) -> None:
    found = some(size, seed)
    alone = going(found, replacement=name)
    allowed = Counter(found.tasks_P[others(size, np.array(alone, np.intp))].tolist())
    gone = going(found, replacement=name, capacity=capacity, quotas=shares)
    assert gone == sorted(set(gone))
    left = Counter(found.tasks_P[others(size, np.array(gone, np.intp))].tolist())
    assert left.total() == min(capacity, allowed.total())
    for task, share in shares.items():
        code = TASKS.index(task)
        assert left[code] >= min(int(share * capacity + 1e-9), allowed[code])


def test_a_quota_keeps_the_best_of_its_task() -> None:
    found = contents([9, 8, 7, 3, 2, 1], tasks_P=[0, 0, 0, 1, 1, 1])
    assert going(found, capacity=3) == [3, 4, 5]
    assert going(found, capacity=3, quotas={"spell": 0.34}) == [2, 4, 5]
    assert going(found, capacity=3, quotas={"unheard": 0.9}) == [3, 4, 5]


def test_an_unknown_value_counts_as_the_mean_of_the_whole_pool_within_a_quota_too() -> None:
    found = contents([9, 9, nan, 1, 2], tasks_P=[0, 0, 1, 1, 1])
    assert going(found, capacity=2, quotas={"spell": 0.5}) == [0, 3, 4]


def test_cells_and_quotas_together_keep_to_the_size_of_a_cell() -> None:
    found = some(300)
    replacement = {"name": "cells", "bins": 2, "per_cell": 4}
    gone = going(found, replacement=replacement, capacity=20, quotas={"sum": 0.5})
    left = others(300, np.array(gone, np.intp))
    parts = np.nan_to_num(np.minimum(found.rates_P[left] * 2, 1) // 1, nan=2)
    sizes = Counter(zip(found.tasks_P[left].tolist(), parts.tolist(), strict=True))
    assert max(sizes.values()) <= 4
    assert (found.tasks_P[left] == 0).sum() >= 10


def stood(rate: float, streak: int = 0, rest: int = UNRESTED) -> Standing:
    return Standing(np.array([rate]), np.array([streak]), np.array([rest]))


def course(rates: list[float], options: RetireOptions, first: int = 1) -> list[int]:
    """When the prompt may be a parent again, after each visit, one a round."""
    standing, rests = stood(nan), []
    for t, rate in enumerate(rates, first):
        standing = visited(standing, np.array([rate]), t, options)
        rests.append(int(standing.rests_P[0]))
    return rests


def test_solved_and_hopeless_prompts_rest_after_so_many_visits_in_a_row() -> None:
    options = RetireOptions(after=2, recheck=10)
    assert course([1.0, 1.0, 1.0, 0.5, 1.0], options) == [0, 12, 13, 0, 0]
    assert course([0.0, 0.0], options) == [0, 12]
    assert course([1.0, 0.0, 1.0, 0.0], options) == [0, 0, 0, 0]
    assert course([0.9, 0.9], RetireOptions(after=2, solved=0.8, recheck=3)) == [0, 5]


def test_a_prompt_that_is_still_solved_after_its_rest_rests_as_long_again() -> None:
    options = RetireOptions(after=2, recheck=10)
    resting = visited(stood(1.0, streak=1), np.array([1.0]), 5, options)
    again = visited(resting, np.array([1.0]), 15, options)
    assert (resting.rests_P[0], again.rests_P[0]) == (15, 25)
    better = visited(resting, np.array([0.5]), 15, options)
    assert (better.rests_P[0], better.streaks_P[0]) == (UNRESTED, 0)


def test_a_visit_without_scores_changes_nothing() -> None:
    options = RetireOptions(after=2, recheck=10)
    assert course([1.0, nan, 1.0], options) == [0, 0, 13]
    assert course([1.0, 1.0, nan, 0.0], options) == [0, 12, 12, 0]


def test_nothing_rests_unless_asked_for() -> None:
    assert course([1.0] * 50, RetireOptions()) == [0] * 50


def test_success_rates_count_or_average_and_leave_missing_rewards_out() -> None:
    rewards = np.array([[0.4, 0.6, nan, 1.0], [0.0, 0.0, 0.0, nan], [nan] * 4])
    np.testing.assert_allclose(success_rates(rewards, 0.5), [2 / 3, 0.0, nan])
    np.testing.assert_allclose(success_rates(rewards, None), [2 / 3, 0.0, nan])
    np.testing.assert_allclose(success_rates(rewards, 0.7)[:1], [1 / 3])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"capacity": 0}, r"capacity: expected 1 or more, or null, found 0"),
        ({"capacity": 9, "quotas": {"a": 1.5}}, r"quotas\.a: expected a share from 0 to 1"),
        ({"capacity": 9, "quotas": {"a": 0.6, "b": 0.6}}, r"quotas: expected shares of up to 1"),
        ({"quotas": {"a": 0.5}}, r"quotas: expected a capacity to take shares of"),
        ({"retire": {"after": 0}}, r"after: expected 1 or more, or null, found 0"),
        ({"retire": {"solved": 0.0}}, r"solved: expected a rate above \S*hopeless, found 0.0 and"),
        ({"retire": {"recheck": 0}}, r"recheck: expected 1 or more"),
        ({"replacement": {"name": "cells", "bins": 0}}, r"bins: expected 1 or more"),
        ({"replacement": {"name": "cells", "skill": "tsk"}}, r"skill: expected task or task_and"),
        ({"replacement": "newest"}, r"no component is called 'newest'"),
        ({"trust": {"rounds": 0.0}}, r"rounds: expected above 0, or null"),
    ],
)
def test_impossible_options_are_refused(values: Mapping[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        pool_options(**values)
