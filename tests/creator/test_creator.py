from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from creator.config import CreatorConfig
from creator.creator import Creator
from creator.operators.table import OPERATORS
from selfplay.config import load_values
from selfplay.core.components import Choice, NoOptions
from selfplay.core.errors import ConfigError
from selfplay.core.gym import GymSpace, puzzle_prompt
from selfplay.core.seeding import Seed
from selfplay.core.types import (
    Composition,
    Estimate,
    Group,
    Lineage,
    Now,
    Prompt,
    Puzzle,
    Response,
    Verdict,
)
from tests.creator.in_memory import Shelf, dealt, no_groups, surroundings, turn

SPACES = {"chain_sum": GymSpace("chain_sum", {"num_terms": (2, 3, 4, 5), "num_digits": (1, 2, 3)})}
NOW = Now(round=2, policy_version=1, fingerprint="judge-1")
ANSWER = Response("x", np.array([1], dtype=np.int32), None, "stop")


def puzzles(count: int, terms: int = 2, digits: int = 2) -> list[Prompt]:
    levels = (("num_digits", digits), ("num_terms", terms))
    made = (puzzle_prompt(Puzzle("chain_sum", levels, i), Lineage()) for i in range(4 * count))
    return list({prompt.id: prompt for prompt in made}.values())[:count]


def group(prompt: Prompt, rewards: Sequence[float]) -> Group:
    asked = Group(prompt, (ANSWER,) * len(rewards), "train", policy_version=0)
    return asked.judged([Verdict(reward) for reward in rewards], NOW.fingerprint)


def config(**changes: object) -> CreatorConfig:
    values = {"batch": 20, **changes}
    return load_values(values, "test", CreatorConfig).config


def make(
    shelf: Shelf, options: CreatorConfig, history: Mapping[int, Sequence[Group]] | None = None
) -> Creator:
    earlier = history or {}
    around = surroundings(shelf, spaces=SPACES)
    return Creator(options, shelf, around, lambda t: earlier.get(t, ()), no_groups, Seed(0))


def compose(
    options: CreatorConfig, groups: Sequence[Group], originals: Sequence[Prompt]
) -> Composition:
    shelf = Shelf([*originals, *(g.prompt for g in groups)])
    return make(shelf, options).compose(NOW, groups, dealt(originals), turn(), Seed(0))


def test_the_first_round_asks_originals_alone() -> None:
    made = compose(config(), [], puzzles(40))
    assert len(made.prompts) == 20
    assert {prompt.lineage.operator for prompt in made.prompts} == {"original"}
    assert made.estimates == ()


def test_four_fifths_are_children_and_the_rest_originals() -> None:
    originals = puzzles(40)
    made = compose(config(), [group(p, [0, 1]) for p in originals[:20]], originals)
    assert made.metrics["evolved"] == 16
    assert made.metrics["originals"] == 4
    assert len({prompt.id for prompt in made.prompts}) == 20


def test_children_carry_their_whole_lineage() -> None:
    originals = puzzles(40)
    made = compose(config(), [group(p, [0, 1]) for p in originals[:20]], originals)
    for child in made.prompts[:16]:
        assert child.lineage.operator in OPERATORS
        assert (child.lineage.round, child.lineage.policy_version) == (2, 1)
        assert child.lineage.fingerprint == "judge-1"
        assert child.lineage.parents[0] in {prompt.id for prompt in originals[:20]}


def test_only_prompts_with_a_gap_become_parents_where_there_are_enough() -> None:
    originals = puzzles(40)
    mixed, solved = originals[:5], originals[5:20]
    groups = [group(p, [0, 1]) for p in mixed] + [group(p, [1, 1]) for p in solved]
    made = compose(config(), groups, originals)
    parents = {prompt.lineage.parents[0] for prompt in made.prompts[:16]}
    assert parents == {prompt.id for prompt in mixed}


def test_a_parent_asked_again_is_no_duplicate_but_an_equal_child_is() -> None:
    originals = puzzles(40)
    groups = [group(p, [0, 1]) for p in originals[:20]]
    gates = ["duplicate", "length", "near_duplicate"]
    repeated = compose(config(operators=["repeat"], gates=gates, attempts=1), groups, originals)
    asked = [prompt.id for prompt in repeated.prompts[:5]]
    assert repeated.metrics["evolved"] == 5
    assert set(asked) <= {prompt.id for prompt in originals[:20]}
    equal = "tests.creator.test_creator:Same"
    turned = compose(config(operators=[equal], gates=gates, attempts=1), groups, originals)
    assert turned.metrics["evolved"] == 0
    assert {rejection.reason for rejection in turned.rejections} == {"duplicate"}


