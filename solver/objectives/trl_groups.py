"""Policy gradients on whole groups, by TRL's `RLOOTrainer` and `GRPOTrainer`.

RLOO: REINFORCE with a leave-one-out baseline. Loss = -mean over responses of
min(q A, clip(q, 1-ε, 1+ε_high) A), with q = π(y|x)/π_old(y|x) of the whole response, π_old the
policy as the stage begins (`solver.learning.stage`), and A from R = reward - β (log π_old -
log π_ref). Source: Ahmadian et al., 2024, arXiv 2402.14740.

GRPO (Shao et al., 2024, arXiv 2402.03300): the same surrogate with a ratio for each token,
standardised rewards as advantages and the KL beside it. How token losses become one number is what
tells three forms apart: `grpo` takes the mean over responses of their mean over tokens, `dr_grpo`
(Liu et al., 2025, arXiv 2503.20783) sums over tokens and divides by a constant length, `dapo` (Yu
et al., 2025, arXiv 2503.14476) takes the mean over the tokens of the optimiser step. None of them
depends on how a step is cut into passes. DAPO drops groups whose outcomes, before any penalty on
length, are all equal; its refilling is the game's (`solver.refill`).

Rewards, advantages and recorded log-probabilities are handed to TRL. Where nothing but the
surrogate enters, responses with advantage 0 are left out of the passes and stay in the mean's
denominator: the gradient is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

from solver.advantages import grpo_advantages, normalized, rloo_advantages, tied_groups
from solver.config import SolverConfig
from solver.learning.batches import Row, micro_batches, padded_rows, response_mask, steps_of
from solver.learning.plan import Loss, Pass, Plan
from solver.learning.stage import Place, Stage, TokenLogps, differences
from solver.learning.trl_options import check_trl_options
from solver.objectives.batch import spread
from solver.objectives.groups import sorted_out
from solver.objectives.objective import PlannedObjective
from solver.objectives.rows.groups import DapoOptions, GrpoOptions
from solver.objectives.trl_loss import LossOnly, Own, TrlLoss
from solver.rewards import length_table, overlong

NEEDLESS = {"beta": 0.0, "num_generations": 2, "per_device_train_batch_size": 2}
"""Of TRL's options: what it would load a reference model for, or check its own sampling by."""

COUPLING = ("top_entropy_quantile", "entropy_coef", "use_adaptive_entropy")
"""TRL's options that look at all tokens of a step at once, so that it cannot be cut."""


class RecordedRlooTrainer(LossOnly, RLOOTrainer):
    """TRL's RLOO loss on recorded responses."""


KEPT = ("entropy_coef", "_last_world_entropy")
"""What the trainer's entropy controller (`use_adaptive_entropy`) keeps from step to step."""


class RecordedGrpoTrainer(LossOnly, GRPOTrainer):
    """TRL's GRPO losses on recorded responses."""

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """TRL's own; its entropy controller goes on from `memory` and is kept there.

        Args:
            model: called with the inputs.
            inputs: TRL's, and `memory`, the stage's.
            return_outputs: TRL's.
            num_items_in_batch: TRL's.
        """
        memory: dict[str, float] = inputs.get("memory", {})
        for name in KEPT:
            if name in memory:
                setattr(self, name, memory[name])
        plain: Any = super().compute_loss
        loss = plain(model, inputs, return_outputs, num_items_in_batch)
        if self.use_adaptive_entropy:
            memory.update({name: float(getattr(self, name)) for name in KEPT})
        return loss


class Rloo(PlannedObjective):
    """The objective `rloo`."""

    def __init__(self, options: Any, config: SolverConfig) -> None:
        """Raises ConfigError if `config.trl` holds what RLOO's trainer cannot take."""
        super().__init__(options, config)
        check_trl_options(config.trl, RLOOConfig, options.trl())

    def plan(self, stage: Stage) -> Plan:
        """As `PlannedObjective.plan`."""
        _, metrics = sorted_out(stage)
        places = stage.scored
        advantages_PG, more = self._advantages(stage, places)
        advantages = weighed(stage, places, advantages_PG)
        places = taught(stage, places, self.options.mask_truncated)
        useful = {place for place in places if advantages[place]}
        if not useful:
            return Plan((), metrics | more)
        trl = TrlLoss(
            RecordedRlooTrainer,
            RLOOConfig,
            stage,
            {
                **self.options.trl(),
                **NEEDLESS,
                "temperature": stage.temperature,
            },
            stage.temperature,
            reward_funcs=no_reward,
        )

        def passed(chunk: Sequence[Place], step: Sequence[Place]) -> Pass:
            inputs = collated(stage, chunk) | {
                "old_logps": torch.tensor(summed(stage.sampling_logps(chunk)), dtype=torch.float32),
                "advantages": torch.tensor([advantages[place] for place in chunk]),
            }
            return trl_pass(stage, trl, inputs, chunk, len(chunk) / len(step), _own_sums)

        return Plan(response_steps(stage, places, useful, passed), metrics | more, trl.metrics)

    def _advantages(
        self, stage: Stage, places: Sequence[Place]
    ) -> tuple[NDArray[np.float64], dict[str, float]]:
        """Shape (P, G), 0 where there is no reward; the KL to the reference is in the reward."""
        rewards_PG, metrics = stage.rewards_PG.copy(), {}
        if self.options.beta and places:
            references = stage.reference_logps(places, "initial", stage.temperature)
            kl_N = differences(stage.sampling_logps(places), references)
            rewards_PG[tuple(np.array(places).T)] -= self.options.beta * kl_N
            metrics["kl_reference"] = float(kl_N.mean())
        advantages_PG = rloo_advantages(rewards_PG)
        if self.options.normalize_advantages:
            advantages_PG = normalized(advantages_PG, np.isfinite(rewards_PG))
        return advantages_PG, metrics


