"""Statistical rejection sampling against its exact distribution."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from itertools import combinations, permutations, product
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from selfplay.core.errors import ConfigError, DataError
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Prompt, Response, Verdict, user
from solver.examples.pairs import Pair, Pairing
from solver.examples.rejection_sampling import accept, matches, rso
from solver.examples.table import RejectionSamplingOptions as Options

SEED = Seed(7)
REWARDS = [0.0, 0.6, 0.25, -0.3]
Law: TypeAlias = dict[tuple[int, ...], float]


def scored(*rewards: float | None) -> Group:
    """Different responses with these rewards."""
    responses = tuple(
        Response("", np.array([i], np.int32), None, "stop") for i in range(len(rewards))
    )
    verdicts = [Verdict.missing("unparsable") if r is None else Verdict(r) for r in rewards]
    return Group(Prompt(user("?")), responses, "train", 0).judged(verdicts, "f")


def law_in_order(asked: tuple[int, ...], rewards: list[float], n: int, beta: float) -> Law:
    """P(accepted, in order) when responses are asked in the order `asked`, by enumeration."""
    if n == 0:
        return {(): 1.0}
    best = max(rewards[i] for i in asked)
    chances = [math.exp((rewards[i] - best) / beta) for i in asked]
    law: Law = defaultdict(float)
    for answers in product([True, False], repeat=len(asked)):
        weight = math.prod(p if yes else 1 - p for p, yes in zip(chances, answers, strict=True))
        if weight == 0.0:
            continue
        taken = tuple(i for i, yes in zip(asked, answers, strict=True) if yes)[:n]
        rest = tuple(i for i in asked if i not in taken)
        for further, chance in law_in_order(rest, rewards, n - len(taken), beta).items():
            law[taken + further] += weight * chance
    return law


def exact_law(rewards: list[float], n: int, beta: float) -> Law:
    """P(accepted, in order), the order of asking being drawn."""
    orders = list(permutations(range(len(rewards))))
    law: Law = defaultdict(float)
    for order in orders:
        for accepted, chance in law_in_order(order, rewards, n, beta).items():
            law[accepted] += chance / len(orders)
    return law


def assert_follows(counts: Counter[tuple[int, ...]], law: Law) -> None:
    assert sum(law.values()) == pytest.approx(1.0)
    assert set(counts) <= set(law)
    outcomes = sorted(law)
    draws = sum(counts.values())
    assert min(law.values()) * draws > 5, "too few draws for the chi-square law"
    expected = [law[outcome] * draws for outcome in outcomes]
    assert chisquare([counts[outcome] for outcome in outcomes], expected).pvalue > 1e-3


@pytest.mark.parametrize("beta", [0.5, 2.0])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_acceptance_follows_the_law_of_the_algorithm(n: int, beta: float) -> None:
    generator = np.random.default_rng(1)
    rewards_C = np.array(REWARDS)
    counts = Counter(tuple(accept(rewards_C, n, beta, generator).tolist()) for _ in range(8000))
    assert_follows(counts, exact_law(REWARDS, n, beta))


def test_pairs_of_a_round_follow_the_same_law() -> None:
    pairs = rso(Options(n=2))([scored(*REWARDS)] * 3000, SEED).pairs
    law: Law = defaultdict(float)
    for accepted, chance in exact_law(REWARDS, 2, 0.5).items():
        law[tuple(sorted(accepted, key=lambda i: -REWARDS[i]))] += chance
    assert_follows(Counter((pair.chosen, pair.rejected) for pair in pairs), law)


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=9, unique=True), st.data())
def test_a_vanishing_beta_accepts_the_best_in_order(
    rewards: list[int], data: st.DataObject
) -> None:
    n = data.draw(st.integers(1, len(rewards)))
    beta = data.draw(st.sampled_from([0.0, 1e-300, 1e-3]))
    accepted = accept(np.array(rewards, float), n, beta, np.random.default_rng(0))
    assert [rewards[i] for i in accepted] == sorted(rewards, reverse=True)[:n]


def test_an_infinite_beta_accepts_any_n_equally_often() -> None:
    generator = np.random.default_rng(1)
    rewards_C = np.array([0.0, 50.0, -1e6, 7.0])
    counts = Counter(
        tuple(sorted(accept(rewards_C, 2, math.inf, generator).tolist())) for _ in range(6000)
    )
    assert_follows(counts, dict.fromkeys(combinations(range(4), 2), 1 / 6))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12), st.floats(0, 1e6), st.data())
def test_none_is_accepted_twice(rewards: list[float], beta: float, data: st.DataObject) -> None:
    n = data.draw(st.integers(1, len(rewards)))
    accepted = accept(np.array(rewards), n, beta, np.random.default_rng(0)).tolist()
    assert len(accepted) == len(set(accepted)) == n
    assert set(accepted) <= set(range(len(rewards)))


def test_only_differences_of_rewards_matter() -> None:
    near = rso(Options())([scored(*range(8))] * 20, SEED)
    far = rso(Options())([scored(*range(1000, 1008))] * 20, SEED)
    assert near == far


def test_each_accepted_response_meets_each_other_equally_often() -> None:
    pairs = rso(Options(n=4, beta=0.0))([scored(*range(6))] * 3000, SEED).pairs
    opponents = Counter((pair.chosen, pair.rejected) for pair in pairs)
    assert_follows(
        opponents, dict.fromkeys([(5, 4), (5, 3), (5, 2), (4, 3), (4, 2), (3, 2)], 1 / 6)
    )


def test_in_the_first_round_each_accepted_response_plays_once() -> None:
    pairing = rso(Options(n=6, beta=5.0))([scored(*range(9))] * 20, SEED)
    for group in range(20):
        pairs = [pair for pair in pairing.pairs if pair.group == group]
        assert len({i for pair in pairs for i in (pair.chosen, pair.rejected)}) == 6


@pytest.mark.parametrize("n", [2, 5, 8])
def test_a_tournament_has_one_champion_and_each_other_loses_once(n: int) -> None:
    options = Options(n=n, beta=5.0, pairing="tournament")
    pairing = rso(options)([scored(*range(9))] * 20, SEED)
    for group in range(20):
        pairs = [pair for pair in pairing.pairs if pair.group == group]
        losers = [pair.rejected for pair in pairs]
        assert len(losers) == len(set(losers)) == n - 1
        (champion,) = {pair.chosen for pair in pairs} - set(losers)
        assert champion > max(losers)


def test_the_tournament_begins_with_the_first_round() -> None:
    rewards_C = np.array([3.0, 1.0, 2.0, 5.0, 4.0])
    assert matches([0, 1, 2, 3, 4], rewards_C, 1) == [(0, 1), (3, 2)]
    assert matches([0, 1, 2, 3, 4], rewards_C, 5) == [(0, 1), (3, 2), (3, 0), (3, 4)]


def test_of_equal_rewards_the_first_drawn_goes_on_without_a_pair() -> None:
    assert matches([1, 0, 2], np.array([1.0, 1.0, 0.0]), 3) == [(1, 2)]


def test_equal_rewards_are_a_tie() -> None:
    assert rso(Options())([scored(*[1.0] * 5)], SEED) == Pairing((), ties=1)


def test_more_than_the_different_scored_responses_cannot_be_accepted() -> None:
    group = scored(0.0, 1.0, None, 2.0)
    with pytest.raises(DataError, match=r"n = 4 .* found 3 to prompt .* 1 without a reward"):
        rso(Options(n=4))([scored(*range(4)), group], SEED)


def test_short_groups_are_skipped_and_counted_on_request() -> None:
    groups = [scored(0.0, None), scored(0.0, 1.0, 2.0), scored(0.0, 1.0, 2.0, 3.0)]
    pairing = rso(Options(n=4, short="skip", pairing="tournament"))(groups, SEED)
    assert (pairing.unscored, pairing.skipped, pairing.missing) == (1, 1, 1)
    assert {pair.group for pair in pairing.pairs} == {2}


def test_two_of_two_are_always_the_better_against_the_worse() -> None:
    assert rso(Options(n=2))([scored(0.0, 9.0)], SEED).pairs == (Pair(0, 1, 0, 9.0),)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(beta=-1.0), r"pairs\.beta: expected 0 or more, found -1"),
        (Options(beta=math.nan), r"pairs\.beta: expected 0 or more, found nan"),
        (Options(n=1), r"pairs\.n: expected 2 or more, found 1"),
        (Options(pairing="turnament"), r"pairs\.pairing: .* did you mean 'tournament'"),
        (Options(short="drop"), r"pairs\.short: expected refuse or skip, found 'drop'"),
    ],
)
def test_impossible_options_are_refused(options: Options, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        options.check("pairs")
