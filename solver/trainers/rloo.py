"""RLOO: REINFORCE with a leave-one-out baseline, on TRL's `RLOOTrainer`.

Loss = -mean over responses of min(q A, clip(q, 1-ε, 1+ε_high) A), with q = π(y|x)/π_old(y|x) of
the whole response, π_old the policy that sampled it, and A from R = reward - β (log π_old -
log π_initial). Source: Ahmadian et al., 2024, arXiv 2402.14740. TRL computes the loss; rewards,
advantages and both recorded log-probabilities are handed to it. Responses with advantage 0 are
left out of the passes and stay in the mean's denominator: the gradient is the same. Left out: TRL's
masking of truncated responses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from trl import RLOOConfig, RLOOTrainer

from selfplay.core.seeding import Seed
from selfplay.core.types import Group
from solver.advantages import normalized, rloo_advantages, tied_groups
from solver.config import RlooOptions, SolverConfig
from solver.policy import Policy
from solver.trainers.batches import (
    Row,
    micro_batches,
    padded_rows,
    response_mask,
    steps_of,
)
from solver.trainers.options import check_trl_options
from solver.trainers.recorded import KlProbe, Plan, RecordedTrainer, Tensors, learn_from
from solver.trainers.scoring import token_logps


class RecordedRlooTrainer(RecordedTrainer, RLOOTrainer):
    """TRL's RLOO loss on recorded responses."""


@dataclass(frozen=True, eq=False)
class Sample:
    """A recorded response with what its loss needs."""

    row: Row
    advantage: float
    old_logp: float
    """log π_old of the whole response, nats."""


class Rloo:
    """The objective `rloo`."""

    def __init__(self, options: RlooOptions, config: SolverConfig) -> None:
        """Raises ConfigError if `config.trl` holds what RLOO's trainer cannot take."""
        check_trl_options(config.trl, RLOOConfig)
        self._options, self._config = options, config
        # A greedy response has no distribution of its own: it is scored at temperature 1.
        self._temperature = config.sampling.temperature or 1.0

    def learn(self, policy: Policy, groups: Sequence[Group], seed: Seed) -> dict[str, float]:
        """One round. See `Objective`."""
        groups = [group for group in groups if group.verdicts]
        samples, metrics = self._samples(policy, groups)
        informative = [i for i, sample in enumerate(samples) if sample.advantage != 0.0]
        if not informative:
            return metrics | {"loss": 0.0, "grad_norm": 0.0, "steps": 0.0, "tokens": 0.0, "kl": 0.0}
        rows = [sample.row for sample in samples]
        probe = KlProbe(policy, rows, self._config)
        plan = self._plan(samples, seed, policy.pad_id)
        learned = learn_from(
            RecordedRlooTrainer,
            RLOOConfig,
            policy,
            plan,
            seed,
            self._temperature,
            {
                "beta": 0.0,
                "epsilon": self._options.epsilon,
                "epsilon_high": self._options.epsilon_high,
                "num_generations": 2,
                "per_device_train_batch_size": 2,
                "temperature": self._temperature,
            },
            reward_funcs=_no_reward,
        )
        tokens = sum(rows[i].length for i in informative) * self._config.epochs
        return metrics | learned | {"tokens": float(tokens), "kl": probe.measure()}

    def _samples(
        self, policy: Policy, groups: Sequence[Group]
    ) -> tuple[list[Sample], dict[str, float]]:
        """Every scorable response with its advantage, and what gave none."""
        if not groups:
            return [], _counts(np.full((0, 1), np.nan))
        rewards_PG = _padded([group.rewards for group in groups])
        places = [(p, g) for p, g in np.argwhere(np.isfinite(rewards_PG)).tolist()]
        prompts = policy.model.prompt_ids([group.prompt.messages for group in groups])
        rows = [
            Row(np.array(prompts[p]), groups[p].responses[g].token_ids.astype(np.int64))
            for p, g in places
        ]
        old_logps = self._old_logps(policy, groups, places, rows)
        counts = _counts(rewards_PG)
        if self._options.beta:
            with policy.initial() as initial:
                reference = self._summed(policy, initial, rows)
            kl_N = old_logps - reference
            rewards_PG[tuple(np.array(places).T)] -= self._options.beta * kl_N
            counts["kl_initial"] = float(kl_N.mean())
        advantages_PG = rloo_advantages(rewards_PG)
        if self._options.normalize_advantages:
            advantages_PG = normalized(advantages_PG, np.isfinite(rewards_PG))
        samples = [
            Sample(row, float(advantages_PG[p, g]), float(logp))
            for row, (p, g), logp in zip(rows, places, old_logps, strict=True)
        ]
        return samples, counts

    def _old_logps(
        self,
        policy: Policy,
        groups: Sequence[Group],
        places: Sequence[tuple[int, int]],
        rows: Sequence[Row],
    ) -> NDArray[np.float64]:
        """Shape (N,): recorded at generation where that is what the loss means, else computed."""
        recorded = [self._recorded_logp(policy, groups[p], g) for p, g in places]
        unknown = [i for i, logp in enumerate(recorded) if logp is None]
        computed = self._summed(policy, policy.module, [rows[i] for i in unknown])
        old_logps = np.array([np.nan if logp is None else logp for logp in recorded])
        old_logps[unknown] = computed
        return old_logps

    def _recorded_logp(self, policy: Policy, group: Group, position: int) -> float | None:
        """Generation's own figure, if the current policy's untruncated distribution gave it.

        Below float32 generation and learning round differently by more than the clip forgives.
        """
        response, sampling = group.responses[position], self._config.sampling
        exact = policy.module.dtype == torch.float32 and not self._config.mixed_precision
        untruncated = sampling.top_p == 1.0 and sampling.top_k == 0 and not sampling.greedy
        current = group.policy_version == policy.version and response.finish_reason != "recorded"
        if response.logprobs is None or not (exact and untruncated and current):
            return None
        return float(response.logprobs.sum(dtype=np.float64))

    def _summed(self, policy: Policy, module: object, rows: Sequence[Row]) -> NDArray[np.float64]:
        logps = token_logps(
            module, rows, policy.pad_id, self._temperature, self._config.mixed_precision
        )
        return np.array([logps_T.sum(dtype=np.float64) for logps_T in logps])

    def _plan(self, samples: Sequence[Sample], seed: Seed, pad_id: int) -> Plan:
        lengths = [sample.row.length for sample in samples]
        plan = []
        generator = seed.at("shuffle").numpy()
        for step in steps_of(
            len(samples), self._config.minibatches, self._config.epochs, generator
        ):
            useful = [i for i in step.tolist() if samples[i].advantage != 0.0]
            chunks = micro_batches(useful, lengths, self._config.micro_batch_tokens)
            passes = [
                _collate([samples[i] for i in chunk], len(chunk) / len(step), pad_id)
                for chunk in chunks
            ]
            if passes:
                plan.append(passes)
        return plan


