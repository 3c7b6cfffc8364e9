"""Losses of pairs that TRL's `DPOTrainer` computes.

DPO: -log σ(β [(log π - log π_ref)(chosen) - (log π - log π_ref)(rejected)]), Rafailov et al., 2023,
arXiv 2305.18290; with the round's start as the reference and fresh pairs each round it is online
iterative DPO (RLHFlow). `hinge`, `ipo`, `lddpo` and `dpo_norm` are other losses of the same
trainer. Responses keep their recorded tokens: a truncated one gets no end-of-sequence token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from trl import DPOConfig, DPOTrainer

from solver.config import SolverConfig
from solver.learning.batches import padded_rows, response_mask
from solver.learning.plan import Loss, Pass, Plan
from solver.learning.stage import Stage
from solver.learning.trl_options import check_trl_options
from solver.objectives.objective import PlannedObjective
from solver.objectives.pairs import pair_steps, pairing_metrics
from solver.objectives.trl_loss import LossOnly, TrlLoss


class RecordedDpoTrainer(LossOnly, DPOTrainer):
    """TRL's pair losses on recorded responses."""


class TrlPairs(PlannedObjective):
    """Any loss of `DPOTrainer`."""

    def __init__(self, options: Any, config: SolverConfig) -> None:
        """Raises ConfigError for TRL options that cannot be passed on."""
        super().__init__(options, config)
        check_trl_options(config.trl, DPOConfig)
        self._pairing = options.pairs.build()

    def plan(self, stage: Stage) -> Plan:
        """As `PlannedObjective.plan`."""
        return self.plan_of(stage, self._pairing(stage.groups, stage.seed.at("pairs")))

    def plan_of(self, stage: Stage, pairing: Any) -> Plan:
        """The plan for pairs that were made already."""
        metrics = pairing_metrics(stage, pairing)
        if not pairing.pairs:
            return Plan((), metrics)
        trl = TrlLoss(RecordedDpoTrainer, DPOConfig, stage, self._trl_options())

        def passed(chunk: Sequence[int], share: float) -> Pass:
            pairs = [pairing.pairs[i] for i in chunk]
            places = [(p.group, p.chosen) for p in pairs] + [(p.group, p.rejected) for p in pairs]
            inputs, tokens = self._collated(stage, places)

            def loss() -> Loss:
                return trl(inputs), {}

            return Pass(loss, share, tokens, inputs)

        return Plan(pair_steps(stage, pairing.pairs, False, passed), metrics, trl.metrics)

    def _trl_options(self) -> dict[str, Any]:
        return {"precompute_ref_log_probs": True, **self.options.trl()}

    def _collated(
        self, stage: Stage, places: Sequence[tuple[int, int]]
    ) -> tuple[dict[str, torch.Tensor], int]:
        """TRL's inputs: the chosen rows, then the rejected ones."""
        rows = stage.rows(places)
        reference = stage.reference_logps(places, "round_start")
        ids_BL = padded_rows(rows, stage.policy.pad_id)
        chosen_B, rejected_B = torch.tensor([float(r.sum(dtype=float)) for r in reference]).chunk(2)
        lengths_B1 = torch.tensor([[row.length] for row in rows])
        return {
            "input_ids": ids_BL,
            "attention_mask": (torch.arange(ids_BL.size(1)) < lengths_B1).long(),
            "completion_mask": response_mask(rows),
            "ref_chosen_logps": chosen_B,
            "ref_rejected_logps": rejected_B,
        }, sum(row.length for row in rows)
