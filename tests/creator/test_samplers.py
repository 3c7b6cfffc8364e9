from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from creator.replay import ReplayOptions
from creator.samplers.candidates import Candidates, Sampler, filled
from creator.samplers.distributions import Ranked, Weighted, successive
from creator.samplers.draws import BLOCK, apportioned, descending, draw, highest
from creator.samplers.replay import replays
from creator.samplers.strata import earlier_equals
from creator.samplers.table import SAMPLERS
from selfplay.core.components import chosen, load_attribute
from selfplay.core.errors import ConfigError

DRAWS = 2500
NAN = float("nan")
BY_SCORE = ("proportional", "rank", "softmax", "greedy", "stratified")


def sampler(name: str, **options: Any) -> Sampler:
    row = SAMPLERS[name]
    built: Sampler = load_attribute(row.factory)(row.options(**options))
    return built


def candidates(scores: Iterable[float], **columns: Any) -> Candidates:
    """With every column, so that any sampler can draw."""
    scores_P = np.array(list(scores), dtype=float)
    size = len(scores_P)
    arrays = {name: np.asarray(column) for name, column in columns.items() if name[-2:] == "_P"}
    others = {name: column for name, column in columns.items() if name[-2:] != "_P"}
    plain = {
        "ages_P": np.ones(size, int),
        "successes_P": np.zeros(size),
        "failures_P": np.zeros(size),
        "tasks_P": np.zeros(size, int),
    }
    return Candidates(scores_P, **(plain | arrays), **others)


def fits(
    sample: Sampler, given_: Candidates, k: int, expected: Mapping[Any, float], draws: int = DRAWS
) -> bool:
    """Whether outcomes (in order; as a set where `expected` has sets) occur as often as expected.

    Chi-square at p = 0.001, on a fixed seed.
    """
    rng = np.random.default_rng(7)
    kind = type(next(iter(expected)))
    seen = Counter(kind(sample(given_, k, rng).tolist()) for _ in range(draws))
    assert set(seen) <= {outcome for outcome, p in expected.items() if p > 0}
    assert sum(expected.values()) == pytest.approx(1.0)
    possible = [outcome for outcome, p in expected.items() if p > 0]
    wanted = np.array([expected[outcome] * draws for outcome in possible])
    assert wanted.min() >= 5
    found = np.array([seen[outcome] for outcome in possible])
    statistic = ((found - wanted) ** 2 / wanted).sum()
    return bool(statistic < chi2.ppf(0.999, max(1, len(possible) - 1)))


def in_order(p: Iterable[float], k: int) -> dict[tuple[int, ...], float]:
    """Every ordered outcome of k successive draws with first-draw probabilities p."""
    shares = list(p)
    outcomes = {}
    for order in permutations(range(len(shares)), k):
        chance, left = 1.0, sum(shares)
        for i in order:
            chance *= shares[i] / left if left > 0 else 0.0
            left -= shares[i]
        outcomes[order] = chance
    return outcomes


def normal(weights: Iterable[float]) -> np.ndarray:
    array = np.array(list(weights), dtype=float)
    return array / array.sum()


SCORES = [4.0, 1.0, 2.0, 2.0]
RANKED = normal([1.0, 1 / 4, (1 / 2 + 1 / 3) / 2, (1 / 2 + 1 / 3) / 2])
AGES = [0, 6, 1, 3]