def _collate(samples: Sequence[Sample], share: float, pad_id: int) -> Tensors:
    """TRL's inputs; its "prompt" is the columns that are prompt in every row.

    What is prompt beyond them is masked like padding.
    """
    rows = [sample.row for sample in samples]
    ids_BL, mask_BL = padded_rows(rows, pad_id), response_mask(rows)
    prompt = min(len(row.prompt_ids) for row in rows)
    return {
        "prompt_ids": ids_BL[:, :prompt],
        "prompt_mask": torch.zeros_like(ids_BL[:, :prompt]),
        "completion_ids": ids_BL[:, prompt:],
        "completion_mask": mask_BL[:, prompt:],
        "old_logps": torch.tensor([sample.old_logp for sample in samples], dtype=torch.float32),
        "advantages": torch.tensor([sample.advantage for sample in samples], dtype=torch.float32),
        "share": share,
    }


def _padded(rewards: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Shape (P, G): groups of different sizes filled up with missing rewards."""
    rewards_PG = np.full((len(rewards), max(len(r) for r in rewards)), np.nan)
    for p, rewards_G in enumerate(rewards):
        rewards_PG[p, : len(rewards_G)] = rewards_G
    return rewards_PG


def _counts(rewards_PG: NDArray[np.float64]) -> dict[str, float]:
    scorable_P = np.isfinite(rewards_PG).sum(axis=1)
    unscored = int((scorable_P < 2).sum())
    ties = int((tied_groups(rewards_PG) & (scorable_P >= 2)).sum())
    return {
        "groups_used": float(len(rewards_PG) - unscored - ties),
        "groups_tied": float(ties),
        "groups_unscored": float(unscored),
    }


def _no_reward(**_columns: object) -> list[float]:
    raise AssertionError("recorded responses have their verdicts")
