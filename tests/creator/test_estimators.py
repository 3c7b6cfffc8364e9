from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from math import comb, isnan, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creator.estimators.disagreement import by_policy
from creator.estimators.evidence import NEVER, Estimated, Evidence, State, evidence_of, stamped
from creator.estimators.halves import halves
from creator.estimators.moments import variance_between
from creator.estimators.noise import chosen_gap
from creator.estimators.posterior import kept
from creator.estimators.staleness import discounted, due, trust
from creator.estimators.table import (
    ESTIMATORS,
    CostOptions,
    HalvesOptions,
    MixedOptions,
    TrustOptions,
)
from selfplay.core.components import chosen, load_attribute
from selfplay.core.errors import ConfigError
from selfplay.core.types import Estimate, Group, Prompt, Response, Verdict, user

GSM8K = Path(__file__).parents[3] / "shared" / "data" / "gsm8k" / "example_model_solutions.jsonl"
SPREADS = ("variance", "advantage_mean", "advantage_dueling", "regret_gap")


def estimate(name: str, evidence: Evidence, seed: int = 0, **options: Any) -> Estimated:
    row = ESTIMATORS[name]
    estimator = load_attribute(row.factory)(row.options(**options))
    return estimator(evidence, np.random.default_rng(seed))


def values(name: str, rewards: Any, **options: Any) -> np.ndarray:
    return estimate(name, Evidence(np.array(rewards, dtype=float)), **options).values_P


def value(name: str, rewards: list[float], **options: Any) -> float:
    return float(values(name, [rewards], **options)[0])


# Plain Python on one prompt, written from docs/methods.md and nothing else.
INDEPENDENT: dict[str, Callable[[list[float]], float]] = {
    "uniform": lambda r: 1.0,
    "variance": lambda r: statistics.variance(r) if len(r) > 1 else nan,
    "mean": lambda r: max(0.0, statistics.fmean(r)) if r else nan,
    "inverse_mean": lambda r: 1 / max(statistics.fmean(r), 0.01) if r else nan,
    "inverse_gap": lambda r: 1 / max(max(r) - min(r), 0.01) if len(r) > 1 else nan,
    "advantage_mean": lambda r: max(r) - statistics.fmean(r) if len(r) > 1 else nan,
    "advantage_dueling": lambda r: sorted(r)[-1] - sorted(r)[-2] if len(r) > 1 else nan,
    "regret_gap": lambda r: max(r) - min(r) if len(r) > 1 else nan,
    "learnability": lambda r: (
        len(r) / (len(r) - 1) * (p := sum(x >= 0.5 for x in r) / len(r)) * (1 - p)
        if len(r) > 1
        else nan
    ),
    "value_loss": lambda r: (
        statistics.fmean(abs(x - (sum(r) - x) / (len(r) - 1)) for x in r) if len(r) > 1 else nan
    ),
    "positive_value_loss": lambda r: (
        statistics.fmean(max(0.0, x - (sum(r) - x) / (len(r) - 1)) for x in r)
        if len(r) > 1
        else nan
    ),
    "max_mc": lambda r: max(r) - statistics.fmean(r) if len(r) > 1 else nan,
}

