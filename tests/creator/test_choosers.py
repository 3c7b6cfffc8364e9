from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pytest

from creator.bandits import chooser as choosers
from creator.bandits.boltzmann import shares, values
from creator.bandits.chooser import Arms, Chooser
from creator.bandits.table import CHOOSERS, BoltzmannOptions, ThompsonOptions
from creator.bandits.thompson import posterior
from creator.bandits.yields import Cohort, Cohorts, Yield
from selfplay.core.components import chosen
from selfplay.core.errors import ConfigError
from selfplay.core.seeding import Seed

NAMES = ("harder", "easier", "fresh")
EVERY = pytest.mark.parametrize("name", sorted(CHOOSERS))
BANDITS = pytest.mark.parametrize("name", ["thompson", "boltzmann"])


def chooser(name: str) -> Chooser:
    made: Chooser = chosen(name, CHOOSERS).build()
    return made


def arms_of(names: Sequence[str], weights: Sequence[float], past: Iterable[Cohort]) -> Arms:
    return choosers.arms_of(names, weights, Cohorts(past))


def rng(seed: int = 0) -> np.random.Generator:
    return Seed(seed, ("choosers",)).numpy()


def picks(name: str, arms: Arms, count: int = 4000) -> np.ndarray:
    return np.bincount(chooser(name)(arms, count, rng()), minlength=len(arms.weights_K)) / count


def cohort(**rates: float) -> dict[str, Yield]:
    """Twenty attempts of each operator, that share of them learnable."""
    return {
        name: Yield(20, 20, 20, round(20 * rate), 0, 20 * rate * 0.25)
        for name, rate in rates.items()
    }


@EVERY
def test_without_any_evidence_every_operator_with_a_weight_comes(name: str) -> None:
    for cohorts in ([], [{}], [{"harder": Yield()}]):
        found = picks(name, arms_of(NAMES, [1, 1, 1], cohorts))
        assert found == pytest.approx([1 / 3] * 3, abs=0.04)


@EVERY
def test_an_operator_of_weight_0_is_never_chosen_however_good(name: str) -> None:
    arms = arms_of(NAMES, [0, 1, 1], [cohort(harder=1.0, easier=0.0, fresh=0.1)] * 5)
    assert picks(name, arms)[0] == 0.0


@EVERY
def test_one_operator_is_always_chosen(name: str) -> None:
    assert picks(name, arms_of(["only"], [0.3], []), 7).tolist() == [1.0]
    assert picks(name, arms_of(["a", "b"], [0, 2], [cohort(a=1.0)]), 7).tolist() == [0.0, 1.0]


@EVERY
def test_no_parents_give_no_picks(name: str) -> None:
    assert chooser(name)(arms_of(NAMES, [1, 1, 1], []), 0, rng()).shape == (0,)


@EVERY
def test_picks_are_a_function_of_arms_and_seed(name: str) -> None:
    arms, choose = arms_of(NAMES, [1, 2, 3], [cohort(harder=0.2, easier=0.4)]), chooser(name)
    assert choose(arms, 50, rng(1)).tolist() == choose(arms, 50, rng(1)).tolist()
    assert choose(arms, 50, rng(1)).tolist() != choose(arms, 50, rng(2)).tolist()


@EVERY
def test_yields_that_are_all_zero_leave_all_operators_in_play(name: str) -> None:
    arms = arms_of(NAMES, [1, 1, 1], [cohort(harder=0, easier=0, fresh=0)] * 4)
    assert picks(name, arms).min() > 0.2


def test_fixed_draws_as_numpy_does_from_the_weights() -> None:
    arms = arms_of(NAMES, [2.5, 0.5, 1.0], [cohort(harder=0, easier=1, fresh=0)])
    expected = rng().choice(3, size=100, p=np.array([2.5, 0.5, 1.0]) / 4.0)
    assert chooser("fixed")(arms, 100, rng()).tolist() == expected.tolist()


@BANDITS
def test_a_bandit_prefers_what_has_yielded_more(name: str) -> None:
    arms = arms_of(NAMES, [1, 1, 1], [cohort(harder=0.8, easier=0.1, fresh=0.5)])
    found = picks(name, arms)
    assert found[0] > 0.6
    assert found[0] > found[2] > 0


@EVERY
def test_without_any_evidence_the_shares_are_those_of_the_weights(name: str) -> None:
    found = picks(name, arms_of([*NAMES, "off"], [2.5, 0.5, 1.0, 0.0], []), 20_000)
    assert found == pytest.approx([0.625, 0.125, 0.25, 0.0], abs=0.015)


@BANDITS
def test_evidence_outweighs_the_configured_weights(name: str) -> None:
    past = [cohort(harder=0.1, easier=0.8, fresh=0.1)] * 3
    assert picks(name, arms_of(NAMES, [2.5, 1, 1], past))[1] > 0.8


@BANDITS
def test_an_operator_never_tried_is_tried(name: str) -> None:
    arms = arms_of(NAMES, [1, 1, 1], [cohort(harder=0.5, easier=0.5)] * 5)
    assert picks(name, arms)[2] > 0.15


