"""Losses of pairs that TRL's `DPOTrainer` computes.

DPO: -log σ(β [(log π - log π_ref)(chosen) - (log π - log π_ref)(rejected)]), Rafailov et al., 2023,
arXiv 2305.18290; with the round's start as the reference and fresh pairs each round it is online
iterative DPO (RLHFlow). `hinge`, `ipo`, `lddpo` and `dpo_norm` are other losses of the same
trainer. Responses keep their recorded tokens: a truncated one gets no end-of-sequence token.

LD-DPO (Liu et al., 2024, arXiv 2409.06411, equation 10) discounts the same tokens of policy and
reference. TRL does so to the policy; what it is handed of the reference is discounted here. Losses
that couple the pairs of a batch are computed on an optimiser step as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from trl import DPOConfig, DPOTrainer

from selfplay.core.errors import ConfigError, require
from solver.config import SolverConfig
from solver.examples.pairs import Pair, Pairing
from solver.learning.batches import padded_rows, response_mask
from solver.learning.plan import Loss, Pass, Plan
from solver.learning.stage import Stage
from solver.learning.trl_options import check_trl_options
from solver.objectives.batch import spread
from solver.objectives.objective import PlannedObjective
from solver.objectives.pairs import pair_steps, pairing_metrics
from solver.objectives.rows.trl import COUPLED_DPO_LOSSES
from solver.objectives.trl_loss import LossOnly, TrlLoss


class RecordedDpoTrainer(LossOnly, DPOTrainer):
    """TRL's pair losses on recorded responses."""


class TrlPairs(PlannedObjective):
    """Any loss of `DPOTrainer`."""

    def __init__(self, options: Any, config: SolverConfig) -> None:
        """Raises ConfigError for TRL options that cannot be passed on."""
        super().__init__(options, config)
        check_trl_options(config.trl, DPOConfig, options.trl())
        smoothing = config.trl.get("label_smoothing", 0.0)
        # At a half, robust DPO divides by zero; beyond, it learns the reverse.
        require(0 <= smoothing < 0.5, "solver.trl.label_smoothing", "0 to below 0.5", smoothing)
        if options.trl()["loss_type"] == "exo_pair" and not smoothing > 0:
            raise ConfigError(
                "solver.objective.loss_type: 'exo_pair' needs solver.trl.label_smoothing above 0 "
                f"(1e-3 is usual), found {smoothing}."
            )
        self._pairing = options.pairs.build()

    def plan(self, stage: Stage) -> Plan:
        """As `PlannedObjective.plan`."""
        return self.plan_of(stage, self._pairing(stage.groups, stage.seed.at("pairs")))

    def plan_of(self, stage: Stage, pairing: Pairing) -> Plan:
        """The plan for pairs that were made already."""
        metrics = pairing_metrics(stage, pairing)
        if not pairing.pairs:
            return Plan((), metrics)
        options = self.options.trl()
        trl = TrlLoss(RecordedDpoTrainer, DPOConfig, stage, options)
        coupled = options["loss_type"] in COUPLED_DPO_LOSSES
        tail_weight = options.get("ld_alpha")
        alike = stage.reference_is_start("round_start")

        def passed(chunk: Sequence[int], share: float) -> Pass:
            inputs, tokens = _collated(stage, [pairing.pairs[i] for i in chunk], tail_weight)

            def own(logps_BT: torch.Tensor) -> dict[str, torch.Tensor]:
                mask_BT = inputs["completion_mask"][:, 1:].to(logps_BT.device)
                return _sums(logps_BT, mask_BT, tail_weight)

            def loss() -> Loss:
                return trl(inputs, own if alike and stage.begins else None), {}

            return Pass(loss, share, tokens, inputs)

        return Plan(pair_steps(stage, pairing.pairs, coupled, passed), metrics, trl.metrics)


def _collated(
    stage: Stage, pairs: Sequence[Pair], tail_weight: float | None
) -> tuple[dict[str, torch.Tensor], int]:
    """TRL's inputs, the chosen rows before the rejected ones, and their tokens."""
    chosen = [(pair.group, pair.chosen) for pair in pairs]
    rejected = [(pair.group, pair.rejected) for pair in pairs]
    rows = stage.rows([*chosen, *rejected])
    ids_BL = padded_rows(rows, stage.policy.pad_id)
    lengths_B1 = torch.tensor([[row.length] for row in rows])
    reference = stage.reference_logps([*chosen, *rejected], "round_start")
    mask_BL = response_mask(rows)
    return {
        "input_ids": ids_BL,
        "attention_mask": (torch.arange(ids_BL.size(1)) < lengths_B1).long(),
        "completion_mask": mask_BL,
        **_sums(spread(rows, reference), mask_BL[:, 1:], tail_weight),
    }, sum(row.length for row in rows)


def _sums(
    logps_BT: torch.Tensor, mask_BT: torch.Tensor, tail_weight: float | None
) -> dict[str, torch.Tensor]:
    """log π_ref of each pair's two responses as TRL sums log π, and by TRL's names.

    Tokens past the length of the pair's shorter response weigh `tail_weight`; 1 where it is None.
    """
    if tail_weight is None:
        sums_B = logps_BT.sum(dim=1)
    else:
        place_BT, lengths_B = mask_BT.cumsum(dim=1), mask_BT.sum(dim=1)
        shared_B1 = torch.minimum(*lengths_B.chunk(2)).repeat(2)[:, None]
        head_B = (logps_BT * ((place_BT > 0) & (place_BT <= shared_B1))).sum(dim=1)
        sums_B = head_B + tail_weight * (logps_BT * (place_BT > shared_B1)).sum(dim=1)
    chosen_P, rejected_P = sums_B.chunk(2)
    return {"ref_chosen_logps": chosen_P, "ref_rejected_logps": rejected_P}