rewards_of_prompts = st.lists(
    st.lists(st.one_of(st.just(nan), st.floats(-3, 3)), min_size=5, max_size=5),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("name", INDEPENDENT)
@settings(max_examples=40, deadline=None)
@given(rewards=rewards_of_prompts)
def test_a_metric_equals_its_formula_on_the_known_rewards(
    name: str, rewards: list[list[float]]
) -> None:
    expected = [INDEPENDENT[name]([r for r in row if not isnan(r)]) for row in rewards]
    np.testing.assert_allclose(values(name, rewards), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.skipif(not GSM8K.exists(), reason="needs GSM8K in ../shared/data, not shipped")
@pytest.mark.parametrize("name", INDEPENDENT)
def test_estimates_of_real_recorded_answers_equal_the_formulas(name: str) -> None:
    rows = [json.loads(line) for line in GSM8K.read_text(encoding="utf-8").splitlines()]
    right = [
        [float(cell["is_correct"]) for cell in row.values() if isinstance(cell, dict)]
        for row in rows
    ]
    assert len(right) > 1000
    expected = [INDEPENDENT[name](row) for row in right]
    np.testing.assert_allclose(values(name, right), expected, atol=1e-12)


@pytest.mark.parametrize("name", [*SPREADS, "learnability", "value_loss", "max_mc"])
def test_equal_rewards_have_exactly_no_spread(name: str) -> None:
    assert value(name, [0.1, 0.1, 0.1, nan]) == 0.0


@pytest.mark.parametrize("name", [*SPREADS, "learnability", "inverse_gap", "value_loss", "max_mc"])
def test_one_reward_says_nothing_of_spread(name: str) -> None:
    assert np.isnan(values(name, [[1.0, nan], [nan, nan]])).all()
    assert np.isnan(values(name, np.empty((2, 0)))).all()


def test_inverses_stay_finite_where_the_rewards_are_zero_negative_or_equal() -> None:
    assert value("inverse_mean", [0.0, 0.0]) == 100.0
    assert value("inverse_mean", [-1.0, -2.0], floor=0.5) == 2.0
    assert value("inverse_mean", [-1.0, -1.0], origin=-2.0) == 1.0
    assert value("inverse_gap", [0.3, 0.3]) == 100.0


def test_a_mean_below_the_origin_is_worth_nothing() -> None:
    assert value("mean", [-1.0, 0.5]) == 0.0
    assert value("mean", [-1.0, 0.5], origin=-1.0) == 0.75


@pytest.mark.parametrize(
    ("name", "spread"),
    [
        ("regret_gap", lambda r: max(r) - min(r)),
        ("advantage_dueling", lambda r: sorted(r)[-1] - sorted(r)[-2]),
    ],
)
def test_a_common_size_gives_the_mean_over_all_subsets_of_that_size(
    name: str, spread: Callable[[tuple[float, ...]], float]
) -> None:
    rewards = [0.1, 0.9, 0.4, 0.4, 0.7]
    expected = statistics.fmean(spread(subset) for subset in combinations(rewards, 3))
    assert value(name, [*rewards, nan], size=3) == pytest.approx(expected)
    assert value(name, rewards, size=5) == pytest.approx(value(name, rewards))
    assert isnan(value(name, rewards, size=6))


def test_at_a_common_size_larger_groups_are_worth_no_more() -> None:
    draws = np.random.default_rng(0).random((20_000, 8))
    few = np.where(np.arange(8) < 4, draws, nan)
    assert values("regret_gap", draws).mean() > values("regret_gap", few).mean() + 0.1
    at_four = values("advantage_mean", draws, size=4).mean()
    assert at_four == pytest.approx(values("advantage_mean", few).mean(), abs=0.01)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("name", ["learnability", "positive_value_loss"])
def test_over_all_outcomes_learnability_averages_to_p_times_one_minus_p(
    name: str, p: float
) -> None:
    k = 4
    outcomes = np.array([[float(i < s) for i in range(k)] for s in range(k + 1)])
    chances = [comb(k, s) * p**s * (1 - p) ** (k - s) for s in range(k + 1)]
    assert values(name, outcomes) @ chances == pytest.approx(p * (1 - p))


def test_learnability_looks_at_outcomes_and_not_at_a_shaped_reward() -> None:
    assert value("learnability", [0.0, 0.1, 0.3, 0.4]) == 0.0
    assert value("variance", [0.0, 0.1, 0.3, 0.4]) > 0.0


def test_the_outcome_filter_keeps_another_metric_where_outcomes_are_mixed() -> None:
    rewards = np.array([[0.0, 0.4, nan], [0.0, 0.9, nan], [0.6, 0.9, 1.0], [0.7, nan, nan]])
    np.testing.assert_array_equal(values("mixed_outcomes", rewards), [0.0, 1.0, 0.0, nan])
    of = chosen("regret_gap", ESTIMATORS)
    np.testing.assert_array_equal(values("mixed_outcomes", rewards, of=of), [0.0, 0.9, 0.0, nan])


def test_max_mc_remembers_the_best_reward_and_is_one_minus_p_once_solved() -> None:
    first = estimate("max_mc", Evidence(np.array([[0.0, 1.0], [nan, nan]]), round=1))
    assert first.values_P[0] == 0.5
    again = Evidence(np.array([[0.0, 0.0, 0.0, 1.0], [0.3, nan, nan, nan]]), 2, state=first.state)
    np.testing.assert_array_equal(estimate("max_mc", again).values_P, [0.75, nan])
    fails = Evidence(np.zeros((2, 4)), 3, state=estimate("max_mc", again).state)
    np.testing.assert_array_equal(estimate("max_mc", fails).values_P, [1.0, 0.3])


def test_policy_entropy_is_surprise_per_token() -> None:
    evidence = Evidence(
        np.zeros((2, 2)),
        tokens_PG=np.array([[4, 6], [3, 3]]),
        logps_PG=np.array([[-2.0, -8.0], [nan, nan]]),
    )
    np.testing.assert_array_equal(estimate("policy_entropy", evidence).values_P, [1.0, nan])


def test_the_posterior_follows_the_recursion_of_its_parameters() -> None:
    forgetting, alpha, beta = 0.3, 2.0, 1.0
    state: State | None = None
    for t, (wins, losses) in enumerate([(3, 1), (0, 4), (2, 2)], start=5):
        rewards = np.array([[1.0] * wins + [0.0] * losses])
        made = estimate(
            *("posterior", Evidence(rewards, t, state=state)),
            forgetting=forgetting,
            prior_successes=2.0,
            reading="success",
        )
        first = state is None
        kept = 0.0 if first else 1 - forgetting
        alpha = kept * alpha + (1 - kept) * 2.0 + wins
        beta = kept * beta + (1 - kept) * 1.0 + losses
        assert made.values_P[0] == pytest.approx(alpha / (alpha + beta))
        state = made.state


def test_forgetting_in_one_go_equals_forgetting_round_by_round() -> None:
    one, three = kept(np.array([1, 3]), 0.2)
    assert three == pytest.approx(one**3)
    np.testing.assert_array_equal(kept(np.array([0, -2]), 0.2), [1.0, 1.0])


def test_without_evidence_the_posterior_is_the_prior() -> None:
    nothing = Evidence(np.full((1, 2), nan), round=9)
    made = estimate("posterior", nothing, prior_successes=2.0, prior_failures=3.0)
    assert made.values_P[0] == pytest.approx(2 * 3 / (5 * 6))
    assert made.state.seen_P[0] == NEVER


def test_a_round_without_scores_leaves_what_is_remembered_as_it_was() -> None:
    state = replace(State.new(1), successes_P=np.array([2.0]), seen_P=np.array([1]))
    made = estimate("posterior", Evidence(np.array([[nan]]), round=3, state=state))
    assert made.state.successes_P[0] == 2.0
    assert made.state.seen_P[0] == 1


def test_drawn_success_rates_average_to_the_posteriors_expectation() -> None:
    many = Evidence(np.tile([1.0, 1.0, 0.0], (20_000, 1)))
    drawn = estimate("posterior", many, reading="thompson").values_P
    assert drawn.mean() == pytest.approx(estimate("posterior", many).values_P[0], abs=0.002)
    assert drawn.std() > 0.01


def test_the_category_bandit_is_a_running_mean_of_absolute_advantages() -> None:
    rewards = np.array([[0.0, 1.0], [0.0, 0.0], [0.0, 3.0]])
    tasks = np.array([0, 0, 2])
    made = estimate("category_bandit", Evidence(rewards, tasks_P=tasks), rate=0.5, scaled=False)
    np.testing.assert_allclose(made.state.tasks_K, [0.5 * 0.25, 0.0, 0.5 * 1.5])
    np.testing.assert_allclose(made.values_P, made.state.tasks_K[tasks])
    remembered = replace(State.new(1), tasks_K=made.state.tasks_K)
    later = Evidence(rewards[:1], tasks_P=np.array([2]), state=remembered)
    after = estimate("category_bandit", later, rate=0.5, scaled=False).state.tasks_K
    np.testing.assert_allclose(after, [0.125, 0.0, 0.5 * 0.5 + 0.5 * 0.75])


def test_scaled_advantages_do_not_depend_on_the_unit_of_the_reward() -> None:
    rewards, tasks = np.array([[0.0, 0.25, 1.0], [0.5, 0.5, 0.5]]), np.array([0, 1])
    found = [
        estimate("category_bandit", Evidence(scale * rewards, tasks_P=tasks)).values_P
        for scale in (1.0, 10.0)
    ]
    np.testing.assert_allclose(found[0], found[1])
    assert found[0][1] == 0.0


def judged(rng: np.random.Generator, true_PG: np.ndarray, noise_P: np.ndarray) -> Evidence:
    repeats = 4
    judgements = true_PG[..., None] + noise_P[:, None, None] * rng.normal(
        size=(*true_PG.shape, repeats)
    )
    return Evidence(judgements.mean(axis=-1), judgements_PGJ=judgements)


def test_the_variance_between_units_is_unbiased_before_it_is_cut() -> None:
    rng = np.random.default_rng(1)
    true = rng.normal(scale=2.0, size=(4000, 5, 1))
    noisy = true + rng.normal(scale=1.5, size=(4000, 5, 3))
    noisy[:, 0, 2] = nan
    assert variance_between(noisy).mean() == pytest.approx(4.0, rel=0.05)


def test_judge_noise_alone_is_worth_nothing_once_corrected() -> None:
    rng = np.random.default_rng(2)
    evidence = judged(rng, np.zeros((3000, 6)), np.ones(3000))
    raw, corrected = (estimate(n, evidence).values_P for n in ("variance", "corrected_variance"))
    assert raw.mean() == pytest.approx(1 / 4, rel=0.05)
    assert corrected.mean() < 0.4 * raw.mean()
    halves_PG = evidence.judgements_PGJ
    assert halves_PG is not None
    gaps = chosen_gap(halves_PG[..., :2].mean(-1), halves_PG[..., 2:].mean(-1))
    assert abs(gaps.mean()) < 4 * gaps.std() / np.sqrt(len(gaps))


def test_corrected_metrics_keep_their_choice_where_the_raw_gap_chases_noise() -> None:
    rng = np.random.default_rng(3)
    count = 200
    informative = np.arange(count) < count // 2
    true = np.where(informative[:, None], rng.normal(size=(count, 6)), 0.0)
    clear = judged(rng, true, np.full(count, 0.01))
    ambiguous = judged(rng, true, np.where(informative, 0.3, 3.0))

    def found(name: str, evidence: Evidence) -> float:
        best = np.argsort(-estimate(name, evidence).values_P)[: count // 2]
        return float(informative[best].mean())

    assert found("regret_gap", clear) == 1.0
    assert found("regret_gap", ambiguous) < 0.4
    assert found("corrected_gap", ambiguous) > 0.6
    assert found("corrected_variance", ambiguous) > 0.6


@pytest.mark.parametrize("name", ["corrected_variance", "corrected_gap"])
def test_without_repeats_the_noise_is_unknown(name: str) -> None:
    evidence = Evidence(np.array([[0.0, 1.0]]), judgements_PGJ=np.array([[[0.0], [1.0]]]))
    assert isnan(estimate(name, evidence).values_P[0])
    with pytest.raises(ValueError, match="needs judgements_PGJ"):
        estimate(name, Evidence(np.zeros((1, 2))))


def test_the_corrected_gap_of_noiseless_judgements_is_the_gap() -> None:
    rewards = np.array([[0.2, 0.9, nan, 0.5]])
    evidence = Evidence(rewards, judgements_PGJ=np.repeat(rewards[..., None], 3, axis=-1))
    assert estimate("corrected_gap", evidence).values_P[0] == pytest.approx(0.7)


def test_judges_disagree_by_their_variance_on_the_same_response() -> None:
    judgements = np.array([[[0.0, 1.0], [0.5, 0.5]], [[1.0, nan], [nan, nan]]])
    evidence = Evidence(np.zeros((2, 2)), judgements_PGJ=judgements)
    np.testing.assert_array_equal(estimate("judge_disagreement", evidence).values_P, [0.25, nan])


def test_policies_disagree_where_one_can_and_another_cannot() -> None:
    policies = np.array([[0, 0, 0, 1, 1, 1]] * 2)
    rewards = np.array([[1.0, 1.0, 1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 1.0, 0.0, 1.0, 1.0]])
    evidence = Evidence(rewards, policies_PG=policies)
    np.testing.assert_array_equal(estimate("policy_disagreement", evidence).values_P, [0.5, 0.0])
    assert by_policy(rewards, np.full((2, 6), -1)).shape == (2, 0, 6)


def test_the_same_information_in_half_the_tokens_is_worth_twice_as_much() -> None:
    rewards = np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    evidence = Evidence(rewards, tokens_PG=np.array([[10, 30], [40, 40], [0, 0]]))
    found = estimate("per_token", evidence).values_P
    assert found[0] == pytest.approx(2 * found[1])
    assert isnan(found[2])
    free = estimate("per_token", evidence, power=0.0).values_P
    np.testing.assert_array_equal(free[:2], values("learnability", rewards[:2]))


@settings(max_examples=30, deadline=None)
@given(known=st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1, max_size=4))
def test_halves_share_the_known_responses_between_them(known: list[list[bool]]) -> None:
    known_PG = np.array(known)
    first, second = halves(known_PG, np.random.default_rng(0))
    np.testing.assert_array_equal(first ^ second, known_PG)
    assert not (first & second).any()
    sizes = first.sum(1) - second.sum(1)
    np.testing.assert_array_equal(sizes, known_PG.sum(1) % 2)


def test_the_held_half_values_the_chosen_without_the_winners_curse() -> None:
    rng = np.random.default_rng(4)
    p = np.full(4000, 0.5)
    evidence = Evidence((rng.random((4000, 8)) < p[:, None]).astype(float))
    made = estimate("split_halves", evidence)
    assert made.held_P is not None
    top = np.argsort(-made.values_P, kind="stable")[:500]
    assert made.values_P[top].mean() > 0.30
    assert made.held_P[top].mean() == pytest.approx(0.25, abs=0.02)
    assert (made.counts_P == 4).all()


def test_wrappers_nest_and_keep_the_state_of_what_they_wrap() -> None:
    inner = chosen("posterior", ESTIMATORS)
    filtered = chosen("mixed_outcomes", ESTIMATORS, MixedOptions(of=inner))
    costed = chosen("per_token", ESTIMATORS, CostOptions(of=filtered))
    estimator = chosen("split_halves", ESTIMATORS, HalvesOptions(of=costed)).build()
    rewards = np.array([[0.0, 1.0, 0.0, 1.0]])
    made = estimator(Evidence(rewards, 3, tokens_PG=np.full((1, 4), 5)), np.random.default_rng(0))
    assert made.state.successes_P[0] == 2.0
    assert made.state.seen_P[0] == 3
    assert made.values_P.shape == (1,)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_row_estimates_without_changing_what_it_is_given(name: str) -> None:
    rng = np.random.default_rng(5)
    rewards = rng.random((6, 4))
    rewards[0], rewards[1, 1:] = nan, nan
    judgements = np.repeat(rewards[..., None], 4, axis=-1)
    state = replace(State.new(6), seen_P=np.full(6, 2), visits_P=np.full(6, 1))
    evidence = Evidence(
        rewards,
        round=4,
        tokens_PG=np.full((6, 4), 9),
        logps_PG=np.full((6, 4), -3.0),
        judgements_PGJ=judgements,
        policies_PG=np.tile([0, 0, 1, 1], (6, 1)),
        tasks_P=np.array([0, 1, 0, 1, 0, 1]),
        state=state,
    )
    for column in (rewards, judgements, state.seen_P, state.successes_P):
        column.flags.writeable = False
    made = estimate(name, evidence)
    known = made.values_P[2:]
    assert np.isfinite(known).all()
    assert (known >= 0).all()
    np.testing.assert_array_equal(made.state.seen_P, [2, 4, 4, 4, 4, 4])
    np.testing.assert_array_equal(made.state.visits_P, [1, 2, 2, 2, 2, 2])
    np.testing.assert_array_equal(made.values_P, estimate(name, evidence).values_P)
    assert ESTIMATORS[name].summary


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("regret_gap", {"size": 1}, "size: expected 2 or more"),
        ("inverse_gap", {"floor": 0.0}, "floor: expected above 0"),
        ("posterior", {"reading": "mean"}, "reading: expected learnability or success"),
        ("posterior", {"forgetting": 1.5}, "forgetting: expected from 0 to 1"),
        ("category_bandit", {"rate": 0.0}, "rate: expected above 0"),
        ("per_token", {"power": -1.0}, "power: expected 0 or more"),
    ],
)
def test_impossible_options_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ESTIMATORS[name].options(**options).check("creator.estimator")


