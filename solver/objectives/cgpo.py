"""CRPG and CRRAFT: which responses of constrained optimisation weigh how much.

CGPO maximises a reward under two hard conditions: every constraint judge passes the response, and
the policy stays within KL_max of a reference. Responses are split into X⁺, those that break no
constraint, and the rest. Rewards are *calibrated* against a baseline response ȳ of the prompt, so
that prompts compare: R_calib = σ(r(x, y) - r(x, ȳ)).

The weights are constants of the stage, computed as it begins; the loss is -Σ w log π(y|x) and the
gradient is on-policy in the first optimiser step, up to what top-p and top-k cut off. Where what
generated the responses differs from what learns, CRPG weighs each by π_old/π_gen, at most 2.
Constraints and bounds are masks: a product with a verdict would let a violation with a negative
reward win. Left out: an importance ratio for further steps on the same responses (the paper has
none).

Source: Xu et al., 2024, "The Perfect Blend" (CGPO), arXiv 2409.20370. The paper does not clip the
KL factor at 1; without it, a response that the policy has made rarer would count more than one.
Shapes: P prompts, G responses of each; NaN marks a reward that is missing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from solver.learning.stage import Stage, differences
from solver.objectives.rows.cgpo import CgpoOptions, CrpgOptions, CrraftOptions

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def crpg(stage: Stage, options: CrpgOptions) -> tuple[FloatArray, dict[str, float]]:
    """Weights of CRPG, shape (P, G), and metrics.

    They are scaled by the number of groups that are learned from, since the loss is a mean over
    those and the paper's is a mean over responses.
    """
    rewards_PG, lawful_PG = stage.rewards_PG, lawful(stage)
    ratios_PG = log_ratios(stage)
    calibrated_PG = calibrated(rewards_PG, baseline_rewards(stage, options.stand_in))
    regularised_PG = crpg_rewards(calibrated_PG, ratios_PG, lawful_PG, options.kl_max)
    weights_PG = centred(regularised_PG) * corrections(stage)
    useful = int((weights_PG != 0.0).any(axis=1).sum())
    metrics = shared_metrics(stage, lawful_PG, ratios_PG, options)
    if metrics["responses_scored"]:
        metrics["crpg_reward"] = float(np.nanmean(regularised_PG))
    return useful * weights_PG, metrics


def crraft(stage: Stage, options: CrraftOptions) -> tuple[FloatArray, dict[str, float]]:
    """Weights of CRRAFT and metrics; shape (P, G + 1), the place behind a group's last for ȳ."""
    rewards_PG, lawful_PG = stage.rewards_PG, lawful(stage)
    ratios_PG = log_ratios(stage)
    calibrated_PG = calibrated(rewards_PG, baseline_rewards(stage, options.stand_in))
    weights_PG = crraft_weights(rewards_PG, calibrated_PG, ratios_PG, lawful_PG, options.kl_max)
    chosen_P = (weights_PG > 0.0).any(axis=1)
    whole_PG = np.pad(weights_PG, ((0, 0), (0, 1)))
    for p in np.flatnonzero(~chosen_P & np.isfinite(rewards_PG).any(axis=1)).tolist():
        if baseline_is_lawful(stage, p):
            whole_PG[p, len(stage.groups[p].responses)] = 0.5
    used_P = (whole_PG > 0.0).any(axis=1)
    return whole_PG, shared_metrics(stage, lawful_PG, ratios_PG, options) | {
        "groups_on_baseline": float((used_P & ~chosen_P).sum()),
        "groups_skipped": float((~used_P).sum()),
    }


def calibrated(rewards_PG: FloatArray, baselines_PG: FloatArray) -> FloatArray:
    """σ(r(x, y) - r(x, ȳ)): shape (P, G), NaN where the reward is missing."""
    return 0.5 * (1.0 + np.tanh(0.5 * (rewards_PG - baselines_PG)))


def crpg_rewards(
    calibrated_PG: FloatArray, ratios_PG: FloatArray, lawful_PG: BoolArray, kl_max: float
) -> FloatArray:
    """R̃ = clip(1 - log(π/π_ref)/KL_max, 0, 1) R_calib 1[y ∈ X⁺]: shape (P, G), NaN where missing.

    Args:
        calibrated_PG: R_calib; NaN where the reward is missing.
        ratios_PG: log(π/π_ref) of each response, nats.
        lawful_PG: whether it keeps all constraints.
        kl_max: nats.
    """
    regularised_PG = np.clip(1.0 - ratios_PG / kl_max, 0.0, 1.0) * calibrated_PG
    return np.where(lawful_PG | np.isnan(calibrated_PG), regularised_PG, 0.0)


def centred(rewards_PG: FloatArray) -> FloatArray:
    """(R̃ - mean of R̃ over the batch) / n over its n scored responses: shape (P, G), 0 elsewhere.

    The weights sum to 0.
    """
    scored_PG = np.isfinite(rewards_PG)
    known = rewards_PG[scored_PG]
    # Equal rewards must give exactly zero: a mean of equal floats may differ in the last bit.
    if known.size == 0 or known.min() == known.max():
        return np.zeros_like(rewards_PG)
    return np.where(scored_PG, (rewards_PG - known.mean()) / known.size, 0.0)


