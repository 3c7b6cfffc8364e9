"""Does the choice of prompts survive a judge that is noisy, on some prompts more than on others?

Right or wrong answers get judgements with Gaussian noise added, several for each response. On some
prompts, whose grading is ambiguous, the noise is large. An estimate that chases it chooses prompts
whose responses are in truth all equal: nothing can be learned from those.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.runner import HERE, Cell, Measurement
from creator.estimators.evidence import Estimator, Evidence
from creator.estimators.moments import FloatArray, means
from creator.estimators.table import ESTIMATORS
from creator.samplers.candidates import Candidates, filled
from creator.samplers.table import SAMPLERS
from creator.samplers.weighted import by_score
from selfplay.ablation import interval
from selfplay.core.components import chosen
from selfplay.core.seeding import Seed
from selfplay.data.recorded import read_recorded, to_group

GSM8K = HERE.parents[1] / "shared" / "data" / "gsm8k" / "example_model_solutions.jsonl"
STUDIED = ("regret_gap", "variance", "learnability", "corrected_gap", "corrected_variance")
SIGMAS = (0.0, 0.5, 1.0, 2.0, 4.0)
"""Standard deviation of one judgement on an ambiguous prompt, in units of right less wrong."""
CLEAR_SIGMA = 0.1
"""The same on the other prompts."""
AMBIGUOUS = 0.25
"""Share of the prompts."""
REPEATS, CHOSEN, DRAWS = 4, 256, 40
"""Judgements of each response; prompts that are chosen; draws of the noise."""


@dataclass(frozen=True)
class Outcome:
    """What became of one choice under one draw of the noise."""

    top_equal: float
    """Among the highest, the share whose responses are in truth all equal."""
    overlap: float
    """The share of the highest that is among the highest without noise, ties included."""
    drawn_equal: float
    """The same among those drawn in proportion to the estimates."""
    kept: float
    """1 less the total variation between the draw's probabilities with and without noise."""


def measure() -> Measurement:
    """One row for each noise and estimator."""
    source, true_PG = recorded() if GSM8K.is_file() else synthetic()
    equal = int(all_equal(true_PG).sum())
    return Measurement(
        title="A noisy judge",
        question=(
            "When the judge is noisy and grades some prompts ambiguously, which estimates go on "
            "choosing the prompts whose responses differ?"
        ),
        rows=[row(true_PG, sigma, name) for sigma in SIGMAS for name in STUDIED],
        notes=(
            f"{source}: {len(true_PG):,} prompts; the responses of {equal} "
            f"({equal / len(true_PG):.0%}) are all right or all wrong. Every response is judged "
            f"{REPEATS} times. σ is the noise of one judgement on the {AMBIGUOUS:.0%} of the "
            "prompts that are ambiguous, drawn at random with the noise; it is "
            f"{CLEAR_SIGMA:g} on the others, and 0 in the rows of σ = 0. Estimates without "
            f"correction see the mean of the judgements. Highest: the {CHOSEN} prompts with the "
            f"highest estimates; drawn: {CHOSEN} in proportion to the estimates. All equal: the "
            "share of them whose responses are in truth all right or all wrong. Overlap: the share "
            f"of the highest that is among the {CHOSEN} highest without noise, ties included. "
            "Kept: the share of a proportional draw's probability that stays where it is without "
            "noise (1 less the total variation). Mean ± half the 95 % interval (Student's t) over "
            f"{DRAWS} draws of the noise."
        ),
    )


def recorded() -> tuple[str, FloatArray]:
    """Which real answers of several models are right: 1 or 0, shape (prompts, models)."""
    groups = [to_group(found) for found in read_recorded(GSM8K, "gsm8k_solutions")]
    return "GSM8K's recorded answers of four models", np.array([g.rewards for g in groups])


def synthetic(prompts: int = 1_200, responses: int = 8) -> tuple[str, FloatArray]:
    """The same from known success rates; a third is hopeless or always solved."""
    rng = Seed(0, ("judge_noise", "synthetic")).numpy()
    rates_P = rng.random(prompts)
    rates_P[: prompts // 3] = np.round(rates_P[: prompts // 3])
    right_PG = rng.random((prompts, responses)) < rates_P[:, None]
    return "Answers drawn with known success rates", right_PG.astype(np.float64)


def row(true_PG: FloatArray, sigma: float, name: str) -> dict[str, Cell]:
    """One estimator under one noise."""
    estimator: Estimator = chosen(name, ESTIMATORS).build()
    found = [outcome(true_PG, sigma, estimator, Seed(i, ("judge_noise",))) for i in range(DRAWS)]

    def shown(value: Callable[[Outcome], float]) -> str:
        return str(interval(np.array([value(one) for one in found])))

    return {
        "σ": sigma,
        "estimator": name,
        "all equal among the highest": shown(lambda one: one.top_equal),
        "overlap": shown(lambda one: one.overlap),
        "all equal among the drawn": shown(lambda one: one.drawn_equal),
        "kept": shown(lambda one: one.kept),
    }


def outcome(true_PG: FloatArray, sigma: float, estimator: Estimator, seed: Seed) -> Outcome:
    """One draw of the noise: the same for all estimators, and of the same shape for every σ."""
    rng = seed.numpy()
    ambiguous_P = rng.random(len(true_PG)) < AMBIGUOUS
    sigmas_P = np.where(ambiguous_P, sigma, CLEAR_SIGMA) if sigma else np.zeros(len(true_PG))
    noisy_P = values(estimator, judged(true_PG, sigmas_P, REPEATS, rng))
    clean_P = values(estimator, judged(true_PG, np.zeros(len(true_PG)), REPEATS, rng))
    equal_P = all_equal(true_PG)
    picks = {
        name: chosen(name, SAMPLERS).build()(Candidates(noisy_P), CHOSEN, seed.at(name).numpy())
        for name in ("greedy", "proportional")
    }
    return Outcome(
        top_equal=float(equal_P[picks["greedy"]].mean()),
        overlap=float((clean_P[picks["greedy"]] >= np.sort(clean_P)[-CHOSEN]).mean()),
        drawn_equal=float(equal_P[picks["proportional"]].mean()),
        kept=1.0 - float(np.abs(shares(noisy_P) - shares(clean_P)).sum()) / 2.0,
    )


def judged(
    true_PG: FloatArray, sigmas_P: FloatArray, repeats: int, rng: np.random.Generator
) -> Evidence:
    """Repeated judgements of each response, and their mean as its reward."""
    noise_PGJ = rng.standard_normal((*true_PG.shape, repeats)) * sigmas_P[:, None, None]
    judgements_PGJ = true_PG[..., None] + noise_PGJ
    return Evidence(means(judgements_PGJ), judgements_PGJ=judgements_PGJ)


def values(estimator: Estimator, evidence: Evidence) -> FloatArray:
    """The estimates of an estimator that draws nothing. Shape (prompts,)."""
    return estimator(evidence, np.random.default_rng(0)).values_P


def shares(values_P: FloatArray) -> FloatArray:
    """Probability of each prompt in a draw in proportion to its estimate. Shape (prompts,)."""
    return by_score(filled(values_P)).shares()


def all_equal(true_PG: FloatArray) -> NDArray[np.bool_]:
    """Where all responses are equally good. Shape (prompts,)."""
    return np.asarray(np.ptp(true_PG, axis=1) == 0)