def test_the_tables_import_neither_numpy_nor_torch() -> None:
    script = (
        "import sys, creator.estimators.table, creator.samplers.table\n"
        "assert not {'numpy', 'torch'} & set(sys.modules)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_columns_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="tokens_PG: expected"):
        Evidence(np.zeros((2, 3)), tokens_PG=np.zeros((3, 2)))
    with pytest.raises(ValueError, match="two axes"):
        Evidence(np.zeros(3))
    with pytest.raises(ValueError, match="state: expected"):
        Evidence(np.zeros((2, 3)), state=State.new(3))


def test_groups_of_different_sizes_become_padded_columns() -> None:
    def answer(tokens: int, logps: bool) -> Response:
        found = np.full(tokens, -0.5, np.float32) if logps else None
        return Response("x", np.zeros(tokens, np.int32), found, "stop")

    pair = Group(Prompt(user("a")), (answer(2, True), answer(3, False)), "train", 1)
    single = Group(Prompt(user("b")), (answer(4, True),), "train", 1)
    groups = [
        pair.judged([Verdict(1.0), Verdict.missing("time-out")], "f"),
        single.judged([Verdict(0.5)], "f"),
    ]
    evidence = evidence_of(groups, 7)
    np.testing.assert_array_equal(evidence.rewards_PG, [[1.0, nan], [0.5, nan]])
    np.testing.assert_array_equal(evidence.tokens_PG, [[2, 3], [4, nan]])
    np.testing.assert_array_equal(evidence.logps_PG, [[-1.0, nan], [-2.0, nan]])
    np.testing.assert_array_equal(evidence.counts_P, [1, 1])
    assert evidence_of([], 7).rewards_PG.shape == (0, 0)
    first, _ = stamped(groups, estimate("mean", evidence), "mean", 7)
    assert first == Estimate(pair.prompt.id, "mean", 1.0, 1, 7, 1, "f")


def test_trust_halves_with_each_half_life() -> None:
    options = TrustOptions(rounds=2.0, versions=4.0)
    found = trust(np.array([0, 2, 4, -1]), np.array([0, 0, 4, 0]), options)
    np.testing.assert_allclose(found, [1.0, 0.5, 0.125, 1.0])
    np.testing.assert_array_equal(trust(np.array([9]), np.array([9]), TrustOptions()), [1.0])
    stale = due(np.array([0, 9]), np.array([0, 0]), options, least=0.5)
    np.testing.assert_array_equal(stale, [False, True])


def test_a_stale_value_moves_to_the_mean_and_not_to_zero() -> None:
    found = discounted(np.array([1.0, 0.0, nan, 1.0]), np.array([1.0, 1.0, 1.0, 0.0]))
    np.testing.assert_allclose(found, [1.0, 0.0, nan, 0.5])
    assert np.isnan(discounted(np.array([1.0, nan]), np.zeros(2))).all()
