"""Trains a reward model: TRL's `RewardTrainer` on a round's comparisons.

-log σ(s_w - s_l), s being the reward head's score at a response's last token. All comparisons of a
prompt stay in one pass and each of its responses is scored once, so that none of them is fitted
K - 1 times over: Ouyang et al., 2022 (InstructGPT), arXiv 2203.02155, section 3.5. The mean is over
comparisons; for rankings of one length that is InstructGPT's 1/C(K, 2) for each prompt. Body and
head learn.

Where a judge says how likely the chosen response is the better one, the comparison has that p as a
soft label (RLAIF, Lee et al., 2023, arXiv 2309.00267, section 2.2; Bai et al., 2022, arXiv
2212.08073): with d = s_w - s_l, -[p log σ(d) + (1 - p) log σ(-d)] = -log σ(d) + (1 - p) d, TRL's
own loss and a term beside it. TRL's `center_rewards_coefficient` (Eisenstein et al., 2023, arXiv
2312.09244) is an option in `solver.trl`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers.modeling_outputs import SequenceClassifierOutput
from trl import RewardConfig, RewardTrainer

from selfplay.core.types import WIN
from solver.config import SolverConfig
from solver.examples.pairs import Pair
from solver.heads import closed_alike, hidden_states, last_states, read
from solver.learning.batches import micro_batches, padded_rows, steps_of
from solver.learning.plan import Loss, Pass, Plan
from solver.learning.stage import Stage
from solver.learning.trl_options import check_trl_options
from solver.objectives.objective import PlannedObjective
from solver.objectives.pairs import indexed, pairing_metrics
from solver.objectives.rows.ppo import RewardModelOptions
from solver.objectives.trl_loss import LossOnly, TrlLoss
from solver.policy import Policy


class RecordedRewardTrainer(LossOnly, RewardTrainer):
    """TRL's reward-model loss on recorded responses, with soft labels where there are any."""

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """TRL's own, and what soft labels add to it.

        Args:
            model: called with the inputs.
            inputs: with `probability`, shape (B,): that the chosen response is the better one.
            return_outputs: also the model's outputs.
            num_items_in_batch: not used by TRL's loss.
        """
        plain: Any = super().compute_loss
        loss, outputs = plain(model, inputs, return_outputs=True)
        if "probability" in inputs:
            chosen_B, rejected_B = outputs.logits.squeeze(-1).chunk(2)
            gaps_B = chosen_B - rejected_B - inputs.get("margin", 0.0)
            loss = loss + ((1.0 - inputs["probability"]) * gaps_B).mean()
        return (loss, outputs) if return_outputs else loss


class PairScorer:
    """Stands in for the sequence-classification model that TRL calls."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def __call__(
        self, input_ids: torch.Tensor, both: torch.Tensor, **_options: Any
    ) -> SequenceClassifierOutput:
        """Scores each distinct response once.

        Args:
            input_ids: shape (R, L), padded on the right.
            both: int64, shape (2B,): the chosen response of every pair, then the rejected ones, as
                positions among the R.

        Returns:
            `logits` of shape (2B, 1).
        """
        module, head = self._policy.module, self._policy.heads["reward"]
        states_RLH = hidden_states(module, input_ids)
        scores_R = read(head, last_states(states_RLH, input_ids, self._policy.pad_id))
        return SequenceClassifierOutput(logits=scores_R[both, None])


class RewardLoss(TrlLoss):
    """`RewardTrainer`'s loss through a policy's reward head."""

    def __init__(self, stage: Stage) -> None:
        """Builds the trainer, which takes the module for a model with one label meanwhile."""
        with _one_label(stage.policy.module.config):
            super().__init__(RecordedRewardTrainer, RewardConfig, stage, {})
        self._scorer = PairScorer(stage.policy)


@contextmanager
def _one_label(config: Any) -> Iterator[None]:
    labels = config.id2label, config.label2id
    config.num_labels = 1
    try:
        yield
    finally:
        config.id2label, config.label2id = labels


class RewardModel(PlannedObjective):
    """The objective `rm`."""

    def __init__(self, options: RewardModelOptions, config: SolverConfig) -> None:
        """Raises ConfigError for TRL options that cannot be passed on."""
        super().__init__(options, config)
        check_trl_options(config.trl, RewardConfig, {})
        self._pairing = options.pairs.build()

    def plan(self, stage: Stage) -> Plan:
        """As `PlannedObjective.plan`."""
        pairing = self._pairing(stage.groups, stage.seed.at("pairs"))
        metrics = pairing_metrics(stage, pairing)
        soft = self.options.soft and any(_probability(stage, p) < 1.0 for p in pairing.pairs)
        if soft:
            labels = [_probability(stage, pair) for pair in pairing.pairs]
            metrics["label"] = sum(labels) / len(labels)
        if not pairing.pairs:
            return Plan((), metrics)
        trl = RewardLoss(stage)

        def passed(pairs: Sequence[Pair], share: float) -> Pass:
            places, chosen_B, rejected_B = indexed(pairs)
            model = stage.policy.model
            rows = closed_alike(
                stage.rows(places), stage.policy.pretrained.stops, model.end_of_turn
            )
            ids_RL = padded_rows(rows, stage.policy.pad_id)
            lengths_R1 = torch.tensor([[row.length] for row in rows])
            inputs = {
                "input_ids": ids_RL,
                "attention_mask": (torch.arange(ids_RL.size(1)) < lengths_R1).long(),
                "both": torch.cat([chosen_B, rejected_B]),
            }
            if self.options.margin:
                inputs["margin"] = torch.tensor([pair.margin for pair in pairs])
            if soft:
                labels = [_probability(stage, pair) for pair in pairs]
                inputs["probability"] = torch.tensor(labels)

            def loss() -> Loss:
                return trl(inputs), {}

            return Pass(loss, share, sum(row.length for row in rows), inputs)

        return Plan(ranking_steps(stage, pairing.pairs, passed), metrics, trl.metrics)


def _probability(stage: Stage, pair: Pair) -> float:
    """How likely the chosen response is the better one; 1 where nobody said."""
    scores = stage.groups[pair.group].verdicts[pair.chosen].scores
    return scores.get(f"{WIN}{pair.rejected}", 1.0)


def ranking_steps(stage: Stage, pairs: Sequence[Pair], passed: Any) -> list[list[Pass]]:
    """Prompts shuffled into optimiser steps and cut into passes; a prompt's pairs stay together."""
    rankings: dict[int, list[Pair]] = {}
    for pair in pairs:
        rankings.setdefault(pair.group, []).append(pair)
    ordered = list(rankings.values())
    widths = [_width(stage, ranking) for ranking in ordered]
    config = stage.config
    generator = stage.seed.at("shuffle").numpy()
    steps = []
    for step in steps_of(len(ordered), config.minibatches, config.epochs, generator):
        total = sum(len(ordered[i]) for i in step)
        chunks = [
            [pair for i in chunk for pair in ordered[i]]
            for chunk in micro_batches(
                step.tolist(), widths, config.micro_batch_tokens, stage.policy.team.size
            )
        ]
        steps.append([passed(chunk, len(chunk) / total) for chunk in chunks])
    return steps


def _width(stage: Stage, ranking: Sequence[Pair]) -> int:
    """Tokens of a prompt's compared responses, padded to the longest."""
    places = {(pair.group, g) for pair in ranking for g in (pair.chosen, pair.rejected)}
    return len(places) * max(stage.row(place).length for place in places)
