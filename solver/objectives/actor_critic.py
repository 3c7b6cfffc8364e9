"""PPO as an objective: a policy that learns together with a value head on its own body.

Before the first step, once for the whole stage: log π_old, V_old and the rewards of tokens, and
from these advantages and returns. In the steps one forward pass gives log-probabilities and values.
All means are over tokens. With a `pretraining_mix` every step also holds a likelihood loss on
texts.

Source: as `solver.objectives.ppo`, which has the arithmetic; Ouyang et al., 2022, arXiv 2203.02155,
section 3.5. Left out: a critic with a body of its own, which could start from the reward model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from solver.config import SolverConfig
from solver.heads import captured_states, hidden_states, read, token_values
from solver.learning.batches import IGNORED, micro_batches, padded_labels, padded_rows, steps_of
from solver.learning.plan import Loss, Pass, Plan
from solver.learning.scoring import TokenScorer
from solver.learning.stage import Place, Stage, TokenLogps
from solver.objectives.batch import spread
from solver.objectives.objective import PlannedObjective
from solver.objectives.ppo import (
    generalised_advantages,
    policy_losses,
    token_rewards,
    value_losses,
    whitened,
)
from solver.objectives.pretraining import pretraining_passes, read_texts
from solver.objectives.rows.ppo import PpoOptions

Tokens = NDArray[np.float32]
"""Shape (T,): one number for each token of a response."""


@dataclass(frozen=True, eq=False)
class Trajectories:
    """What is known of each response before the first step, token by token."""

    old: Sequence[Tokens]
    """log π_old at the sampling temperature."""
    values: Sequence[Tokens]
    """V_old."""
    advantages: Sequence[Tokens]
    returns: Sequence[Tokens]
    """Advantage + V_old, before the advantages are whitened."""
    metrics: Mapping[str, float]


class Ppo(PlannedObjective):
    """The objective `ppo`."""

    def __init__(self, options: PpoOptions, config: SolverConfig) -> None:
        """Raises DataError if the pretraining texts cannot be read."""
        super().__init__(options, config)
        path = options.pretraining
        self._texts = read_texts(Path(path)) if path is not None else []

    def plan(self, stage: Stage) -> Plan:
        """As `PlannedObjective.plan`."""
        places = [place for place in stage.scored if stage.response(place).length]
        groups = {p for p, _ in places}
        counts = {
            "groups_used": float(len(groups)),
            "groups_tied": 0.0,
            "groups_unscored": float(len(stage.groups) - len(groups)),
        }
        if not places:
            return Plan((), counts)
        found = trajectories(stage, places, self.options)
        steps = self._steps(stage, places, found)
        return Plan(steps, counts | dict(found.metrics))

    def _steps(
        self, stage: Stage, places: Sequence[Place], found: Trajectories
    ) -> list[list[Pass]]:
        config, options = stage.config, self.options
        rows = stage.rows(places)
        lengths = [row.length for row in rows]
        generator = stage.seed.at("shuffle").numpy()
        shuffled = steps_of(len(places), config.minibatches, config.epochs, generator)
        steps = []
        for number, step in enumerate(shuffled):
            total = sum(len(found.old[i]) for i in step)
            passes = [
                self._passed(stage, places, found, chunk, total)
                for chunk in micro_batches(
                    step.tolist(), lengths, config.micro_batch_tokens, stage.policy.team.size
                )
            ]
            if self._texts and not self._warming(stage):
                count, weight = options.pretraining_batch, options.pretraining_mix
                passes += pretraining_passes(stage, self._texts, count, weight, number)
            steps.append(passes)
        return steps

    def _warming(self, stage: Stage) -> bool:
        """Does the value head learn alone?"""
        return stage.policy.version < int(self.options.value_warmup)

    def _passed(
        self,
        stage: Stage,
        places: Sequence[Place],
        found: Trajectories,
        chunk: Sequence[int],
        total: int,
    ) -> Pass:
        rows = stage.rows([places[i] for i in chunk])
        kinds = {
            "old": found.old,
            "values": found.values,
            "advantages": found.advantages,
            "returns": found.returns,
        }
        batch = {
            "ids": padded_rows(rows, stage.policy.pad_id),
            "labels": padded_labels(rows),
            **{name: spread(rows, [kind[i] for i in chunk]) for name, kind in kinds.items()},
        }
        compute = self._value_loss if self._warming(stage) else self._whole_loss

        def loss() -> Loss:
            return compute(stage, {k: v.to(stage.policy.device) for k, v in batch.items()})

        tokens = sum(len(found.old[i]) for i in chunk)
        return Pass(loss, tokens / total, sum(row.length for row in rows), batch)

    def _whole_loss(self, stage: Stage, batch: Mapping[str, torch.Tensor]) -> Loss:
        """The policy's loss and the value's from one forward pass, means over tokens."""
        options, policy = self.options, stage.policy
        mask_RT = batch["labels"][:, 1:] != IGNORED
        with captured_states(policy.module) as states:
            scored = TokenScorer(policy.module, stage.temperature)(batch["ids"], batch["labels"])
        logps_RT, states_RTH = scored.log_probs, states[-1][:, : mask_RT.size(1)]
        assert logps_RT is not None
        if not options.value_reaches_body:
            states_RTH = states_RTH.detach()
        values_RT = read(policy.heads["value"], states_RTH)
        old_RT = logps_RT.detach() if stage.begins else batch["old"]
        losses_RT = policy_losses(logps_RT, old_RT, batch["advantages"], mask_RT, options.epsilon)
        policy_loss = losses_RT.sum() / mask_RT.sum()
        value_loss = self._mean_value_loss(values_RT, batch, mask_RT)
        changes_N = (logps_RT.detach() - old_RT)[mask_RT]
        metrics = {
            "policy_loss": float(policy_loss.detach()),
            "value_loss": float(value_loss.detach()),
            "clipped": float((changes_N.exp() - 1).abs().gt(options.epsilon).float().mean()),
        }
        return policy_loss + options.value_weight * value_loss, metrics

    def _value_loss(self, stage: Stage, batch: Mapping[str, torch.Tensor]) -> Loss:
        """The value's loss on a fixed body."""
        mask_RT = batch["labels"][:, 1:] != IGNORED
        with torch.no_grad():
            states_RTH = hidden_states(stage.policy.module, batch["ids"][:, :-1])
        values_RT = read(stage.policy.heads["value"], states_RTH)
        loss = self._mean_value_loss(values_RT, batch, mask_RT)
        return loss, {"value_loss": float(loss.detach())}

    def _mean_value_loss(
        self, values_RT: torch.Tensor, batch: Mapping[str, torch.Tensor], mask_RT: torch.Tensor
    ) -> torch.Tensor:
        losses_RT = value_losses(
            values_RT, batch["values"], batch["returns"], mask_RT, self.options.epsilon_value
        )
        return losses_RT.sum() / mask_RT.sum()