def play(choose: Chooser, rates: Callable[[int], list[float]], rounds: int) -> np.ndarray:
    """Shares of the picks, round by round, where child k of round t is learnable by chance."""
    truth, cohorts, shown = rng(3), list[Cohort](), []
    for t in range(rounds):
        arms = arms_of(NAMES, [1, 1, 1], cohorts)
        counts = np.bincount(choose(arms, 40, rng(t)), minlength=3)
        good = truth.binomial(counts, rates(t))
        cohorts.append(
            {
                name: Yield(n, n, n, k, 0, k * 0.2)
                for name, n, k in zip(NAMES, counts.tolist(), good.tolist(), strict=True)
            }
        )
        shown.append(counts / 40)
    return np.array(shown)


@BANDITS
def test_a_bandit_finds_the_better_operator_and_follows_when_it_changes(name: str) -> None:
    def rates(t: int) -> list[float]:
        return [0.7, 0.2, 0.1] if t < 20 else [0.05, 0.2, 0.7]

    shown = play(chooser(name), rates, 40)
    assert shown[10:20, 0].mean() > 0.55
    assert shown[30:40, 2].mean() > 0.55
    assert shown[30:40, 0].mean() < 0.25


def test_the_posterior_is_the_recursion_of_its_definition() -> None:
    past = [cohort(harder=0.5, easier=0.1), {}, cohort(harder=0.25), cohort(easier=1.0)]
    arms = arms_of(NAMES, [1, 1, 1], past)
    options = ThompsonOptions(forgetting=0.3, prior_successes=0.5, prior_failures=2.0)
    alpha, beta = np.full(3, 0.5), np.full(3, 2.0)
    for trials_K, learnable_K in zip(arms.trials_TK, arms.learnable_TK, strict=True):
        alpha = 0.7 * alpha + 0.3 * 0.5 + learnable_K
        beta = 0.7 * beta + 0.3 * 2.0 + trials_K - learnable_K
    found = posterior(arms, options)
    assert found[0] == pytest.approx(alpha)
    assert found[1] == pytest.approx(beta)


def test_rejections_and_children_that_teach_nothing_count_alike_and_pending_ones_do_not() -> None:
    rejected = {"harder": Yield(tried=10)}
    dull = {"harder": Yield(10, 10, 10)}
    pending = {"harder": Yield(10, 10, 0)}
    made = [
        posterior(arms_of(["harder"], [1], [past]), ThompsonOptions())[1][0]
        for past in (rejected, dull, pending)
    ]
    assert made == [11.0, 11.0, 1.0]


def test_q_is_a_running_mean_of_informativeness_per_attempt() -> None:
    past = [
        {"harder": Yield(10, 10, 10, 5, 0, 2.0)},
        {"harder": Yield(tried=0), "easier": Yield(tried=5)},
        {"harder": Yield(10, 5, 5, 5, 0, 1.0)},
    ]
    found = values(arms_of(NAMES, [1, 1, 1], past), rate=0.25)
    assert found[:2] == pytest.approx([0.25 * 0.1 + 0.75 * 0.2, 0.0])
    assert np.isnan(found[2])


def test_informativeness_that_is_unknown_teaches_nothing() -> None:
    known = [{"harder": Yield(10, 10, 10, 5, 0, 2.0)}]
    unknown = [*known, {"harder": Yield(10, 10, 10, 0, 0, float("nan"))}]
    for past in (known, unknown):
        assert values(arms_of(["harder"], [1], past), rate=0.5).tolist() == [0.2]


def test_equal_values_leave_the_configured_shares() -> None:
    weights = np.array([2.0, 1.0, 1.0])
    for value in (np.nan, 0.0, 0.1):
        found = shares(weights, np.full(3, value), BoltzmannOptions())
        assert found == pytest.approx([0.5, 0.25, 0.25])


def test_no_share_falls_below_its_floor() -> None:
    values_K = np.array([1e6, 0.0, -1e6])
    found = shares(np.array([1.0, 1.0, 2.0]), values_K, BoltzmannOptions(floor=0.2))
    assert found == pytest.approx([0.8 + 0.05, 0.05, 0.1])
    assert found.sum() == pytest.approx(1.0)


def test_the_ratio_of_shares_is_boltzmanns() -> None:
    options = BoltzmannOptions(temperature=0.1, floor=0.0)
    found = shares(np.ones(2), np.array([0.3, 0.1]), options)
    assert found[0] / found[1] == pytest.approx(np.exp(2.0))


@pytest.mark.parametrize(
    ("options", "key"),
    [
        (ThompsonOptions(forgetting=1.5), "forgetting"),
        (ThompsonOptions(prior_failures=0.0), "prior_failures"),
        (BoltzmannOptions(temperature=0.0), "temperature"),
        (BoltzmannOptions(floor=-0.1), "floor"),
        (BoltzmannOptions(rate=0.0), "rate"),
    ],
)
def test_impossible_options_are_refused(
    options: ThompsonOptions | BoltzmannOptions, key: str
) -> None:
    with pytest.raises(ConfigError, match=f"creator.chooser.{key}"):
        options.check("creator.chooser")
