"""Every estimator and every sampler composes rounds, from the configuration to the prompts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from creator.config import CreatorConfig
from creator.creator import Creator
from creator.estimators.table import ESTIMATORS
from creator.estimators.trial import check_usable
from creator.samplers.table import SAMPLERS
from selfplay.config import load_values
from selfplay.core.errors import ConfigError
from selfplay.core.seeding import Seed
from selfplay.core.types import (
    JUDGEMENT,
    Composition,
    Group,
    Now,
    Prompt,
    Response,
    Verdict,
    user,
)
from tests.creator.in_memory import Shelf, dealt, no_groups, surroundings, turn

NEED_REPEATS = {"corrected_variance", "corrected_gap", "judge_disagreement"}
REFUSED = {"policy_disagreement"}
PROMPTS = [Prompt(user(f"question {i}"), task=f"task {i % 3}") for i in range(30)]
ROUNDS = 4


def options(**changes: object) -> CreatorConfig:
    values = {"batch": 10, "memory": 3, "operators": ["repeat"], "gates": [], **changes}
    return load_values(values, "test", CreatorConfig).config


def seated(config: CreatorConfig, shelf: Shelf, history: Mapping[int, Sequence[Group]]) -> Creator:
    return Creator(config, shelf, surroundings(shelf), lambda t: history[t], no_groups, Seed(7))


def answered(prompts: Sequence[Prompt], t: int) -> list[Group]:
    """Judged groups of four responses, by rewards that name the prompt and the round."""
    groups = []
    for prompt in prompts:
        rng = np.random.default_rng([int(prompt.id, 16), t])
        rate = rng.random()
        responses = tuple(
            Response("x", np.arange(n, dtype=np.int32), -rng.random(n, dtype=np.float32), "stop")
            for n in rng.integers(1, 9, size=4)
        )
        verdicts = [Verdict(float(rng.random() < rate)) for _ in responses]
        verdicts = [twice_judged(verdict, rng) for verdict in verdicts]
        asked = Group(prompt, responses, "train", policy_version=t)
        groups.append(asked.judged(verdicts, "judge"))
    return groups


def twice_judged(verdict: Verdict, rng: np.random.Generator) -> Verdict:
    """The verdict as the mean of two noisy judgements."""
    assert verdict.reward is not None
    noise = rng.normal()
    scores = {f"{JUDGEMENT}{k}": verdict.reward + sign * noise for k, sign in enumerate((-1, 1))}
    return replace(verdict, scores=scores)


def rounds(config: CreatorConfig, *, resumed: bool) -> list[Composition]:
    """The compositions of a run; `resumed` seats a new creator before every round."""
    shelf, history = Shelf(PROMPTS), {1: answered(PROMPTS[:12], 0)}
    creator = seated(config, shelf, history)
    found = []
    for t in range(1, ROUNDS + 1):
        if resumed:
            creator = seated(config, shelf, history)
        now = Now(t, t - 1, "judge")
        made = creator.compose(now, history[t], dealt(PROMPTS), turn(), Seed(7).at(t, "compose"))
        shelf.made += made.estimates
        if resumed:
            creator = seated(config, shelf, history)
        groups = answered(made.prompts, t)
        drawn = creator.refill(now, groups, dealt(PROMPTS), 3, turn(), Seed(7).at(t, "refill"))
        history[t + 1] = [*groups, *answered(drawn.prompts, t)]
        found += [made, replace(made, prompts=drawn.prompts)]
    return found


def assert_plays_alike_when_resumed(config: CreatorConfig) -> None:
    whole, resumed = (rounds(config, resumed=flag) for flag in (False, True))
    for one, other in zip(whole, resumed, strict=True):
        assert [p.id for p in one.prompts] == [p.id for p in other.prompts]
        # As text, for NaN differs from itself.
        assert list(map(repr, one.estimates)) == list(map(repr, other.estimates))
    assert all(len(made.prompts) == 10 for made in whole[::2])
    assert all(made.metrics["evolved"] > 0 for made in whole)


@pytest.mark.parametrize("name", sorted(ESTIMATORS.keys() - REFUSED))
def test_an_estimator_composes_rounds_and_a_resumed_run_the_same(name: str) -> None:
    config = options(estimator=name)
    assert_plays_alike_when_resumed(config)
    made = rounds(config, resumed=False)[0].estimates
    assert {estimate.metric for estimate in made} == {name}
    assert any(math.isfinite(estimate.value) for estimate in made)


@pytest.mark.parametrize(
    ("name", "estimator"),
    [
        (name, estimator)
        for name in sorted(SAMPLERS)
        for estimator in ("regret_gap", "posterior", "category_bandit")
        if name != "thompson" or estimator == "posterior"
    ],
)
def test_a_sampler_composes_rounds_and_a_resumed_run_the_same(name: str, estimator: str) -> None:
    assert_plays_alike_when_resumed(options(sampler=name, estimator=estimator))


@pytest.mark.parametrize("name", sorted(ESTIMATORS))
@pytest.mark.parametrize("repeats", [1, 2])
def test_an_estimator_of_what_a_run_does_not_record_is_refused(name: str, repeats: int) -> None:
    choice = options(estimator=name).estimator
    if name in REFUSED or (repeats == 1 and name in NEED_REPEATS):
        cure = "meta.repeats=2 or more, or choose" if name in NEED_REPEATS else "; choose"
        with pytest.raises(ConfigError, match=rf"estimator: .* found '{name}': .* needs .*{cure}"):
            check_usable(choice, repeats)
    else:
        check_usable(choice, repeats)


def test_a_refused_estimator_is_found_inside_of_another() -> None:
    nested = {"name": "split_halves", "of": {"name": "per_token", "of": "corrected_gap"}}
    with pytest.raises(ConfigError, match="'corrected_gap' needs judgements_PGJ"):
        check_usable(options(estimator=nested).estimator, repeats=1)


def test_an_estimate_of_repeated_judgements_without_any_says_what_it_lacks() -> None:
    once = [group.judged([Verdict(1.0)] * 4, "judge") for group in answered(PROMPTS[:3], 0)]
    creator = seated(options(estimator="corrected_gap"), Shelf(PROMPTS), {1: once})
    with pytest.raises(ConfigError, match="'corrected_gap' needs judgements_PGJ"):
        creator.compose(Now(1, 0, "judge"), once, dealt(PROMPTS), turn(), Seed(0))


def test_the_posterior_remembers_earlier_rounds() -> None:
    groups = answered(PROMPTS[:1], 0)
    [first] = compositions({1: groups}, "posterior")
    *_, second = compositions({1: groups, 2: groups}, "posterior")
    assert first.estimates[0].value != second.estimates[0].value


def test_what_is_stored_is_the_value_of_the_half_that_did_not_choose() -> None:
    verdicts = [Verdict(reward) for reward in (0.0, 1.0, 0.0, 1.0, 0.0)]
    answers = answered(PROMPTS[:1], 0)[0].responses
    group = Group(PROMPTS[0], (*answers, answers[0]), "train", 0).judged(verdicts, "judge")
    [made] = compositions({1: [group]}, {"name": "split_halves", "of": "regret_gap"})
    [estimate] = made.estimates
    assert estimate.n == 2  # of five, three choose
    assert estimate.value in (0.0, 1.0)


def test_groups_of_one_prompt_are_one_estimate() -> None:
    [group] = answered(PROMPTS[:1], 0)
    same = group.judged([Verdict(1.0)] * 4, "judge")
    other = group.judged([Verdict(0.25)] * 4, "judge")
    [made] = compositions({1: [same, other]}, "regret_gap")
    [estimate] = made.estimates
    assert (estimate.value, estimate.n) == (0.75, 8)


def test_a_round_composed_twice_is_counted_once() -> None:
    config, history = options(estimator="posterior"), {1: answered(PROMPTS[:5], 0)}
    history[2] = answered(PROMPTS[:5], 1)

    def second_round(repeats: int) -> Composition:
        creator = seated(config, Shelf(PROMPTS), history)
        for _ in range(repeats):
            creator.compose(Now(1, 0, "judge"), history[1], dealt(PROMPTS), turn(), Seed(1))
        return creator.compose(Now(2, 1, "judge"), history[2], dealt(PROMPTS), turn(), Seed(2))

    assert second_round(1).estimates == second_round(3).estimates


def compositions(history: Mapping[int, Sequence[Group]], estimator: object) -> list[Composition]:
    """Of the rounds that have groups to be estimated from."""
    creator = seated(options(estimator=estimator), Shelf(PROMPTS), history)
    return [
        creator.compose(Now(t, t - 1, "judge"), groups, dealt(PROMPTS), turn(), Seed(7).at(t))
        for t, groups in history.items()
    ]