def trajectories(stage: Stage, places: Sequence[Place], options: PpoOptions) -> Trajectories:
    """Advantages and returns under the policy and the value as the stage begins."""
    policy, config = stage.policy, stage.config
    values = token_values(
        policy.module,
        policy.heads["value"],
        stage.rows(places),
        policy.pad_id,
        config.micro_batch_tokens,
        config.mixed_precision,
    )
    divergences = _divergences(stage, places, values, options.beta)
    values_RT, mask_RT = _side_by_side(values)
    divergences_RT, _ = _side_by_side(divergences)
    rewards_R = torch.tensor([stage.rewards_PG[place] for place in places])
    rewards_RT = token_rewards(rewards_R, divergences_RT, mask_RT, options.beta)
    advantages_RT = generalised_advantages(
        rewards_RT, values_RT, mask_RT, options.gamma, options.gae_lambda
    )
    returns_RT = advantages_RT + values_RT
    metrics = {"value_explained": _explained(values_RT[mask_RT], returns_RT[mask_RT])}
    if options.beta:
        metrics["kl_reference"] = float(divergences_RT.sum(dim=1).mean())
    if options.whiten:
        advantages_RT = whitened(advantages_RT, mask_RT)
    # Where generation and learning do not agree, as of every policy gradient.
    advantages_RT = advantages_RT * torch.from_numpy(stage.corrections(places))[:, None]
    advantages, returns = (_apart(x_RT, values) for x_RT in (advantages_RT, returns_RT))
    return Trajectories(stage.sampling_logps(places), values, advantages, returns, metrics)


def _divergences(
    stage: Stage, places: Sequence[Place], like: Sequence[Tokens], beta: float
) -> Sequence[TokenLogps]:
    """log π_old - log π_ref of each token, both at the sampling temperature, as the ratio is.

    Zeros where nobody asks, and where the two are one policy.
    """
    if not beta or stage.reference_is_start("initial", stage.temperature):
        return [np.zeros_like(numbers_T) for numbers_T in like]
    reference = stage.reference_logps(places, "initial", stage.temperature)
    return [
        ours - theirs for ours, theirs in zip(stage.sampling_logps(places), reference, strict=True)
    ]


def _side_by_side(numbers: Sequence[Tokens]) -> tuple[torch.Tensor, torch.Tensor]:
    """Float64 numbers and their mask, both of shape (R, T), from one row for each response."""
    longest = max(map(len, numbers))
    numbers_RT = np.zeros((len(numbers), longest))
    for row_T, found_T in zip(numbers_RT, numbers, strict=True):
        row_T[: len(found_T)] = found_T
    lengths_R1 = torch.tensor([[len(found_T)] for found_T in numbers])
    return torch.from_numpy(numbers_RT), torch.arange(longest) < lengths_R1


def _apart(numbers_RT: torch.Tensor, like: Sequence[Tokens]) -> list[Tokens]:
    """The inverse of `_side_by_side`."""
    rows = numbers_RT.numpy().astype(np.float32)
    return [row_T[: len(found_T)] for row_T, found_T in zip(rows, like, strict=True)]


def _explained(values_N: torch.Tensor, returns_N: torch.Tensor) -> float:
    """Share of the returns' variance that the values explain; 0 where there is none."""
    variance = float(returns_N.var(correction=0))
    return 1.0 - float((returns_N - values_N).var(correction=0)) / variance if variance else 0.0