def crraft_weights(
    rewards_PG: FloatArray,
    calibrated_PG: FloatArray,
    ratios_PG: FloatArray,
    lawful_PG: BoolArray,
    kl_max: float,
) -> FloatArray:
    """R_calib(y*) at y*, the best response that may be learned from, and 0 elsewhere.

    y* is the first of the highest rewards among those that keep all constraints and have
    log(π/π_ref) ≤ KL_max; a group without any has no weight. Arguments as for `crpg_rewards`.
    """
    allowed_PG = np.isfinite(rewards_PG) & lawful_PG & (ratios_PG <= kl_max)
    best_P1 = np.where(allowed_PG, rewards_PG, -np.inf).argmax(axis=1)[:, None]
    is_best_PG = np.arange(rewards_PG.shape[1]) == best_P1
    return np.where(is_best_PG & allowed_PG, calibrated_PG, 0.0)


def baseline_rewards(stage: Stage, stand_in: str) -> FloatArray:
    """r(x, ȳ) for each response, shape (P, G): of the judged baseline, else of what stands in."""
    rewards_PG = stage.rewards_PG
    stands_in_PG = mean_of_others(rewards_PG) if stand_in == "group_mean" else 0.0 * rewards_PG
    judged_P1 = np.array([baseline_reward(stage, p) for p in range(len(stage.groups))])[:, None]
    return np.where(np.isfinite(judged_P1), judged_P1, stands_in_PG)


def mean_of_others(rewards_PG: FloatArray) -> FloatArray:
    """The mean of a group's other rewards, shape (P, G); of one that is alone, its own."""
    scored_PG = np.isfinite(rewards_PG)
    known_PG = np.where(scored_PG, rewards_PG, 0.0)
    others_PG = scored_PG.sum(axis=1, keepdims=True) - scored_PG
    sums_PG = known_PG.sum(axis=1, keepdims=True) - known_PG
    return np.where(others_PG > 0, sums_PG / np.maximum(others_PG, 1), rewards_PG)


def baseline_reward(stage: Stage, group: int) -> float:
    """r(x, ȳ); NaN where the prompt has no baseline response with a reward."""
    found = stage.baselines.get(stage.groups[group].prompt.id)
    return float("nan") if found is None else float(found.rewards[0])


def baseline_is_lawful(stage: Stage, group: int) -> bool:
    """Is there a judged baseline response that breaks no constraint?"""
    found = stage.baselines.get(stage.groups[group].prompt.id)
    return found is not None and np.isfinite(found.rewards[0]) and not found.verdicts[0].violations


def lawful(stage: Stage) -> BoolArray:
    """1[y ∈ X⁺], shape (P, G): breaks no constraint; False where a group has no such response."""
    lawful_PG = np.zeros(stage.rewards_PG.shape, dtype=np.bool_)
    for p, group in enumerate(stage.groups):
        lawful_PG[p, : len(group.responses)] = [not v.violations for v in group.verdicts]
    return lawful_PG


def log_ratios(stage: Stage) -> FloatArray:
    """log(π/π_ref) of each scored response as the stage begins, nats: shape (P, G), else 0.

    Both are taken at the temperature that the responses were sampled at: of another, a mean over
    samples is no KL, and may fall while the policy drifts.
    """
    places = stage.scored
    ratios_PG = np.zeros(stage.rewards_PG.shape)
    if places:
        references = stage.reference_logps(places, "initial", stage.temperature)
        ratios_N = differences(stage.sampling_logps(places), references)
        ratios_PG[tuple(np.array(places).T)] = ratios_N
    return ratios_PG


def corrections(stage: Stage) -> FloatArray:
    """`Stage.corrections` of each scored response, shape (P, G); 1 elsewhere."""
    places = stage.scored
    found_PG = np.ones(stage.rewards_PG.shape)
    if places:
        found_PG[tuple(np.array(places).T)] = stage.corrections(places)
    return found_PG


def shared_metrics(
    stage: Stage, lawful_PG: BoolArray, ratios_PG: FloatArray, options: CgpoOptions
) -> dict[str, float]:
    """What is worth watching of constrained optimisation."""
    scored_PG = np.isfinite(stage.rewards_PG)
    if not scored_PG.any():
        return {"responses_scored": 0.0}
    judged = [np.isfinite(baseline_reward(stage, p)) for p in range(len(stage.groups))]
    return {
        "responses_scored": float(scored_PG.sum()),
        "violations": float((~lawful_PG)[scored_PG].mean()),
        "kl_reference": float(ratios_PG[scored_PG].mean()),
        "beyond_kl_max": float((ratios_PG > options.kl_max)[scored_PG].mean()),
        "groups_with_baseline": float(np.sum(judged)),
    }
