"""Win rates from comparisons: plain, and as they would be if both sides were equally long.

A comparison's *win* is 1, 0, or anything between, 1/2 being a tie. Prompts weigh the same, and are
what intervals rest on, however many comparisons each has: Student's t over prompt means for the
plain rate (`meta.acceptance.intervals`).

Judges favour long answers. The length-controlled rate follows AlpacaEval 2 (Dubois et al., 2024,
arXiv 2404.04475): a logistic regression of the wins,

    P(win) = σ(θ + φ · tanh(Δ / s)),

with Δ the difference in length (characters) and s its standard deviation; the rate is σ(θ), what is
predicted for Δ = 0. It is the paper's model for one policy and one reference: left out are the
difficulty of single instructions, which takes many policies to tell, and the penalty against
answers cut short on purpose. φ has a ridge of 1 (about one prompt's worth) and θ one so small that
it only keeps rates of 0 and 1 finite. Its interval is the regression's, robust and clustered by
prompt (Liang & Zeger, 1986), taken on the scale of θ. With all wins alike both intervals have no
width, though a few prompts cannot be as sure as that. Where all answers are longer by about as
much, length and quality cannot be told apart, and the rate stays near the plain one.

Exchanging policy and reference turns every rate r into 1 - r; equal sides have 1/2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meta.acceptance.intervals import interval, t_quantile

RIDGE = (1e-3, 1.0)
"""On θ and φ."""
_STEPS = 100
_ENOUGH = 1e-10


@dataclass(frozen=True)
class Contest:
    """One comparison of an answer with the reference's."""

    prompt: str
    """Id of the prompt."""
    win: float | None
    """Of the answer over the reference's, 0 to 1; None where the judge has not said."""
    tie: bool
    """Whether neither is better: equal texts, or a judge whose two orders disagree."""
    length: int
    """Of the answer, characters."""
    other: int
    """Of the reference's answer, characters."""


@dataclass(frozen=True)
class Rate:
    """A win rate with its 95 % interval."""

    mean: float
    low: float
    """NaN with fewer than two prompts."""
    high: float


def win_rate(wins_C: NDArray[np.float64], prompts: Sequence[str]) -> Rate:
    """The mean over prompts of their mean win; `prompts` says whose each comparison is."""
    clusters_C, count = _clusters(prompts)
    sums = np.bincount(clusters_C, wins_C, minlength=count)
    found = interval(sums / np.bincount(clusters_C, minlength=count))
    return Rate(found.mean, found.low, found.high)


def length_controlled(
    wins_C: NDArray[np.float64], prompts: Sequence[str], longer_C: NDArray[np.float64]
) -> Rate:
    """The win rate at equal lengths.

    Args:
        wins_C: shape (C,), one win for each comparison.
        prompts: whose each is.
        longer_C: shape (C,): the answer's length less the reference's.
    """
    clusters_C, count = _clusters(prompts)
    weights_C = 1.0 / np.bincount(clusters_C, minlength=count)[clusters_C]
    spread = longer_C.std()
    length_C = np.tanh(longer_C / spread) if spread > 0 else np.zeros(len(longer_C))
    features_CK = np.column_stack([np.ones(len(wins_C)), length_C])
    found_K, hessian_KK = _fit(features_CK, wins_C, weights_C)
    rate = float(_logistic(found_K[0]))
    if count < 2:
        return Rate(rate, float("nan"), float("nan"))
    residuals_C = weights_C * (wins_C - _logistic(features_CK @ found_K))
    scores_PK = np.zeros((count, 2))
    np.add.at(scores_PK, clusters_C, residuals_C[:, None] * features_CK)
    bread_KK = np.linalg.inv(hessian_KK)
    meat_KK = scores_PK.T @ scores_PK * count / (count - 1)
    error = float(np.sqrt((bread_KK @ meat_KK @ bread_KK)[0, 0]))
    half = t_quantile(0.975, count - 1) * error
    low, high = _logistic(found_K[0] - half), _logistic(found_K[0] + half)
    return Rate(rate, float(low), float(high))


def rates(contests: Sequence[Contest], name: str) -> dict[str, float]:
    """What the comparisons come to, as metrics below `name`.

    `win_rate` and `win_rate_lc` (length-controlled), each with `_low` and `_high`; the share of
    `ties`; `length_ratio`, mean length over the reference's; `missing` comparisons, where there are
    any. Only `missing` where nothing was judged.
    """
    known = [contest for contest in contests if contest.win is not None]
    missing = len(contests) - len(known)
    found = {f"{name}/missing": float(missing)} if missing else {}
    if not known:
        return found
    prompts = [contest.prompt for contest in known]
    wins_C = np.array([contest.win for contest in known], dtype=np.float64)
    longer_C = np.array([c.length - c.other for c in known], dtype=np.float64)
    pairs = {
        "win_rate": win_rate(wins_C, prompts),
        "win_rate_lc": length_controlled(wins_C, prompts, longer_C),
    }
    for what, rate in pairs.items():
        ends = {"": rate.mean, "_low": rate.low, "_high": rate.high}
        found |= {f"{name}/{what}{end}": value for end, value in ends.items()}
    lengths = [sum(c.length for c in known), max(sum(c.other for c in known), 1)]
    found[f"{name}/ties"] = sum(contest.tie for contest in known) / len(known)
    found[f"{name}/length_ratio"] = lengths[0] / lengths[1]
    return found


def _clusters(prompts: Sequence[str]) -> tuple[NDArray[np.int64], int]:
    """The number of each comparison's prompt, shape (C,), and how many there are."""
    numbers = {prompt: i for i, prompt in enumerate(dict.fromkeys(prompts))}
    return np.array([numbers[prompt] for prompt in prompts], dtype=np.int64), len(numbers)


def _fit(
    features_CK: NDArray[np.float64], wins_C: NDArray[np.float64], weights_C: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coefficients (K,) of the penalised regression, and the Hessian (K, K) there, by Newton."""
    ridge_K = np.array(RIDGE)
    found_K = np.zeros(features_CK.shape[1])
    for _ in range(_STEPS):
        chances_C = _logistic(features_CK @ found_K)
        slope_K = features_CK.T @ (weights_C * (wins_C - chances_C)) - ridge_K * found_K
        curve_C = weights_C * chances_C * (1.0 - chances_C)
        hessian_KK = (features_CK * curve_C[:, None]).T @ features_CK + np.diag(ridge_K)
        step_K = np.linalg.solve(hessian_KK, slope_K)
        # A step of more than 1 overshoots where the curve is flat.
        found_K = found_K + step_K / max(1.0, float(np.abs(step_K).max()))
        if np.abs(step_K).max() < _ENOUGH:
            break
    return found_K, hessian_KK


def _logistic(values: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.special import expit

    found: NDArray[np.float64] = expit(values)
    return found
