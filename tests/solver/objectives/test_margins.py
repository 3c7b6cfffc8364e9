"""Losses on the gap, against formulas written out in plain floats, and their closed forms."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
import pytest
import torch

from selfplay.core.components import load_attribute
from selfplay.core.errors import ConfigError
from solver.objectives.margins import GPO, beta_dpo, dpop, gpo, rdpo
from solver.objectives.rows.pairs import (
    GPO_FUNCTIONS,
    ROWS,
    BetaDpoOptions,
    DpopOptions,
    GpoOptions,
    RdpoOptions,
)
from solver.objectives.terms import PairBatch, Scores

Tokens = list[float]
Pair = tuple[Tokens, Tokens, Tokens, Tokens]
"""log π and log π_ref of the chosen response's tokens, then of the rejected one's."""
SEEDS = range(5)


def random_pairs(seed: int, count: int = 6) -> list[Pair]:
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(count):
        chosen, rejected = rng.integers(1, 6, size=2)
        lengths = (chosen, chosen, rejected, rejected)
        pairs.append(tuple((-rng.exponential(1.5, size=n)).tolist() for n in lengths))
    return pairs


def scores(logps: Sequence[Tokens], reference: Sequence[Tokens], dtype: torch.dtype) -> Scores:
    width = max(len(tokens) for tokens in logps) + 1  # at least one position is padding

    def padded(rows: Sequence[Tokens]) -> torch.Tensor:
        filled = [[*tokens, *[0.0] * (width - len(tokens))] for tokens in rows]
        return torch.tensor(filled, dtype=dtype)

    mask_RT = torch.tensor([[t < len(tokens) for t in range(width)] for tokens in logps])
    return Scores(padded(logps).requires_grad_(), mask_RT, padded(reference))


def batch_of(
    pairs: Sequence[Pair],
    memory: dict[str, float] | None = None,
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float64,
) -> PairBatch:
    chosen, chosen_reference, rejected, rejected_reference = zip(*pairs, strict=True)
    return PairBatch(
        scores(chosen, chosen_reference, dtype),
        scores(rejected, rejected_reference, dtype),
        torch.ones(len(pairs), dtype=dtype),
        generator,
        {} if memory is None else memory,
    )


def batch_with_gaps(gaps: Sequence[float], **given: object) -> PairBatch:
    return batch_of([([gap - 1.0], [-1.0], [-1.0], [-1.0]) for gap in gaps], **given)


def gap(pair: Pair) -> float:
    chosen, chosen_reference, rejected, rejected_reference = map(sum, pair)
    return (chosen - chosen_reference) - (rejected - rejected_reference)


def minus_log_sigmoid(z: float) -> float:
    return -math.log(1.0 / (1.0 + math.exp(-z)))


def slope(formula: Callable[[Pair], float], pair: Pair, part: int, token: int) -> float:
    """d formula / d log-probability of one token, by central differences."""
    step = 1e-6
    values = []
    for change in (step, -step):
        moved = [list(tokens) for tokens in pair]
        moved[part][token] += change
        values.append(formula(tuple(moved)))
    return (values[0] - values[1]) / (2 * step)


def assert_loss_is(
    losses_B: torch.Tensor, batch: PairBatch, formula: Callable[[Pair], float], pairs: list[Pair]
) -> None:
    """Values and gradients of all pairs are those of the formula."""
    assert losses_B.tolist() == pytest.approx([formula(pair) for pair in pairs], rel=1e-9)
    losses_B.sum().backward()
    for part, side in ((0, batch.chosen), (2, batch.rejected)):
        gradient_BT = side.logps_RT.grad
        assert gradient_BT is not None
        for b, pair in enumerate(pairs):
            expected = [slope(formula, pair, part, t) for t in range(len(pair[part]))]
            found = gradient_BT[b, : len(expected)].tolist()
            assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)


def dpo(batch: PairBatch, beta: float) -> torch.Tensor:
    return gpo(batch, GpoOptions(beta=beta))


# GPO


FORMULAS: dict[str, Callable[[float], float]] = {
    "logistic": minus_log_sigmoid,
    "hinge": lambda z: max(0.0, 1 - z),
    "squared": lambda z: (z - 1) ** 2,
    "exponential": lambda z: math.e ** (-z),
    "truncated_quadratic": lambda z: max(0.0, 1 - z) ** 2,
    "savage": lambda z: 1 / (1 + math.exp(z)) ** 2,
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", GPO_FUNCTIONS)
def test_each_gpo_function_is_its_formula(name: str, seed: int) -> None:
    pairs = random_pairs(seed)
    batch = batch_of(pairs)
    losses_B = gpo(batch, GpoOptions(function=name, beta=0.7))
    assert_loss_is(losses_B, batch, lambda pair: FORMULAS[name](0.7 * gap(pair)), pairs)


def test_the_named_gpo_functions_are_those_that_exist() -> None:
    assert set(GPO_FUNCTIONS) == set(GPO) == set(FORMULAS)


def test_dpo_at_gap_zero_is_log_two_with_half_of_beta_as_gradient() -> None:
    batch = batch_with_gaps([0.0])
    loss_B = dpo(batch, 0.3)
    loss_B.sum().backward()
    assert loss_B.item() == pytest.approx(math.log(2), abs=1e-15)
    assert batch.chosen.logps_RT.grad is not None
    assert batch.chosen.logps_RT.grad[0, 0].item() == pytest.approx(-0.15, abs=1e-15)


def test_dpo_of_a_gap_and_of_its_opposite_differ_by_minus_beta_times_the_gap() -> None:
    gaps = np.linspace(-40, 40, 17)
    ahead_B, behind_B = (dpo(batch_with_gaps(sign * gaps), 0.3) for sign in (1, -1))
    np.testing.assert_allclose((ahead_B - behind_B).detach(), -0.3 * gaps, atol=1e-12)


def test_the_gradient_of_dpo_is_minus_beta_sigma_of_minus_beta_gap() -> None:
    gaps = np.linspace(-5, 5, 11)
    batch = batch_with_gaps(gaps)
    dpo(batch, 0.4).sum().backward()
    assert batch.chosen.logps_RT.grad is not None
    expected = -0.4 / (1 + np.exp(0.4 * gaps))
    np.testing.assert_allclose(batch.chosen.logps_RT.grad[:, 0], expected, atol=1e-12)


def test_the_hinge_has_no_gradient_beyond_its_margin_and_squared_pulls_back() -> None:
    gradients = {}
    for name in ("hinge", "squared"):
        batch = batch_with_gaps([30.0])
        gpo(batch, GpoOptions(function=name, beta=0.1)).sum().backward()
        assert batch.chosen.logps_RT.grad is not None
        gradients[name] = batch.chosen.logps_RT.grad[0, 0].item()
    assert gradients["hinge"] == 0.0
    assert gradients["squared"] > 0.0


@pytest.mark.parametrize("name", ["logistic", "savage"])
def test_saturated_gaps_stay_finite_in_float32(name: str) -> None:
    batch = batch_with_gaps([-3000.0, 3000.0], dtype=torch.float32)
    losses_B = gpo(batch, GpoOptions(function=name, beta=1.0))
    losses_B.sum().backward()
    assert losses_B[1].item() == 0.0
    assert losses_B[0].item() == (3000.0 if name == "logistic" else 1.0)
    assert batch.chosen.logps_RT.grad is not None
    assert torch.isfinite(batch.chosen.logps_RT.grad).all()


def test_an_unknown_gpo_function_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"x\.function: .*'logistc'; did you mean 'logistic'\?"):
        GpoOptions(function="logistc").check("x")


# DPOP and R-DPO


@pytest.mark.parametrize("seed", SEEDS)
def test_dpop_is_its_formula(seed: int) -> None:
    def formula(pair: Pair) -> float:
        shortfall = max(0.0, sum(pair[1]) - sum(pair[0]))
        return minus_log_sigmoid(0.3 * (gap(pair) - 5.0 * shortfall))

    pairs = random_pairs(seed)
    batch = batch_of(pairs)
    assert_loss_is(dpop(batch, DpopOptions(penalty=5.0)), batch, formula, pairs)


def test_dpop_without_penalty_is_dpo() -> None:
    batch = batch_of(random_pairs(0))
    assert torch.equal(dpop(batch, DpopOptions(beta=0.3, penalty=0.0)), dpo(batch, 0.3))


def test_dpop_is_dpo_exactly_where_the_chosen_response_is_no_less_likely_than_before() -> None:
    batch = batch_of(random_pairs(1, count=20))
    risen_B = batch.chosen.ratios_R >= 0
    same_B = dpop(batch, DpopOptions(beta=0.3)) == dpo(batch, 0.3)
    assert 0 < risen_B.sum() < 20
    assert torch.equal(same_B, risen_B)


def test_dpop_changes_when_both_responses_shift_and_dpo_does_not() -> None:
    pair: Pair = ([-1.0], [-1.0], [-2.0], [-1.0])
    shifted: Pair = ([-1.5], [-1.0], [-2.5], [-1.0])
    before, after = batch_of([pair]), batch_of([shifted])
    assert dpo(before, 0.3).item() == dpo(after, 0.3).item()
    assert dpop(after, DpopOptions()).item() > dpop(before, DpopOptions()).item() + 1


@pytest.mark.parametrize("seed", SEEDS)
def test_rdpo_is_its_formula(seed: int) -> None:
    def formula(pair: Pair) -> float:
        return minus_log_sigmoid(0.2 * gap(pair) + 0.4 * (len(pair[0]) - len(pair[2])))

    pairs = random_pairs(seed)
    batch = batch_of(pairs)
    assert_loss_is(rdpo(batch, RdpoOptions(beta=0.2, alpha=0.4)), batch, formula, pairs)


def test_rdpo_without_a_length_term_is_dpo() -> None:
    batch = batch_of(random_pairs(2))
    assert torch.equal(rdpo(batch, RdpoOptions(beta=0.3, alpha=0.0)), dpo(batch, 0.3))


def test_rdpo_gives_a_longer_winner_the_smaller_gradient() -> None:
    short, long = [-1.0], [-0.25] * 4
    gradients = []
    for chosen, rejected in ((long, short), (short, long)):
        batch = batch_of([(chosen, chosen, rejected, rejected)])
        rdpo(batch, RdpoOptions(alpha=0.5)).sum().backward()
        assert batch.chosen.logps_RT.grad is not None
        gradients.append(abs(batch.chosen.logps_RT.grad[0, 0].item()))
    assert gradients[0] < gradients[1] / 4


# β-DPO


def expected_beta_dpo(
    steps: Sequence[list[Pair]], options: BetaDpoOptions
) -> tuple[list[int], float]:
    """The pairs kept in the last of some steps, without draws, and its β."""
    mean = deviation = 0.0
    for number, pairs in enumerate(steps):
        gaps = [gap(pair) for pair in pairs]
        average = sum(gaps) / len(gaps)
        spread = math.sqrt(sum((g - average) ** 2 for g in gaps) / len(gaps))
        past = options.momentum if number > 0 else 0.0
        mean = past * mean + (1 - past) * average
        deviation = past * deviation + (1 - past) * spread
    weights = [math.exp(-0.5 * ((g - mean) / deviation) ** 2) for g in gaps]
    ranked = sorted(range(len(gaps)), key=lambda i: -weights[i])
    kept = ranked[: round(options.keep * len(gaps))]
    surplus = sum(gaps[i] for i in kept) / len(kept) - mean
    return kept, max(1e-3, options.beta * (1 + options.adaptation * surplus))


@pytest.mark.parametrize("seed", SEEDS)
def test_beta_dpo_is_its_formula_in_a_first_and_in_a_later_step(seed: int) -> None:
    options = BetaDpoOptions(beta=0.4, keep=0.7)
    memory: dict[str, float] = {}
    steps = [random_pairs(10 * seed + number, count=10) for number in range(3)]
    for number, pairs in enumerate(steps, start=1):
        kept, beta = expected_beta_dpo(steps[:number], options)

        def formula(pair: Pair, beta: float = beta) -> float:
            return minus_log_sigmoid(beta * gap(pair)) * 10 / 7

        batch = batch_of(pairs, memory)
        losses_B = beta_dpo(batch, options)
        assert losses_B[kept].tolist() == pytest.approx([formula(pairs[i]) for i in kept])
        assert losses_B.count_nonzero() == len(kept) == 7
        losses_B.sum().backward()
        for part, side in ((0, batch.chosen), (2, batch.rejected)):
            assert side.logps_RT.grad is not None
            for b, pair in enumerate(pairs):
                slopes = [slope(formula, pair, part, t) for t in range(len(pair[part]))]
                expected = slopes if b in kept else [0.0] * len(slopes)
                found = side.logps_RT.grad[b, : len(slopes)].tolist()
                assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_the_mean_of_beta_dpo_over_all_pairs_is_its_mean_over_the_kept() -> None:
    pairs = random_pairs(7, count=10)
    options = BetaDpoOptions(keep=0.7)
    kept, beta = expected_beta_dpo([pairs], options)
    expected = sum(minus_log_sigmoid(beta * gap(pairs[i])) for i in kept) / 7
    assert beta_dpo(batch_of(pairs), options).mean().item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("seeded", [False, True])
def test_beta_dpo_that_keeps_all_and_does_not_adapt_is_dpo_to_the_bit(seeded: bool) -> None:
    generator = torch.Generator().manual_seed(0) if seeded else None
    memory: dict[str, float] = {}
    for seed in SEEDS:
        batch = batch_of(random_pairs(seed), memory, generator)
        options = BetaDpoOptions(beta=0.3, adaptation=0.0, keep=1.0)
        assert torch.equal(beta_dpo(batch, options), dpo(batch, 0.3))


def test_beta_dpo_of_a_first_step_that_keeps_all_is_dpo_to_the_bit() -> None:
    batch = batch_of(random_pairs(3))
    assert torch.equal(beta_dpo(batch, BetaDpoOptions(beta=0.3, keep=1.0)), dpo(batch, 0.3))


def test_beta_dpo_uses_the_floor_when_the_gap_falls_far_below_the_usual() -> None:
    memory: dict[str, float] = {}
    options = BetaDpoOptions(keep=1.0)
    beta_dpo(batch_with_gaps([10.0, 12.0], memory=memory), options)
    losses_B = beta_dpo(batch_with_gaps([-10.0, -12.0], memory=memory), options)
    expected = [minus_log_sigmoid(1e-3 * g) for g in (-10.0, -12.0)]
    assert losses_B.tolist() == pytest.approx(expected, rel=1e-12)


def test_beta_dpo_draws_without_replacement_by_its_weights() -> None:
    gaps = [-1.0, 0.2, 0.5, 2.5]
    mean, deviation = np.mean(gaps), np.std(gaps)
    weights = np.exp(-0.5 * ((np.array(gaps) - mean) / deviation) ** 2)
    p = weights / weights.sum()
    generator = torch.Generator().manual_seed(0)
    found: Counter[tuple[int, ...]] = Counter()
    rounds = 4000
    for _ in range(rounds):
        losses_B = beta_dpo(
            batch_with_gaps(gaps, generator=generator), BetaDpoOptions(keep=0.5, adaptation=0.0)
        )
        found[tuple(torch.nonzero(losses_B)[:, 0].tolist())] += 1
    for i, j in combinations(range(4), 2):
        chance = p[i] * p[j] / (1 - p[i]) + p[j] * p[i] / (1 - p[j])
        error = math.sqrt(chance * (1 - chance) / rounds)
        assert abs(found[i, j] / rounds - chance) < 4 * error


def test_beta_dpo_draws_the_same_pairs_from_the_same_seed() -> None:
    pairs = random_pairs(4, count=20)
    drawn = [
        beta_dpo(
            batch_of(pairs, generator=torch.Generator().manual_seed(seed)), BetaDpoOptions(keep=0.5)
        )
        for seed in (1, 1, 2)
    ]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize("gaps", [[0.0, 0.0, 0.0, 0.0, 0.0], [3.0]])
def test_beta_dpo_of_equal_gaps_or_a_single_pair_is_finite(gaps: list[float]) -> None:
    """As in the first step of a stage, where the policy is its own reference."""
    generator = torch.Generator().manual_seed(0)
    losses_B = beta_dpo(batch_with_gaps(gaps, generator=generator), BetaDpoOptions())
    assert losses_B.mean().item() == pytest.approx(minus_log_sigmoid(0.1 * gaps[0]), rel=1e-12)
    assert int((losses_B > 0).sum()) == (4 if len(gaps) == 5 else 1)


def test_beta_dpo_can_draw_pairs_whose_weights_would_underflow() -> None:
    memory: dict[str, float] = {"gap_mean": 0.0, "gap_std": 1e-3}
    generator = torch.Generator().manual_seed(0)
    batch = batch_with_gaps(
        [1.0, 2.0, 3.0, 4.0], memory=memory, generator=generator, dtype=torch.float32
    )
    losses_B = beta_dpo(batch, BetaDpoOptions(keep=0.5, momentum=0.999))
    assert int((losses_B > 0).sum()) == 2


def test_the_losses_keep_float32_and_float64() -> None:
    for dtype in (torch.float32, torch.float64):
        batch = batch_of(random_pairs(0), dtype=dtype)
        for loss, options in (
            (gpo, GpoOptions()),
            (beta_dpo, BetaDpoOptions()),
            (dpop, DpopOptions()),
            (rdpo, RdpoOptions()),
        ):
            assert loss(batch, options).dtype == dtype


# The rows of all objectives on pairs that are this project's own


@pytest.mark.parametrize("name", ROWS)
def test_a_row_names_a_function_and_defaults_that_pass_their_check(name: str) -> None:
    row = ROWS[name]
    assert load_attribute(row.factory).__name__ == name
    row.options().check(name)
    assert row.shape == "pairs"
    assert "pairs" in row.needs
    assert row.formula
    assert row.when.endswith(".")
    assert "arXiv" in row.source


@pytest.mark.parametrize("name", ROWS)
def test_a_value_below_the_range_of_its_option_is_refused(name: str) -> None:
    options = ROWS[name].options
    for field in (*options.ABOVE_ZERO, *options.NOT_BELOW_ZERO):
        with pytest.raises(ConfigError, match=rf"^x\.{field}: expected"):
            options(**{field: -0.1}).check("x")
    for field in options.ABOVE_ZERO:
        with pytest.raises(ConfigError, match=rf"^x\.{field}: expected above 0, found 0"):
            options(**{field: 0.0}).check("x")


@pytest.mark.parametrize("given", [{"keep": 0.0}, {"keep": 1.1}, {"momentum": 1.0}])
def test_shares_of_beta_dpo_outside_their_range_are_refused(given: dict[str, float]) -> None:
    (name,) = given
    with pytest.raises(ConfigError, match=rf"^x\.{name}: expected"):
        BetaDpoOptions(**given).check("x")


def test_only_beta_dpo_needs_an_optimiser_step_in_one_piece() -> None:
    assert [name for name, row in ROWS.items() if row.whole_step] == ["beta_dpo"]