class Grpo(PlannedObjective):
    """The objectives `grpo`, `dr_grpo` and `dapo`, as the class of the options says."""

    def __init__(self, options: Any, config: SolverConfig) -> None:
        """Raises ConfigError if `config.trl` holds what GRPO's trainer cannot take."""
        super().__init__(options, config)
        check_trl_options(config.trl, GRPOConfig, options.trl())

    def plan(self, stage: Stage) -> Plan:
        """As `PlannedObjective.plan`."""
        places, rewards_PG, metrics = self._lesson(stage)
        advantages_PG = grpo_advantages(rewards_PG, self.options.SCALED)
        advantages = weighed(stage, places, advantages_PG)
        coupled = any(self.config.trl.get(name) not in (None, False) for name in COUPLING)
        places = taught(stage, places, self.options.mask_truncated)
        # The KL and an entropy bonus teach where the surrogate has nothing to say.
        all_teach = coupled or self.options.beta > 0
        useful = {place for place in places if all_teach or advantages[place]}
        if not useful:
            return Plan((), metrics)
        trl = self._trl_loss(stage)
        same = {"old_per_token_logps"}
        if self.options.beta and stage.reference_is_start("initial", stage.temperature):
            same.add("ref_per_token_logps")

        def passed(chunk: Sequence[Place], step: Sequence[Place]) -> Pass:
            inputs = self._inputs(stage, chunk) | {
                "advantages": torch.tensor([advantages[place] for place in chunk]),
                "num_items_in_batch": torch.tensor(sum(stage.response(p).length for p in step)),
            }
            width = inputs["completion_ids"].size(1)

            def own(logps_BT: torch.Tensor) -> dict[str, torch.Tensor]:
                return dict.fromkeys(same, logps_BT[:, -width:])

            # TRL divides DAPO's sum by the whole step's tokens, the others' by the rows it gets.
            share = 1.0 if self.options.LOSS == "dapo" else len(chunk) / len(step)
            return trl_pass(stage, trl, inputs, chunk, share, own, stage.memory)

        steps = response_steps(stage, places, useful, passed, coupled)
        return Plan(steps, metrics, lambda: renamed(trl.metrics(), kl="kl_reference"))

    def _lesson(self, stage: Stage) -> tuple[list[Place], NDArray[np.float64], dict[str, float]]:
        """The responses to learn from, the rewards behind their advantages, and counts."""
        _, metrics = sorted_out(stage)
        if not isinstance(self.options, DapoOptions):
            return stage.scored, stage.rewards_PG, metrics
        mixed_P = ~tied_groups(stage.outcomes_PG)
        places = [place for place in stage.scored if mixed_P[place[0]]]
        tied = len(mixed_P) - int(mixed_P.sum()) - metrics["groups_unscored"]
        counted = {"groups_used": float(mixed_P.sum()), "groups_tied": tied}
        penalties_PG = soft_penalties(stage, self.options)
        if places:
            counted["overlong_penalty"] = float(np.mean([penalties_PG[p] for p in places]))
        return places, stage.rewards_PG - penalties_PG, metrics | counted

    def _trl_loss(self, stage: Stage) -> TrlLoss:
        trl = TrlLoss(
            RecordedGrpoTrainer,
            GRPOConfig,
            stage,
            {
                **self.options.trl(),
                **NEEDLESS,
                "temperature": stage.temperature,
                "max_completion_length": longest(stage, self.options),
            },
            stage.temperature,
            reward_funcs=no_reward,
        )
        # Built with 0, or TRL would load a reference of its own.
        trl.trainer.beta = self.options.beta
        # TRL's own loop would set it; the share of a pass stands for it here.
        trl.trainer.current_gradient_accumulation_steps = 1
        return trl

    def _inputs(self, stage: Stage, places: Sequence[Place]) -> dict[str, torch.Tensor]:
        inputs = collated(stage, places)
        inputs["old_per_token_logps"] = aligned(stage, places, stage.sampling_logps(places))
        if self.options.beta > 0:
            reference = stage.reference_logps(places, "initial", stage.temperature)
            inputs["ref_per_token_logps"] = aligned(stage, places, reference)
        return inputs