class Same:
    """Makes a prompt anew that happens to be its parent."""

    def __init__(self, options: NoOptions, surroundings: object) -> None:
        pass

    def evolve(self, parents: Sequence[Prompt], seed: Seed) -> list[Prompt]:
        return [replace(parent) for parent in parents]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sampler": "thompson"}, r"estimator=posterior, found 'regret_gap'"),
        (
            {"sampler": {"name": "quotas", "of": "thompson"}, "estimator": "learnability"},
            "found 'learnability'",
        ),
        ({"replay": {"enabled": True}, "memory": 3}, "warm: expected at most 60, .* found 64"),
        (
            {"replay": {"enabled": True}, "memory": 30, "pool": {"capacity": 40}},
            "pool.capacity=40, found 64",
        ),
        ({"warm_up": 3, "bootstrap": 3}, "a round after the warm-up"),
        ({"bootstrap": 0}, "a round after the warm-up"),
    ],
)
def test_what_could_not_do_what_it_says_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config(**values)


def test_thompson_draws_by_a_posterior_however_deep_and_by_estimators_of_ones_own() -> None:
    deep = {"name": "split_halves", "of": {"name": "per_token", "of": "posterior"}}
    for estimator in ("posterior", deep, "creator.estimators.spread:uniform"):
        assert config(sampler="thompson", estimator=estimator).sampler.name == "thompson"


def test_uniform_makes_solved_prompts_parents_too() -> None:
    originals = puzzles(40)
    groups = [group(p, [0, 1]) for p in originals[:5]]
    groups += [group(p, [1, 1]) for p in originals[5:20]]
    made = compose(config(estimator="uniform"), groups, originals)
    parents = {prompt.lineage.parents[0] for prompt in made.prompts[:16]}
    assert parents - {prompt.id for prompt in originals[:5]}


def test_a_composition_is_a_function_of_its_arguments() -> None:
    originals = puzzles(40)
    groups = [group(p, [0, 1]) for p in originals[:20]]
    first, again = (compose(config(), groups, originals) for _ in range(2))
    assert [p.id for p in first.prompts] == [p.id for p in again.prompts]
    assert first.rejections == again.rejections


def test_children_that_no_attempt_admits_are_replaced_by_originals() -> None:
    originals = puzzles(40, terms=5, digits=3)
    options = config(operators=["harder"], attempts=2)
    made = compose(options, [group(p, [0, 1]) for p in originals[:20]], originals)
    assert made.metrics["evolved"] == 0
    assert len(made.prompts) == 20
    assert {rejection.reason for rejection in made.rejections} == {"no attribute left to move"}
    assert len(made.rejections) == 2 * 16


def test_repeat_asks_parents_again_with_the_lineage_they_have() -> None:
    originals = puzzles(40)
    options = config(operators=["repeat"], gates=[], parents=1.0)
    made = compose(options, [group(p, [0, 1]) for p in originals[:20]], originals)
    assert made.metrics["evolved"] == 16
    assert {prompt.lineage.operator for prompt in made.prompts} == {"original"}
    assert len({prompt.id for prompt in made.prompts}) == 20


def test_memory_keeps_earlier_prompts_and_drops_those_of_another_judge() -> None:
    originals = puzzles(40)
    judges = ("judge-1", "judge-0")
    asked = [
        replace(group(p, [0, 1]), fingerprint=judge)
        for p, judge in zip(originals[20:22], judges, strict=True)
    ]
    old = [
        Estimate(g.prompt.id, "regret_gap", 1.0, 2, 1, policy_version=0, fingerprint=g.fingerprint)
        for g in asked
    ]
    shelf = Shelf(originals, old)
    options = config(memory=5, operators=["fresh"])
    groups = [group(originals[0], [1, 1])]
    creator = make(shelf, options, {1: asked})
    made = creator.compose(NOW, groups, dealt(originals), turn(), Seed(0))
    parents = [prompt.lineage.parents[0] for prompt in made.prompts[: int(made.metrics["evolved"])]]
    assert originals[20].id in parents
    assert originals[21].id not in parents


def test_fresh_samples_are_what_is_estimated_when_asked_for() -> None:
    originals = puzzles(40)
    asked: list[int] = []

    def probe(prompts: Sequence[Prompt], n: int) -> list[Group]:
        asked.append(n)
        return [replace(group(prompt, [0, 1, 1]), purpose="estimate") for prompt in prompts]

    shelf = Shelf(originals)
    creator = make(shelf, config(fresh_samples=3))
    groups = [group(p, [1, 1]) for p in originals[:20]]
    made = creator.compose(NOW, groups, dealt(originals), turn(estimate=probe), Seed(0))
    assert asked == [3]
    assert {estimate.value for estimate in made.estimates} == {1.0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evolved": 1.5}, "share from 0 to 1"),
        ({"parents": 0.0}, "share above 0"),
        ({"batch": 0}, "batch is at least 1"),
        ({"operators": []}, "at least one operator needs a weight"),
    ],
)
def test_impossible_values_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config(**changes)


def test_an_operator_is_chosen_in_proportion_to_its_weight() -> None:
    originals = puzzles(200)
    options = config(
        batch=200,
        operators=[{"name": "harder", "weight": 3.0}, {"name": "fresh", "weight": 1.0}],
    )
    assert isinstance(options.operators[0], Choice)
    made = compose(options, [group(p, [0, 1]) for p in originals], originals)
    names = [prompt.lineage.operator for prompt in made.prompts[:160]]
    assert 0.65 < names.count("harder") / 160 < 0.85
