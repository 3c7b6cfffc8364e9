"""Claims about rewards of judges on different scales, as the creator counts them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from creator.bandits.yields import Yields
from creator.creator import Creator
from creator.scales import Scale, on_one_scale, unit
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Lineage, Prompt, Rejection, Verdict, user
from tests.creator.in_memory import Shelf, dealt, no_groups, surroundings, turn
from tests.creator.test_creator import NOW, config, group

UNBOUNDED = Scale("reward model", -math.inf, math.inf)


def asked(count: int, task: str) -> list[Prompt]:
    return [Prompt(user(f"What of {task} {i}?"), task=task) for i in range(count)]


def moved(groups: Sequence[Group], scale: Scale) -> list[list[float]]:
    return [g.rewards.tolist() for g in on_one_scale(groups, lambda p: [scale] * len(p))]


def test_rewards_from_0_to_1_are_taken_as_they_are() -> None:
    groups = [group(prompt, [0.0, 0.25, 1.0]) for prompt in asked(3, "a")]
    assert all(a is b for a, b in zip(on_one_scale(groups, unit), groups, strict=True))


@pytest.mark.parametrize(
    ("scale", "rewards", "expected"),
    [
        (Scale("j", 0, 20), [0.0, 5.0, 20.0], [0.0, 0.25, 1.0]),
        (Scale("j", -1, 1), [-1.0, 0.0, 1.0], [0.0, 0.5, 1.0]),
        (Scale("j", 0, 1), [0.0, 20.0], [0.0, 1.0]),  # keeps no bounds
        (UNBOUNDED, [7.0, 7.0, 7.0], [0.5, 0.5, 0.5]),
        (UNBOUNDED, [-9.0, -7.0], [0.0, 1.0]),
    ],
)
def test_shares_of_a_scale_by_hand(
    scale: Scale, rewards: list[float], expected: list[float]
) -> None:
    [found] = moved([group(asked(1, "a")[0], rewards)], scale)
    assert np.allclose(found, expected, atol=0.06)
    if not math.isinf(scale.lowest) and max(rewards) <= scale.highest:
        assert found == expected


def test_an_unbounded_judge_is_scaled_by_the_spread_within_each_task() -> None:
    rng = np.random.default_rng(0)
    far = [group(p, (7 + 0.1 * rng.random(4)).tolist()) for p in asked(50, "far")]
    wide = [group(p, (-300 + 100 * rng.random(4)).tolist()) for p in asked(50, "wide")]
    rows = np.array(moved([*far, *wide], UNBOUNDED))
    for part in (rows[:50], rows[50:]):
        assert -0.1 < part.min() < 0.02
        assert 0.98 < part.max() < 1.1


def test_missing_rewards_stay_missing_and_repeats_move_along() -> None:
    found = group(asked(1, "a")[0], [0.0, 20.0])
    verdicts = (
        Verdict.missing("down"),
        Verdict(10.0, scores={"judgement/0": 0.0, "judgement/1": 20.0, "style": 3.0}),
    )
    [made] = on_one_scale(
        [replace(found, verdicts=verdicts)], lambda prompts: [Scale("j", 0.0, 20.0)]
    )
    assert made.verdicts[0] == verdicts[0]
    assert made.verdicts[1].reward == 0.5
    assert made.verdicts[1].scores == {"judgement/0": 0.0, "judgement/1": 1.0, "style": 3.0}


def parents_by_task(times: float, declared: bool) -> dict[str, int]:
    """How many parents each of two tasks gets that have equal outcomes, one times `times`."""
    rng = np.random.default_rng(1)
    plain, large = asked(60, "plain"), asked(60, "large")
    outcomes = rng.integers(0, 2, (60, 4))
    groups = [group(p, row.tolist()) for p, row in zip(plain, outcomes, strict=True)]
    groups += [group(p, (times * r).tolist()) for p, r in zip(large, outcomes, strict=True)]
    known = {
        "plain": Scale("verifier", 0.0, 1.0),
        "large": Scale("other", 0.0, times) if declared else replace(UNBOUNDED, judge="other"),
    }
    shelf = Shelf([*plain, *large])
    around = surroundings(shelf, scales=lambda prompts: [known[p.task] for p in prompts])
    options = config(batch=120, operators=["repeat"], gates=[], parents=0.4)
    creator = Creator(options, shelf, around, no_groups, no_groups, Seed(0))
    made = creator.compose(NOW, groups, dealt([*plain, *large]), turn(), Seed(0))
    drawn = made.prompts[: int(made.metrics["evolved"])]
    return {task: sum(p.task == task for p in drawn) for task in known}


@pytest.mark.parametrize("declared", [True, False])
def test_the_same_verifier_times_twenty_takes_no_more_places(declared: bool) -> None:
    found = parents_by_task(20.0, declared)
    assert min(found.values()) >= 0.4 * sum(found.values())


@pytest.mark.parametrize("estimator", ["mean", "inverse_mean", "learnability", "mixed_outcomes"])
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (6.9, 7.4), (-12.0, -3.0)])
def test_estimates_do_not_depend_on_where_a_judges_rewards_lie(
    estimator: str, low: float, high: float
) -> None:
    prompts = asked(40, "a")
    rows = np.random.default_rng(2).integers(0, 2, (40, 4)).astype(float)
    groups = [
        group(p, (low + (high - low) * r).tolist()) for p, r in zip(prompts, rows, strict=True)
    ]
    plain = [group(p, r.tolist()) for p, r in zip(prompts, rows, strict=True)]

    def values(asked_of: Sequence[Group], scale: Scale) -> list[float]:
        shelf = Shelf(prompts)
        around = surroundings(shelf, scales=lambda ps: [scale] * len(ps))
        options = config(estimator=estimator, operators=["repeat"], gates=[])
        creator = Creator(options, shelf, around, no_groups, no_groups, Seed(0))
        made = creator.compose(NOW, asked_of, dealt(prompts), turn(), Seed(0))
        return [estimate.value for estimate in made.estimates]

    assert np.allclose(values(groups, UNBOUNDED), values(plain, Scale()))
    assert len(set(values(plain, Scale()))) > 1


class Past:
    """A round with children of one operator."""

    def __init__(self, children: Sequence[Prompt]) -> None:
        self.children = children

    def composition(self, t: int) -> Sequence[Prompt]:
        return self.children if t == 1 else []

    def rejections(self, t: int) -> list[Rejection]:
        return []


@pytest.mark.parametrize(("low", "high"), [(6.8, 7.6), (-4.0, -1.0)])
def test_operators_are_credited_for_learnable_children_wherever_rewards_lie(
    low: float, high: float
) -> None:
    lineage = Lineage(operator="deepen", round=1)
    children = [replace(p, lineage=lineage) for p in asked(10, "a")]
    mixed = [group(child, [low, high, low, high]) for child in children[:6]]
    equal = [group(child, [low] * 4) for child in children[6:]]
    scaled = on_one_scale([*mixed, *equal], lambda prompts: [UNBOUNDED] * len(prompts))
    cohorts = Yields(Past(children), lambda t: scaled if t == 1 else []).until(1)
    assert cohorts.totals()["deepen"].learnable == 6


def test_gates_that_ask_are_told_shares_of_the_judges_scale() -> None:
    [prompt] = asked(1, "a")
    around = surroundings(scales=lambda prompts: [Scale("j", 0.0, 20.0)] * len(prompts))
    around.begin(turn(probe=lambda prompts, n: [group(p, [0.0, 20.0]) for p in prompts]))
    [found] = around.probe([prompt], 2)
    assert found.rewards.tolist() == [0.0, 1.0]