@pytest.mark.parametrize(
    ("name", "options", "p"),
    [
        ("proportional", {}, normal(SCORES)),
        ("proportional", {"floor": 0.4}, 0.6 * normal(SCORES) + 0.4 / 4),
        ("rank", {}, RANKED),
        (
            "rank",
            {"temperature": 0.5},
            normal([1, 1 / 16, (1 / 4 + 1 / 9) / 2, (1 / 4 + 1 / 9) / 2]),
        ),
        ("rank", {"floor": 0.2}, 0.8 * RANKED + 0.2 / 4),
        ("softmax", {"temperature": 2.0}, normal(np.exp(np.array(SCORES) / 2))),
        ("softmax", {"floor": 0.5}, 0.5 * normal(np.exp(SCORES)) + 0.5 / 4),
        ("plr", {}, 0.7 * RANKED + 0.3 * normal(AGES)),
        ("plr", {"staleness": 0.8}, 0.2 * RANKED + 0.8 * normal(AGES)),
        ("plr", {"floor": 0.5}, 0.5 * (0.7 * RANKED + 0.3 * normal(AGES)) + 0.5 / 4),
    ],
)
def test_ordered_pairs_are_drawn_with_the_exact_probabilities(
    name: str, options: dict[str, Any], p: np.ndarray
) -> None:
    expected = in_order(p, 2)
    assert fits(sampler(name, **options), candidates(SCORES, ages_P=AGES), 2, expected)


@pytest.mark.parametrize("name", ["proportional", "softmax"])
def test_whole_orders_stay_exact_where_one_prompt_has_nearly_all_the_weight(name: str) -> None:
    p = np.array([0.9, 0.07, 0.03])
    scores = p if name == "proportional" else np.log(100 * p)
    assert fits(sampler(name), candidates(scores), 3, in_order(p, 3))


def test_the_race_and_the_passed_over_draws_agree_on_many_prompts() -> None:
    weights = np.random.default_rng(0).random(50) ** 4
    by_race, by_passing = np.zeros(50), np.zeros(50)
    rng = np.random.default_rng(1)
    for _ in range(2000):
        by_race[draw(np.log(weights), 10, rng)] += 1
        by_passing[successive(Weighted(weights), 50, 10, rng)] += 1
    spread = np.sqrt((by_race + by_passing).clip(1))
    assert (np.abs(by_race - by_passing) / spread).max() < 4


@pytest.mark.parametrize("scores", [[0.0] * 4, [7.0] * 4, [NAN] * 4])
@pytest.mark.parametrize("name", SAMPLERS)
def test_zero_equal_and_unknown_scores_are_drawn_uniformly(name: str, scores: list[float]) -> None:
    expected = in_order([0.25] * 4, 2)
    assert fits(sampler(name), candidates(scores), 2, expected, draws=800)


@pytest.mark.parametrize("name", ["proportional", "rank", "softmax"])
def test_an_unknown_score_counts_as_the_mean_of_the_known(name: str) -> None:
    weights = {
        "proportional": [1.0, 3.0, 2.0],
        "rank": [1 / 3, 1.0, 1 / 2],
        "softmax": np.exp([1.0, 3.0, 2.0]),
    }
    expected = in_order(normal(weights[name]), 1)
    assert fits(sampler(name), candidates([1.0, 3.0, NAN]), 1, expected)