def taught(stage: Stage, places: Sequence[Place], mask_truncated: bool) -> list[Place]:
    """The responses that are in the loss and in its mean: with the mask, those that ended."""
    if not mask_truncated:
        return list(places)
    return [place for place in places if stage.response(place).finish_reason != "length"]


def soft_penalties(stage: Stage, options: DapoOptions) -> NDArray[np.float64]:
    """Shape (P, G): what DAPO takes from each reward for length, in units of the reward.

    Nothing where nobody knows at how many tokens responses were cut off.
    """
    max_length = options.max_length or stage.config.sampling.limit
    if max_length is None:
        return np.zeros(stage.rewards_PG.shape)
    cache = max_length // 5 if options.cache is None else options.cache
    return options.overlong * overlong(length_table(stage.groups), max_length, cache)


def longest(stage: Stage, options: GrpoOptions) -> int:
    """Dr. GRPO's constant L, tokens. Of recorded responses without a known limit, the longest."""
    given: int | None = getattr(options, "max_length", None) or stage.config.sampling.limit
    return given or max(1, *(stage.response(place).length for place in stage.scored))


def response_steps(
    stage: Stage,
    places: Sequence[Place],
    useful: set[Place],
    passed: Callable[[Sequence[Place], Sequence[Place]], Pass],
    whole_step: bool = False,
) -> list[list[Pass]]:
    """Responses shuffled into optimiser steps and cut into passes.

    Args:
        useful: the others count in a step's mean and are not scored.
        passed: from the responses of a pass and those of its step.
        whole_step: steps are not cut.
    """
    config = stage.config
    lengths = [stage.row(place).length for place in places]
    limit = sum(lengths) * len(lengths) if whole_step else config.micro_batch_tokens
    parts = 1 if whole_step else stage.policy.team.size
    generator = stage.seed.at("shuffle").numpy()
    plan = []
    for part in steps_of(len(places), config.minibatches, config.epochs, generator):
        step = [places[i] for i in part]
        kept = [i for i in part.tolist() if places[i] in useful]
        chunks = micro_batches(kept, lengths, limit, parts)
        plan.append([passed([places[i] for i in chunk], step) for chunk in chunks])
    return plan


def trl_pass(
    stage: Stage,
    trl: TrlLoss,
    inputs: Mapping[str, torch.Tensor],
    places: Sequence[Place],
    share: float,
    own: Own,
    memory: dict[str, float] | None = None,
) -> Pass:
    """A pass whose loss TRL computes from `inputs`, and from `memory` where its trainer has any.

    See `TrlLoss` for `own`.
    """
    kept = {} if memory is None else memory

    def loss() -> Loss:
        return trl({**inputs, "memory": kept}, own if stage.begins else None), {}

    tokens = sum(stage.row(place).length for place in places)
    return Pass(loss, share, tokens, inputs, kept)


def _own_sums(logps_BT: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"old_logps": logps_BT.sum(dim=1)}


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


def aligned(stage: Stage, places: Sequence[Place], logps: Sequence[TokenLogps]) -> torch.Tensor:
    """Each token's figure in the column of `collated`'s completion that it stands in."""
    rows = stage.rows(places)
    return spread(rows, logps)[:, min(len(row.prompt_ids) for row in rows) - 1 :]


def renamed(metrics: Mapping[str, float], **names: str) -> dict[str, float]:
    """Metrics under other names, where TRL's are those of the loop."""
    return {names.get(name, name): value for name, value in metrics.items()}


def summed(logps: Sequence[TokenLogps]) -> NDArray[np.float64]:
    """Shape (N,): log-probability of each whole response."""
    return np.array([logps_T.sum(dtype=np.float64) for logps_T in logps])


def weighed(
    stage: Stage, places: Sequence[Place], advantages_PG: NDArray[np.float64]
) -> dict[Place, float]:
    """Each response's advantage, corrected where generation and learning do not agree."""
    weights = stage.corrections(places).tolist()
    return {p: weight * float(advantages_PG[p]) for p, weight in zip(places, weights, strict=True)}


def no_reward(**_columns: object) -> list[float]:
    """In place of TRL's reward functions."""
    raise AssertionError("recorded responses have their verdicts")
