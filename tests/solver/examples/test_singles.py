"""Single responses from judged groups: to imitate, and good or bad."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.core.components import find_row, load_attribute
from selfplay.core.errors import ConfigError
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Prompt, Response, Verdict, user
from solver.examples.singles import Selection, Single
from solver.examples.table import SELECTIONS, UNPAIRED, BestOfNOptions, ThresholdOptions

TABLE = {**SELECTIONS, **UNPAIRED}


def judged(rewards: list[float | None], tokens: list[int]) -> Group:
    """One-token responses with these rewards."""
    responses = tuple(Response("", np.array([t], np.int32), None, "stop") for t in tokens)
    verdicts = [Verdict.missing("unparsable") if r is None else Verdict(r) for r in rewards]
    return Group(Prompt(user("?")), responses, "train", 0).judged(verdicts, "f")


def scored(*rewards: float | None) -> Group:
    """Different responses with these rewards."""
    return judged(list(rewards), list(range(len(rewards))))


def selected(name: str, groups: list[Group], options: Any = None) -> Selection:
    row = find_row(name, TABLE, "test")
    selection = load_attribute(row.factory)(options or row.options())(groups, Seed(7))
    assert isinstance(selection, Selection)
    return selection


def marks(selection: Selection) -> list[tuple[int, bool]]:
    return [(single.response, single.desirable) for single in selection.singles]


@st.composite
def groups_of_all_kinds(draw: st.DrawFn) -> Group:
    """Ties, missing rewards and repeated responses; also groups without a response."""
    tokens = draw(st.lists(st.integers(0, 4), max_size=7))
    rewards = st.one_of(st.none(), st.integers(-3, 3), st.floats(-1e6, 1e6))
    return judged([draw(rewards) for _ in tokens], tokens)


@given(st.lists(groups_of_all_kinds(), max_size=4), st.sampled_from(sorted(TABLE)))
def test_every_response_is_selected_or_counted_once(groups: list[Group], name: str) -> None:
    selection = selected(name, groups)
    assert len({(s.group, s.response) for s in selection.singles}) == len(selection.singles)
    counted = selection.missing + selection.duplicates + selection.dropped
    assert len(selection.singles) + counted == sum(len(group.responses) for group in groups)
    unscored = sum(not np.isfinite(group.rewards).any() for group in groups)
    assert selection.unscored == unscored


@given(st.lists(groups_of_all_kinds(), max_size=4), st.sampled_from(sorted(TABLE)))
def test_equal_input_gives_equal_singles_of_weight_one(groups: list[Group], name: str) -> None:
    selection = selected(name, groups)
    assert selection == selected(name, groups)
    assert all(single.weight == 1.0 for single in selection.singles)


def test_the_best_of_each_group_is_taken_and_the_first_of_equals() -> None:
    selection = selected("best_of_n", [scored(0.0, 2.0, 2.0), scored(-1.0, -3.0)])
    assert selection == Selection((Single(0, 1, True), Single(1, 0, True)), dropped=3)


def test_the_k_best_come_best_first() -> None:
    selection = selected("best_of_n", [scored(1.0, 3.0, 0.0, 2.0)], BestOfNOptions(k=3))
    assert marks(selection) == [(1, True), (3, True), (0, True)]


def test_many_equal_rewards_are_taken_in_their_order() -> None:
    selection = selected("best_of_n", [scored(*[0.0, 1.0] * 50)], BestOfNOptions(k=3))
    assert marks(selection) == [(1, True), (3, True), (5, True)]


def test_a_group_smaller_than_k_gives_all_it_has() -> None:
    selection = selected("best_of_n", [scored(1.0, None)], BestOfNOptions(k=3))
    assert selection == Selection((Single(0, 0, True),), missing=1)


def test_none_below_the_least_reward_is_imitated() -> None:
    options = BestOfNOptions(k=2, min_reward=1.0)
    selection = selected("best_of_n", [scored(0.9, 1.0, 0.0), scored(0.5, 0.9)], options)
    assert selection == Selection((Single(0, 1, True),), dropped=4)


def test_all_takes_every_scored_response_once() -> None:
    group = judged([1.0, None, 0.0, 5.0], [1, 2, 3, 1])
    selection = selected("all", [group, scored(None)])
    assert selection == Selection(
        (Single(0, 0, True), Single(0, 2, True)), unscored=1, missing=2, duplicates=1
    )


def test_a_response_at_the_threshold_is_desirable() -> None:
    selection = selected("threshold", [scored(0.49, 0.5, 0.51)])
    assert marks(selection) == [(0, False), (1, True), (2, True)]


def test_responses_nearer_to_the_threshold_than_the_margin_are_dropped() -> None:
    options = ThresholdOptions(threshold=1.0, margin=0.5)
    selection = selected("threshold", [scored(0.0, 0.5, 0.75, 1.0, 1.25, 1.5)], options)
    assert marks(selection) == [(0, False), (1, False), (5, True)]
    assert selection.dropped == 3


def test_above_the_mean_is_desirable_and_below_it_is_not() -> None:
    selection = selected("mean", [scored(0.0, 1.0, 2.0, None, 5.0)])
    assert marks(selection) == [(0, False), (1, False), (4, True)]
    assert (selection.dropped, selection.missing) == (1, 1)


@pytest.mark.parametrize("rewards", [(0.1, 0.1, 0.1), (0.7,), (-1e9 / 3,) * 7])
def test_rewards_equal_to_the_mean_are_dropped_whatever_the_rounding(
    rewards: tuple[float, ...],
) -> None:
    assert selected("mean", [scored(*rewards)]) == Selection((), dropped=len(rewards))


def test_the_middle_of_evenly_spaced_rewards_is_dropped() -> None:
    assert marks(selected("mean", [scored(0.1, 0.2, 0.3)])) == [(0, False), (2, True)]


@given(groups_of_all_kinds())
def test_the_mean_leaves_both_good_and_bad_or_none(group: Group) -> None:
    kinds = {single.desirable for single in selected("mean", [group]).singles}
    assert kinds in (set(), {True, False})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (BestOfNOptions(k=0), r"data\.k: expected 1 or more, found 0"),
        (ThresholdOptions(margin=-1.0), r"data\.margin: expected 0 or more, found -1"),
    ],
)
def test_impossible_options_are_refused(options: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        options.check("data")
