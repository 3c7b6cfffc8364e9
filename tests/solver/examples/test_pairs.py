"""Preference pairs from judged groups."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.core.components import NoOptions, find_row, load_attribute
from selfplay.core.errors import ConfigError
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Prompt, Response, Verdict, user
from solver.examples.pairs import Pair, Pairing, usable_responses
from solver.examples.table import PAIRINGS, AllPairsOptions, LengthTieredOptions

SEED = Seed(7)
REWARD_BASED = {
    "max_min": NoOptions(),
    "max_random": NoOptions(),
    "all_pairs": AllPairsOptions(max_per_group=5),
    "length_tiered": LengthTieredOptions(width=0.3),
}


def response(tokens: list[int], text: str = "") -> Response:
    return Response(text, np.array(tokens, np.int32), None, "stop")


def judged(responses: list[Response], verdicts: list[Verdict]) -> Group:
    return Group(Prompt(user("?")), tuple(responses), "train", 0).judged(verdicts, "f")


def verdict(reward: float | None, *violations: str) -> Verdict:
    return Verdict(reward, "" if reward is not None else "unparsable", violations=violations)


def scored(*rewards: float | None) -> Group:
    """Different responses with these rewards."""
    responses = [response([i]) for i in range(len(rewards))]
    return judged(responses, [verdict(reward) for reward in rewards])


def constrained(*verdicts: tuple[float, bool]) -> Group:
    """Different responses; True for each that breaks a constraint."""
    found = [
        verdict(reward, "length") if breaks else verdict(reward) for reward, breaks in verdicts
    ]
    return judged([response([i]) for i in range(len(found))], found)


def paired(name: str, groups: list[Group], options: Any = None, seed: Seed = SEED) -> Pairing:
    row = find_row(name, PAIRINGS, "test")
    pairing = load_attribute(row.factory)(options or row.options())(groups, seed)
    assert isinstance(pairing, Pairing)
    return pairing


REWARDS = st.one_of(st.none(), st.integers(-3, 3), st.floats(-1e6, 1e6))


@st.composite
def groups_of_all_kinds(draw: st.DrawFn) -> Group:
    """Ties, missing rewards, repeated responses, violations; also groups without a response."""
    size = draw(st.integers(0, 7))
    responses = [response(draw(st.lists(st.integers(0, 2), max_size=2)), "x") for _ in range(size)]
    verdicts = [
        verdict(draw(REWARDS), *draw(st.sampled_from([(), ("length",)]))) for _ in range(size)
    ]
    return judged(responses, verdicts)


@given(st.lists(groups_of_all_kinds(), max_size=4), st.sampled_from(sorted(REWARD_BASED)))
def test_the_chosen_always_has_the_higher_reward(groups: list[Group], name: str) -> None:
    for pair in paired(name, groups, REWARD_BASED[name]).pairs:
        rewards_G = groups[pair.group].rewards
        assert pair.margin == rewards_G[pair.chosen] - rewards_G[pair.rejected] > 0


@given(st.lists(groups_of_all_kinds(), max_size=4), st.sampled_from(sorted(PAIRINGS)))
def test_every_group_has_pairs_or_is_counted_once(groups: list[Group], name: str) -> None:
    options = PAIRINGS[name].options(short="skip") if name == "rso" else None
    pairing = paired(name, groups, options)
    without = pairing.ties + pairing.unscored + pairing.skipped
    assert len({pair.group for pair in pairing.pairs}) + without == len(groups)
    used = sum(len(usable_responses(group)) for group in groups)
    assert used + pairing.missing + pairing.duplicates == sum(len(g.responses) for g in groups)


@given(st.lists(groups_of_all_kinds(), max_size=4), st.sampled_from(sorted(PAIRINGS)))
def test_no_response_is_paired_with_its_equal(groups: list[Group], name: str) -> None:
    options = PAIRINGS[name].options(short="skip") if name == "rso" else None
    for pair in paired(name, groups, options).pairs:
        chosen, rejected = (groups[pair.group].responses[i] for i in (pair.chosen, pair.rejected))
        assert chosen is not rejected
        assert chosen.token_ids.tolist() != rejected.token_ids.tolist()


@pytest.mark.parametrize("name", sorted(PAIRINGS))
def test_equal_seeds_give_equal_pairs_whatever_groups_follow(name: str) -> None:
    rng = np.random.default_rng(0)
    groups = [scored(*rng.normal(size=8).tolist()) for _ in range(10)]
    pairing = paired(name, groups)
    assert pairing == paired(name, groups)
    kept = tuple(pair for pair in pairing.pairs if pair.group < 4)
    assert kept == paired(name, groups[:4]).pairs


@pytest.mark.parametrize("name", ["max_random", "rso"])
def test_another_seed_draws_other_pairs(name: str) -> None:
    groups = [scored(*range(8))] * 10
    assert paired(name, groups).pairs != paired(name, groups, seed=Seed(8)).pairs


def test_the_best_is_paired_with_the_worst() -> None:
    assert paired("max_min", [scored(0.5, 2.0, -1.0)]).pairs == (Pair(0, 1, 2, 3.0),)


def test_among_equal_rewards_the_first_response_wins() -> None:
    assert paired("max_min", [scored(1.0, 0.0, 1.0, 0.0)]).pairs == (Pair(0, 0, 1, 1.0),)


def test_missing_rewards_are_ignored_and_counted() -> None:
    pairing = paired("max_min", [scored(None, 1.0, 0.0)])
    assert pairing == Pairing((Pair(0, 1, 2, 1.0),), missing=1)


def test_a_group_that_nobody_judged_is_unscored() -> None:
    unjudged = Group(Prompt(user("?")), (response([1]), response([2])), "train", 0)
    assert paired("max_min", [unjudged]) == Pairing((), unscored=1, missing=2)


def test_ties_and_unscored_groups_give_no_pair_and_are_counted() -> None:
    pairing = paired("max_min", [scored(1.0, 1.0), scored(1.0, None), scored(0.0, 1.0)])
    assert pairing == Pairing((Pair(2, 1, 0, 1.0),), ties=1, unscored=1, missing=1)


def test_of_equal_responses_the_first_judgement_counts() -> None:
    responses = [response([5]), response([6]), response([5])]
    group = judged(responses, [verdict(0.5), verdict(0.0), verdict(9.0)])
    assert paired("max_min", [group]) == Pairing((Pair(0, 0, 1, 0.5),), duplicates=1)


def test_a_repetition_stands_in_for_a_response_whose_judgement_is_missing() -> None:
    responses = [response([5]), response([6]), response([5])]
    group = judged(responses, [verdict(None), verdict(0.0), verdict(1.0)])
    assert paired("max_min", [group]) == Pairing((Pair(0, 2, 1, 1.0),), missing=1)


def test_responses_with_one_text_and_other_tokens_are_different() -> None:
    group = judged([response([1, 2], "ab"), response([3], "ab")], [verdict(0.0), verdict(1.0)])
    assert paired("max_min", [group]).duplicates == 0


def test_recorded_responses_without_tokens_are_compared_by_text() -> None:
    responses = [response([], text) for text in ("a", "b", "a")]
    group = judged(responses, [verdict(1.0), verdict(0.0), verdict(0.0)])
    assert paired("max_min", [group]) == Pairing((Pair(0, 0, 1, 1.0),), duplicates=1)


def test_a_group_of_one_repeated_response_is_unscored() -> None:
    group = judged([response([1])] * 3, [verdict(1.0), verdict(0.0), verdict(0.5)])
    assert paired("all_pairs", [group]) == Pairing((), unscored=1, duplicates=2)


def test_max_random_rejects_each_worse_response_equally_often() -> None:
    pairs = paired("max_random", [scored(3.0, 1.0, 3.0, 2.0, 0.0)] * 3000).pairs
    counts = Counter((pair.chosen, pair.rejected) for pair in pairs)
    assert set(counts) == {(0, 1), (0, 3), (0, 4)}
    # Binomial(3000, 1/3): five standard deviations are 129.
    assert all(abs(count - 1000) < 129 for count in counts.values())


def test_all_pairs_are_all_ordered_comparisons() -> None:
    rewards = (2.0, 0.0, 1.0, 1.0)
    expected = {
        (i, j) if rewards[i] > rewards[j] else (j, i)
        for i, j in combinations(range(4), 2)
        if rewards[i] != rewards[j]
    }
    pairs = paired("all_pairs", [scored(*rewards)]).pairs
    assert len(pairs) == 5
    assert {(pair.chosen, pair.rejected) for pair in pairs} == expected


def test_only_differences_above_the_margin_make_pairs() -> None:
    pairing = paired("all_pairs", [scored(0, 1, 3), scored(0, 1)], AllPairsOptions(margin=2))
    assert pairing == Pairing((Pair(0, 2, 0, 3.0),), ties=1)


def test_a_cap_keeps_each_pair_equally_often_and_none_twice() -> None:
    options = AllPairsOptions(max_per_group=2)
    pairs = paired("all_pairs", [scored(0, 1, 2)] * 3000, options).pairs
    assert len(set(pairs)) == len(pairs) == 6000
    counts = Counter((pair.chosen, pair.rejected) for pair in pairs)
    # Binomial(3000, 2/3): five standard deviations are 129.
    assert all(abs(counts[pair] - 2000) < 129 for pair in [(1, 0), (2, 0), (2, 1)])


def test_a_cap_above_the_number_of_pairs_keeps_all() -> None:
    capped = paired("all_pairs", [scored(0, 1, 2)], AllPairsOptions(max_per_group=3))
    assert capped == paired("all_pairs", [scored(0, 1, 2)])


LENGTHS = [4, 1, 2, 9, 3, 8]
TIERED_REWARDS = [1.0, 0.5, 0.9, 0.0, 0.05, 0.2]


def tiered(unit: str) -> Group:
    """Responses of `LENGTHS` tokens, or characters."""
    responses = [
        response([i] * n if unit == "tokens" else [], "abcdef"[i] * n)
        for i, n in enumerate(LENGTHS)
    ]
    return judged(responses, [verdict(reward) for reward in TIERED_REWARDS])


@pytest.mark.parametrize("unit", ["tokens", "characters"])
@pytest.mark.parametrize(
    ("width", "chosen", "rejected"),
    [(0.0, 0, 3), (0.1, 2, 3), (0.49, 2, 3)],
)
def test_the_shortest_of_the_upper_tier_meets_the_longest_of_the_lower(
    unit: str, width: float, chosen: int, rejected: int
) -> None:
    (pair,) = paired("length_tiered", [tiered(unit)], LengthTieredOptions(width)).pairs
    assert (pair.chosen, pair.rejected) == (chosen, rejected)


def test_a_longer_response_of_the_lower_tier_is_rejected_before_the_worst() -> None:
    responses = [response([1]), response([2]), response([3, 3])]
    group = judged(responses, [verdict(1.0), verdict(0.0), verdict(0.1)])
    (pair,) = paired("length_tiered", [group], LengthTieredOptions(0.1)).pairs
    assert pair.rejected == 2


def test_tiers_of_equal_lengths_give_the_best_against_the_worst() -> None:
    groups = [scored(0.9, 1.0, 0.1, 0.0)]
    assert paired("length_tiered", groups, LengthTieredOptions(0.2)) == paired("max_min", groups)


def test_a_violation_never_wins_whatever_its_reward() -> None:
    group = constrained((-5.0, False), (9.0, True), (-7.0, False), (3.0, True))
    assert paired("constraints", [group]).pairs == (Pair(0, 0, 3, -8.0),)


def test_without_violations_the_lowest_reward_is_rejected() -> None:
    groups = [constrained((-1.0, False), (-3.0, False), (-2.0, False))]
    assert paired("constraints", groups) == paired("max_min", groups)


def test_groups_whose_responses_all_break_a_constraint_are_skipped() -> None:
    pairing = paired("constraints", [constrained((1.0, True), (0.0, True))])
    assert pairing == Pairing((), skipped=1)


def test_lawful_responses_of_equal_reward_are_a_tie() -> None:
    pairing = paired("constraints", [constrained((1.0, False), (1.0, False))])
    assert pairing == Pairing((), ties=1)


@given(st.lists(groups_of_all_kinds(), max_size=4))
def test_the_chosen_keeps_all_constraints_and_the_rejected_breaks_one_if_any_does(
    groups: list[Group],
) -> None:
    for pair in paired("constraints", groups).pairs:
        verdicts = groups[pair.group].verdicts
        positions = usable_responses(groups[pair.group]).positions_C
        assert not verdicts[pair.chosen].violations
        assert bool(verdicts[pair.rejected].violations) == any(
            verdicts[position].violations for position in positions
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (AllPairsOptions(margin=-0.1), r"pairs\.margin: expected 0 or more, found -0\.1"),
        (AllPairsOptions(max_per_group=0), r"pairs\.max_per_group: expected 1 or more"),
        (LengthTieredOptions(width=0.5), r"pairs\.width: expected 0 or more and below 0\.5"),
    ],
)
def test_impossible_options_are_refused(options: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        options.check("pairs")


@pytest.mark.parametrize("name", sorted(PAIRINGS))
def test_the_default_options_are_possible(name: str) -> None:
    options = PAIRINGS[name].options()
    if hasattr(options, "check"):
        options.check("pairs")