@pytest.mark.parametrize("name", BY_SCORE)
def test_unknown_prompts_come_before_those_known_to_be_useless(name: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        order = sampler(name)(candidates([0.0, NAN, 0.0, NAN]), 4, rng).tolist()
        assert set(order[:2]) == {1, 3}


def test_greedy_breaks_ties_at_random_and_keeps_the_order_of_the_scores() -> None:
    expected = {(1, i): 1 / 3 for i in (0, 2, 3)}
    assert fits(sampler("greedy"), candidates([2.0, 5.0, 2.0, 2.0]), 2, expected)
    assert sampler("greedy")(candidates([1, 3, 2]), 3, np.random.default_rng(0)).tolist() == [
        1,
        2,
        0,
    ]


@pytest.mark.parametrize("k", [1, 2, 3])
def test_strata_take_turns_by_chance_and_are_uniform_within(k: int) -> None:
    sets = {frozenset(order) for order in permutations(range(4), k)}
    both = [s for s in sets if k != 2 or len(s & {0, 2}) == 1]  # the upper half is {0, 2}
    expected = {s: 1 / len(both) if s in both else 0.0 for s in sets}
    assert fits(sampler("stratified", strata=2), candidates([4.0, 1.0, 3.0, 2.0]), k, expected)


def test_equal_scores_fall_on_either_side_of_a_quantile_by_chance() -> None:
    expected = in_order([0.25] * 4, 2)
    assert fits(sampler("stratified", strata=2), candidates([5.0] * 4), 2, expected, draws=800)


def test_quotas_give_each_task_its_share_whatever_its_size() -> None:
    given_ = candidates([1.0, 3.0, 4.0, 9.0], tasks_P=[0, 0, 0, 1], task_names=("sum", "spell"))
    p = normal([1.0, 3.0, 4.0])
    expected = {frozenset({i, 3}): p[i] for i in range(3)}
    assert fits(sampler("quotas"), given_, 2, expected)
    shares = {"sum": 3.0}
    once = {(i,): 0.75 * p[i] for i in range(3)} | {(3,): 0.25}
    assert fits(sampler("quotas", shares=shares), given_, 1, once)


def test_what_a_task_lacks_goes_to_the_others_and_a_share_of_zero_comes_last() -> None:
    given_ = candidates([1.0] * 6, tasks_P=[0, 1, 1, 1, 2, 2], task_names=("a", "b", "c"))
    rng = np.random.default_rng(0)
    for _ in range(50):
        drawn = sampler("quotas", shares={"c": 0.0})(given_, 4, rng)
        assert set(drawn.tolist()) == {0, 1, 2, 3}


def test_tasks_are_drawn_by_boltzmanns_rule_until_they_run_out() -> None:
    given_ = candidates([0.5] * 3, tasks_P=[0, 0, 1], tasks_K=np.array([1.0, 2.0]))
    first, second = normal(np.exp(np.array([1.0, 2.0]) / 0.8))
    pairs = {
        **dict.fromkeys(((0, 1), (1, 0)), first / 2 * first),
        **{(i, 2): first / 2 * second for i in (0, 1)},
        **{(2, i): second / 2 for i in (0, 1)},  # task 1 is used up: what is left is certain
    }
    assert fits(sampler("categories", temperature=0.8), given_, 2, pairs)


def test_without_tasks_values_a_task_is_worth_its_mean_known_score() -> None:
    given_ = candidates([1.0, 3.0, NAN, 1.0], tasks_P=[0, 0, 0, 1])
    high, low = normal(np.exp([2.0, 1.0]))
    expected = {**{(i,): high / 3 for i in range(3)}, (3,): low}
    assert fits(sampler("categories"), given_, 1, expected)


def test_thompson_takes_the_prompt_whose_drawn_rate_is_nearest_to_the_target() -> None:
    given_ = candidates([0.0, 0.0], successes_P=[0.0, 1.0], ages_P=[5, 0])
    # Beta(1, 1) exceeds Beta(2, 1) with probability ∫ u² du.
    highest_rate = {(0,): 1 / 3, (1,): 2 / 3}
    assert fits(sampler("thompson", target=1.0), given_, 1, highest_rate)
    forgotten = candidates([0.0, 0.0], successes_P=[0.0, 1.0], ages_P=[5, 60])
    equal = {(0,): 1 / 2, (1,): 1 / 2}
    assert fits(sampler("thompson", target=1.0, forgetting=0.5), forgotten, 1, equal)


scores_lists = st.lists(
    st.one_of(st.just(0.0), st.just(NAN), st.sampled_from([1.0, 2.0]), st.floats(0, 1e308)),
    max_size=12,
)


@pytest.mark.parametrize("name", SAMPLERS)
@settings(max_examples=30, deadline=None)
@given(scores=scores_lists, k=st.integers(0, 15), seed=st.integers(0, 5))
def test_draws_are_distinct_complete_and_repeatable(
    name: str, scores: list[float], k: int, seed: int
) -> None:
    size = len(scores)
    given_ = candidates(scores, tasks_P=np.arange(size) % 3, ages_P=np.arange(size))
    given_.scores_P.flags.writeable = False
    drawn = sampler(name)(given_, k, np.random.default_rng(seed))
    assert len(set(drawn.tolist())) == len(drawn) == min(k, size)
    assert set(drawn.tolist()) <= set(range(size))
    again = sampler(name)(given_, k, np.random.default_rng(seed))
    np.testing.assert_array_equal(drawn, again)


@pytest.mark.parametrize("name", BY_SCORE)
@settings(max_examples=40, deadline=None)
@given(scores=scores_lists)
def test_scores_of_zero_come_after_all_others(name: str, scores: list[float]) -> None:
    order = sampler(name)(candidates(scores), len(scores), np.random.default_rng(0))
    worthless = filled(np.array(scores))[order] == 0
    assert (np.diff(worthless.astype(int)) >= 0).all()


def test_a_floor_and_staleness_let_worthless_prompts_come() -> None:
    floored = 0.5 * normal([1.0, 0.0]) + 0.25
    assert fits(sampler("proportional", floor=0.5), candidates([1.0, 0.0]), 1, in_order(floored, 1))
    stale = candidates([1.0, 0.0], ages_P=[0, 4])
    assert fits(sampler("plr"), stale, 1, {(0,): 0.7, (1,): 0.3})
    just_visited = candidates([1.0, 0.0], ages_P=[0, 0])
    assert fits(sampler("plr"), just_visited, 1, {(0,): 0.85, (1,): 0.15})


@pytest.mark.parametrize("bad", [-1.0, float("inf")])
@pytest.mark.parametrize("name", BY_SCORE)
def test_negative_and_infinite_scores_are_refused(name: str, bad: float) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        sampler(name)(candidates([1.0, bad]), 1, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("plr", "ages_P"),
        ("thompson", "ages_P"),
        ("quotas", "tasks_P"),
        ("categories", "tasks_P"),
    ],
)
def test_a_missing_column_is_named(name: str, column: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' needs {column}"):
        sampler(name)(Candidates(np.ones(2)), 1, np.random.default_rng(0))


def test_weights_may_differ_by_any_factor() -> None:
    logits = np.array([0.0, -1e5, -2e5, -np.inf])
    for seed in range(20):
        assert draw(logits, 4, np.random.default_rng(seed)).tolist() == [0, 1, 2, 3]
    cold = sampler("softmax", temperature=1e-6)
    assert cold(candidates([1.0, 3.0, 2.0]), 3, np.random.default_rng(0)).tolist() == [1, 2, 0]


def test_low_ranks_keep_their_order_where_their_weights_are_tiny() -> None:
    steep = sampler("rank", temperature=0.05)
    order = steep(candidates(range(9)), 9, np.random.default_rng(0))
    assert order.tolist()[:3] == [8, 7, 6]
    assert order[-1] == 0
    shares = Ranked(np.arange(60.0), 0.05).shares()
    np.testing.assert_allclose(shares[1] / shares[2], (58 / 59) ** 20)


def test_a_race_in_blocks_is_the_same_race() -> None:
    size = 3 * BLOCK + 17
    weights = np.log(np.random.default_rng(0).random(size))
    times = np.log(np.random.default_rng(1).standard_exponential(size)) - weights
    drawn = draw(weights, 40, np.random.default_rng(1))
    np.testing.assert_array_equal(drawn, np.argsort(times)[:40])


@settings(max_examples=40, deadline=None)
@given(scores=st.lists(st.sampled_from([0.0, 1e-9, 0.5, 0.75, 2.0, 7e9]), max_size=20))
def test_the_packed_sort_orders_as_argsort_does(scores: list[float]) -> None:
    array = np.array(scores)
    order, keys = descending(array)
    np.testing.assert_array_equal(order, np.argsort(-array, kind="stable"))
    np.testing.assert_array_equal(np.diff(keys) == 0, np.diff(array[order]) == 0)


def test_positive_scores_rank_above_zero_however_small_they_are() -> None:
    order, _ = descending(np.array([0.0, 1e-300, 1.0]))
    assert order.tolist() == [2, 1, 0]
    assert Ranked(np.array([0.0, 1e-300, 1.0]), 1.0).shares()[0] == 0.0


def test_the_highest_of_nothing_is_nothing() -> None:
    assert highest(np.empty(0), 3, np.random.default_rng(0)).size == 0


parts = st.lists(
    st.tuples(st.sampled_from([0.0, 0.5, 1.0, 3.0]), st.integers(0, 6)), min_size=1, max_size=6
)


@settings(max_examples=80, deadline=None)
@given(parts=parts, k=st.integers(0, 30), seed=st.integers(0, 3))
def test_parts_add_up_and_keep_within_their_room(
    parts: list[tuple[float, int]], k: int, seed: int
) -> None:
    shares, room = (np.array(column) for column in zip(*parts, strict=True))
    counts = apportioned(k, shares.astype(float), room, np.random.default_rng(seed))
    assert counts.sum() == min(k, room.sum())
    assert ((counts >= 0) & (counts <= room)).all()
    if counts[shares == 0].sum():
        assert (counts == room)[shares > 0].all()


def test_a_part_gets_on_average_exactly_its_due() -> None:
    shares, room = np.array([0.5, 0.3, 0.2]), np.array([9, 9, 9])
    rng = np.random.default_rng(0)
    counts = np.array([apportioned(5, shares, room, rng) for _ in range(4000)])
    np.testing.assert_allclose(counts.mean(axis=0), 5 * shares, atol=0.03)
    assert (np.abs(counts - 5 * shares) < 1).all()


def test_no_two_parts_are_always_rounded_alike() -> None:
    rng = np.random.default_rng(0)
    halves, room = np.ones(4), np.full(4, 9)
    seen = {tuple(apportioned(2, halves, room, rng).tolist()) for _ in range(200)}
    assert len(seen) == 6


def test_earlier_equals_are_counted() -> None:
    assert earlier_equals(np.array([3, 1, 3, 3, 1])).tolist() == [0, 0, 1, 2, 1]


def test_a_warm_pool_replays_with_its_probability_and_a_cold_one_never() -> None:
    options = ReplayOptions(probability=0.3, warm=5)
    rng = np.random.default_rng(0)
    replayed = [replays(5, options, rng) for _ in range(4000)]
    assert np.mean(replayed) == pytest.approx(0.3, abs=0.03)
    assert not any(replays(4, options, rng) for _ in range(100))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("proportional", {"floor": 1.0}, "floor: expected 0 or more and below 1"),
        ("rank", {"temperature": 0.01}, "temperature: expected 0.05 or more"),
        ("softmax", {"temperature": 0.0}, "temperature: expected above 0"),
        ("plr", {"staleness": 1.1}, "staleness: expected from 0 to 1"),
        ("plr", {"temperature": 0.0}, "temperature: expected 0.05"),
        ("thompson", {"prior_failures": 0.0}, "prior_failures: expected above 0"),
        ("stratified", {"strata": 0}, "strata: expected 1 or more"),
        ("categories", {"temperature": -1.0}, "temperature: expected above 0"),
        ("quotas", {"shares": {"sum": -1.0}}, "shares.sum: expected 0 or more"),
    ],
)
def test_impossible_options_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SAMPLERS[name].options(**options).check("creator.sampler")


def test_quotas_draw_within_a_task_by_any_plain_sampler() -> None:
    quotas = sampler("quotas", of=chosen("greedy", SAMPLERS))
    given_ = candidates([1.0, 2.0, 5.0, 4.0], tasks_P=[0, 0, 1, 1])
    assert set(quotas(given_, 2, np.random.default_rng(0)).tolist()) == {1, 2}
