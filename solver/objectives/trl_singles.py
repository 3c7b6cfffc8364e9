"""Objectives on single responses, by TRL's `KTOTrainer` and `SFTTrainer`.

KTO (Ethayarajh et al., 2024, arXiv 2402.01306): λ_D[1 - σ(β(r - z₀))] of a good response,
λ_U[1 - σ(β(z₀ - r))] of a bad one, r the log-ratio to the reference. The baseline z₀ is the mean r
over mismatched pairs, where each response of the optimiser step stands behind another prompt, at
least 0 and constant under the gradient. TRL takes it from each micro-batch; here all passes of a
step share the step's own, so that it does not depend on how the step is cut. A step whose responses
all answer one prompt has no mismatched pair and z₀ = 0.

SFT: the mean of -log π over the response tokens of a step; on the best of each group it is RAFT
(Dong et al., 2023, arXiv 2304.06767).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from trl import KTOConfig, KTOTrainer, SFTConfig, SFTTrainer

from selfplay.core.errors import require
from solver.config import SolverConfig
from solver.examples.singles import Selection, Single
from solver.learning.batches import (
    Row,
    micro_batches,
    padded_labels,
    padded_rows,
    response_mask,
    steps_of,
)
from solver.learning.plan import Loss, Pass, Plan
from solver.learning.scoring import token_logps
from solver.learning.stage import Place, Stage
from solver.learning.trl_options import check_trl_options
from solver.objectives.objective import PlannedObjective
from solver.objectives.trl_groups import renamed, summed
from solver.objectives.trl_loss import LossOnly, TrlLoss


class RecordedKtoTrainer(LossOnly, KTOTrainer):
    """TRL's KTO loss on recorded responses, with a baseline that was worked out elsewhere."""

    def _compute_kl_logps(self, model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return batch["KL_logps"]


class RecordedSftTrainer(LossOnly, SFTTrainer):
    """TRL's SFT loss on recorded responses."""


class Kto(PlannedObjective):
    """The objective `kto`."""

    def __init__(self, options: Any, config: SolverConfig) -> None:
        """Raises ConfigError for TRL options or a reference that KTO's trainer cannot take."""
        super().__init__(options, config)
        require(
            config.reference != "precomputed",
            "solver.reference",
            "a reference that can score any response to any prompt, as kto's baseline asks "
            "(round_start, initial, moving_average or a model directory)",
            "precomputed",
        )
        check_trl_options(config.trl, KTOConfig, options.trl())
        self._select = options.examples.build()

    def plan(self, stage: Stage) -> Plan:
        """As `PlannedObjective.plan`."""
        selection: Selection = self._select(stage.groups, stage.seed.at("examples"))
        good = sum(single.desirable for single in selection.singles)
        metrics = selection_metrics(selection) | {
            "desirable": float(good),
            "undesirable": float(len(selection.singles) - good),
        }
        if not selection.singles:
            return Plan((), metrics)
        options = {**self.options.trl(), "per_device_train_batch_size": 2}
        trl = TrlLoss(RecordedKtoTrainer, KTOConfig, stage, options)
        alike = stage.reference_is_start("round_start")

        def step_of(singles: Sequence[Single]) -> Callable[[Sequence[Single]], Pass]:
            baseline = Baseline(stage, singles)

            def passed(chunk: Sequence[Single]) -> Pass:
                inputs = self._collated(stage, chunk)

                def loss() -> Loss:
                    same = alike and stage.begins
                    return trl(inputs | baseline.inputs, _own_sums if same else None), {}

                return Pass(loss, len(chunk) / len(singles), tokens_of(stage, chunk), inputs)

            return passed

        steps = single_steps(stage, selection.singles, step_of)
        return Plan(steps, metrics, lambda: renamed(trl.metrics(), kl="baseline"))

    def _collated(self, stage: Stage, singles: Sequence[Single]) -> dict[str, torch.Tensor]:
        places = [place_of(single) for single in singles]
        reference_R = summed(stage.reference_logps(places, "round_start"))
        rows = stage.rows(places)
        return {
            **padded(stage, rows),
            "completion_mask": response_mask(rows),
            "label": torch.tensor([single.desirable for single in singles]),
            "ref_logps": torch.tensor(reference_R, dtype=torch.float32),
        }


def _own_sums(logps_BT: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"ref_logps": logps_BT.sum(dim=1)}


class Baseline:
    """z₀ of one optimiser step, worked out under the policy as that step begins."""

    def __init__(self, stage: Stage, singles: Sequence[Single]) -> None:
        self._stage = stage
        self._rows = mismatched(stage, singles)
        self._reference_N = summed(stage.unsampled_reference_logps(self._rows, "round_start"))

    @cached_property
    def inputs(self) -> dict[str, torch.Tensor]:
        """TRL's: the mean log-ratio as one figure above a reference of 0. Clipped at 0 by TRL."""
        ratio = 0.0
        if self._rows:
            policy = self._stage.policy
            autocast = torch.bfloat16 if self._stage.config.mixed_precision else None
            # By each process of a team for itself: which of them makes a pass of this step varies.
            found = token_logps(policy.module, self._rows, policy.pad_id, autocast=autocast)
            ratio = float(np.mean(summed(found) - self._reference_N))
        return {"KL_logps": torch.tensor([ratio]), "ref_KL_logps": torch.zeros(1)}


def mismatched(stage: Stage, singles: Sequence[Single]) -> list[Row]:
    """Each response behind the prompt of another one, each prompt and each response used once.

    Sorted by prompt and turned by the size of the largest set of responses to one prompt, so that
    as few as possible meet their own prompt; those that do are left out.
    """
    by_prompt: dict[str, list[Place]] = defaultdict(list)
    for single in singles:
        by_prompt[stage.groups[single.group].prompt.id].append(place_of(single))
    places = [(prompt, place) for prompt, members in by_prompt.items() for place in members]
    turn = max((len(members) for members in by_prompt.values()), default=0)
    turned = places[-turn:] + places[:-turn]
    return [
        Row(stage.row(asked).prompt_ids, stage.row(answered).response_ids)
        for (prompt, asked), (other, answered) in zip(places, turned, strict=True)
        if prompt != other
    ]


class Sft(PlannedObjective):
    """The objective `sft`."""

    def __init__(self, options: Any, config: SolverConfig) -> None:
        """Raises ConfigError if `config.trl` holds what SFT's trainer cannot take."""
        super().__init__(options, config)
        check_trl_options(config.trl, SFTConfig, options.trl())
        self._select = options.examples.build()

    def plan(self, stage: Stage) -> Plan:
        """As `PlannedObjective.plan`."""
        selection: Selection = self._select(stage.groups, stage.seed.at("examples"))
        metrics = selection_metrics(selection)
        # A response without a token, not even that of the end, has nothing to imitate.
        whole = [s for s in selection.singles if stage.response(place_of(s)).length]
        if not whole:
            return Plan((), metrics)
        trl = TrlLoss(RecordedSftTrainer, SFTConfig, stage, self.options.trl())

        def step_of(singles: Sequence[Single]) -> Callable[[Sequence[Single]], Pass]:
            total = response_tokens(stage, singles)

            def passed(chunk: Sequence[Single]) -> Pass:
                rows = stage.rows([place_of(single) for single in chunk])
                inputs = {**padded(stage, rows), "labels": padded_labels(rows)}

                def loss() -> Loss:
                    return trl(inputs), {}

                share = response_tokens(stage, chunk) / total
                return Pass(loss, share, tokens_of(stage, chunk), inputs)

            return passed

        return Plan(single_steps(stage, whole, step_of), metrics, trl.metrics)


def single_steps(
    stage: Stage,
    singles: Sequence[Single],
    step_of: Callable[[Sequence[Single]], Callable[[Sequence[Single]], Pass]],
) -> list[list[Pass]]:
    """Single responses shuffled into optimiser steps and cut into passes.

    Args:
        step_of: from the responses of a step to what makes its passes.
    """
    config = stage.config
    lengths = [stage.row(place_of(single)).length for single in singles]
    generator = stage.seed.at("shuffle").numpy()
    plan = []
    for part in steps_of(len(singles), config.minibatches, config.epochs, generator):
        items = sorted(part.tolist())
        passed = step_of([singles[i] for i in items])
        chunks = micro_batches(items, lengths, config.micro_batch_tokens, stage.policy.team.size)
        plan.append([passed([singles[i] for i in chunk]) for chunk in chunks])
    return plan


def padded(stage: Stage, rows: Sequence[Row]) -> dict[str, torch.Tensor]:
    """TRL's `input_ids` and `attention_mask`, padded on the right."""
    ids_BL = padded_rows(rows, stage.policy.pad_id)
    lengths_B1 = torch.tensor([[row.length] for row in rows])
    mask_BL = (torch.arange(ids_BL.size(1)) < lengths_B1).long()
    return {"input_ids": ids_BL, "attention_mask": mask_BL}


def selection_metrics(selection: Selection) -> dict[str, float]:
    """What was chosen to learn from, and what was left out."""
    return {
        "groups_used": float(len({single.group for single in selection.singles})),
        "groups_unscored": float(selection.unscored),
        "duplicates": float(selection.duplicates),
        "responses_used": float(len(selection.singles)),
        "responses_dropped": float(selection.dropped),
    }


def place_of(single: Single) -> Place:
    """Where its response is."""
    return single.group, single.response


def tokens_of(stage: Stage, singles: Sequence[Single]) -> int:
    """Prompt and response tokens."""
    return sum(stage.row(place_of(single)).length for single in singles)


def response_tokens(stage: Stage, singles: Sequence[Single]) -> int:
    """Response tokens alone."""
    return sum(stage.response(place_of(single)).length for single in singles)
