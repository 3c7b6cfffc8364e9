"""Policy gradients on whole groups, by TRL's `RLOOTrainer`.

RLOO: REINFORCE with a leave-one-out baseline. Loss = -mean over responses of
min(q A, clip(q, 1-ε, 1+ε_high) A), with q = π(y|x)/π_old(y|x) of the whole response, π_old the
policy that sampled it, and A from R = reward - β (log π_old - log π_ref). Source: Ahmadian et al.,
2024, arXiv 2402.14740. Rewards, advantages and both recorded log-probabilities are handed to TRL.
Responses with advantage 0 are left out of the passes and stay in the mean's denominator: the
gradient is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from trl import RLOOConfig, RLOOTrainer

from solver.advantages import normalized, rloo_advantages
from solver.config import SolverConfig
from solver.learning.batches import Row, micro_batches, padded_rows, response_mask, steps_of
from solver.learning.plan import Loss, Pass, Plan
from solver.learning.stage import Place, Stage
from solver.learning.trl_options import check_trl_options
from solver.objectives.groups import sorted_out
from solver.objectives.objective import PlannedObjective
from solver.objectives.trl_loss import LossOnly, TrlLoss


class RecordedRlooTrainer(LossOnly, RLOOTrainer):
    """TRL's RLOO loss on recorded responses."""


class Rloo(PlannedObjective):
    """The objective `rloo`."""

    def __init__(self, options: Any, config: SolverConfig) -> None:
        """Raises ConfigError if `config.trl` holds what RLOO's trainer cannot take."""
        super().__init__(options, config)
        check_trl_options(config.trl, RLOOConfig)

    def plan(self, stage: Stage) -> Plan:
        """As `PlannedObjective.plan`."""
        _, metrics = sorted_out(stage)
        places = stage.scored
        advantages_PG, more = self._advantages(stage, places)
        advantages = {place: float(advantages_PG[place]) for place in places}
        if not any(advantages.values()):
            return Plan((), metrics | more)
        trl = TrlLoss(
            RecordedRlooTrainer,
            RLOOConfig,
            stage,
            {
                "beta": 0.0,
                "epsilon": self.options.epsilon,
                "epsilon_high": self.options.epsilon_high,
                "num_generations": 2,
                "per_device_train_batch_size": 2,
                "temperature": stage.temperature,
            },
            stage.temperature,
            reward_funcs=no_reward,
        )

        def passed(chunk: Sequence[Place], share: float) -> Pass:
            inputs = collated(stage, chunk) | {
                "old_logps": torch.tensor(summed(stage.sampling_logps(chunk)), dtype=torch.float32),
                "advantages": torch.tensor([advantages[place] for place in chunk]),
            }

            def loss() -> Loss:
                return trl(inputs), {}

            return Pass(loss, share, sum(stage.row(place).length for place in chunk), inputs)

        steps = response_steps(stage, places, advantages, passed)
        return Plan(steps, metrics | more, trl.metrics)

    def _advantages(
        self, stage: Stage, places: Sequence[Place]
    ) -> tuple[NDArray[np.float64], dict[str, float]]:
        """Shape (P, G), 0 where there is no reward; the KL to the reference is in the reward."""
        rewards_PG, metrics = stage.rewards_PG.copy(), {}
        if self.options.beta and places:
            kl_N = summed(stage.sampling_logps(places)) - summed(
                stage.reference_logps(places, "initial")
            )
            rewards_PG[tuple(np.array(places).T)] -= self.options.beta * kl_N
            metrics["kl_reference"] = float(kl_N.mean())
        advantages_PG = rloo_advantages(rewards_PG)
        if self.options.normalize_advantages:
            advantages_PG = normalized(advantages_PG, np.isfinite(rewards_PG))
        return advantages_PG, metrics


def response_steps(
    stage: Stage,
    places: Sequence[Place],
    advantages: dict[Place, float],
    passed: Any,
) -> list[list[Pass]]:
    """Responses shuffled into optimiser steps and cut into passes.

    Those without advantage count in a step's mean and are not scored.
    """
    config = stage.config
    lengths = [stage.row(place).length for place in places]
    generator = stage.seed.at("shuffle").numpy()
    plan = []
    for step in steps_of(len(places), config.minibatches, config.epochs, generator):
        useful = [i for i in step.tolist() if advantages[places[i]] != 0.0]
        plan.append(
            [
                passed([places[i] for i in chunk], len(chunk) / len(step))
                for chunk in micro_batches(useful, lengths, config.micro_batch_tokens)
            ]
        )
    return plan


def collated(stage: Stage, places: Sequence[Place]) -> dict[str, torch.Tensor]:
    """TRL's inputs; its "prompt" is the columns that are prompt in every row.

    What is prompt beyond them is masked like padding.
    """
    rows: list[Row] = stage.rows(places)
    ids_BL, mask_BL = padded_rows(rows, stage.policy.pad_id), response_mask(rows)
    prompt = min(len(row.prompt_ids) for row in rows)
    return {
        "prompt_ids": ids_BL[:, :prompt],
        "prompt_mask": torch.zeros_like(ids_BL[:, :prompt]),
        "completion_ids": ids_BL[:, prompt:],
        "completion_mask": mask_BL[:, prompt:],
    }


def summed(logps: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Shape (N,): log-probability of each whole response."""
    return np.array([logps_T.sum(dtype=np.float64) for logps_T in logps])


def no_reward(**_columns: object) -> list[float]:
    """In place of TRL's reward functions."""
    raise AssertionError("recorded responses have their verdicts")
