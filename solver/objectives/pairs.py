"""A pure loss of pairs as an objective: pairs are made of groups, scored and handed to the loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import torch

from solver.config import SolverConfig
from solver.examples.pairs import Pair, Pairing
from solver.learning.batches import micro_batches, steps_of
from solver.learning.plan import Loss, Pass, Plan
from solver.learning.stage import Place, Stage
from solver.objectives.batch import responses
from solver.objectives.objective import PlannedObjective
from solver.objectives.row import ObjectiveRow
from solver.objectives.terms import PairBatch

PairLoss = Callable[[PairBatch, Any], torch.Tensor]
"""From B pairs and options to their losses, shape (B,)."""


class PairObjective(PlannedObjective):
    """Any loss of pairs."""

    def __init__(
        self, loss: PairLoss, row: ObjectiveRow, options: Any, config: SolverConfig
    ) -> None:
        super().__init__(options, config)
        self._loss, self._row = loss, row
        self._pairing = options.pairs.build()

    def plan(self, stage: Stage) -> Plan:
        """As `PlannedObjective.plan`."""
        pairing: Pairing = self._pairing(stage.groups, stage.seed.at("pairs"))
        return self.plan_of(stage, pairing)

    def plan_of(self, stage: Stage, pairing: Pairing) -> Plan:
        """The plan for pairs that were made already."""
        memory = stage.memory
        numbers = count()

        def passed(chunk: Sequence[int], share: float) -> Pass:
            pairs = [pairing.pairs[i] for i in chunk]
            places, chosen_B, rejected_B = indexed(pairs)
            found = responses(stage, places, self._row)
            margins_B = torch.tensor([pair.margin for pair in pairs])
            # Named by its place, so that a pass draws the same whichever process makes it.
            seed = stage.seed.at("loss", next(numbers))

            def loss() -> Loss:
                scores = found.scores()
                device = scores.logps_RT.device
                batch = PairBatch(
                    scores.rows(chosen_B.to(device)),
                    scores.rows(rejected_B.to(device)),
                    margins_B.to(device),
                    seed.torch(),
                    memory,
                )
                return self._loss(batch, self.options).mean(), pair_metrics(batch)

            return Pass(loss, share, found.tokens, found.tensors, memory)

        steps = pair_steps(stage, pairing.pairs, self._row.whole_step, passed)
        return Plan(steps, pairing_metrics(stage, pairing))


def indexed(pairs: Sequence[Pair]) -> tuple[list[Place], torch.Tensor, torch.Tensor]:
    """The distinct responses of some pairs, and where each pair's two are among them.

    A response that stands in many pairs is scored once.
    """
    both = [(p.group, g) for p in pairs for g in (p.chosen, p.rejected)]
    places = list(dict.fromkeys(both))
    position = {place: i for i, place in enumerate(places)}
    index = torch.tensor([position[place] for place in both])
    return places, index[0::2], index[1::2]


def pair_steps(
    stage: Stage,
    pairs: Sequence[Pair],
    whole_step: bool,
    passed: Callable[[Sequence[int], float], Pass],
) -> list[list[Pass]]:
    """Pairs shuffled into optimiser steps and cut into passes, those of near length together."""
    config = stage.config
    widths = [
        2 * max(stage.row((pair.group, g)).length for g in (pair.chosen, pair.rejected))
        for pair in pairs
    ]
    steps = steps_of(
        len(pairs), config.minibatches, config.epochs, stage.seed.at("shuffle").numpy()
    )
    limit = sum(widths) * len(widths) if whole_step else config.micro_batch_tokens
    parts = 1 if whole_step else stage.policy.team.size
    return [
        [
            passed(chunk, len(chunk) / len(step))
            for chunk in micro_batches(step, widths, limit, parts)
        ]
        for step in (part.tolist() for part in steps)
    ]


def pairing_metrics(stage: Stage, pairing: Pairing) -> dict[str, float]:
    """What pairing used and what gave nothing."""
    return {
        "groups_used": float(len({pair.group for pair in pairing.pairs})),
        "groups_tied": float(pairing.ties),
        "groups_unscored": float(pairing.unscored),
        "groups_skipped": float(pairing.skipped),
        "duplicates": float(pairing.duplicates),
        "pairs": float(len(pairing.pairs)),
    }


def pair_metrics(batch: PairBatch) -> dict[str, float]:
    """What is worth watching of any loss of pairs."""
    with torch.no_grad():
        found = {
            "logps_chosen": float(batch.chosen.logps_R.mean()),
            "logps_rejected": float(batch.rejected.logps_R.mean()),
        }
        if batch.chosen.reference_RT is not None:
            gaps_B = batch.gaps_B
            right_B = (gaps_B > 0) + 0.5 * (gaps_B == 0)
            found |= {"gap": float(gaps_B.mean()), "accuracy": float(right_B.mean())}
    return found
