"""A micro-batch of responses: padded tensors, and their scores under the policy that learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from solver.learning.batches import IGNORED, Row, padded_labels, padded_rows
from solver.learning.scoring import TokenScorer, divergences
from solver.learning.stage import SAME, Place, Stage, TokenLogps
from solver.objectives.row import ObjectiveRow
from solver.objectives.terms import Scores


@dataclass(frozen=True, eq=False)
class Responses:
    """R distinct responses as tensors on the CPU, and where their scores come from."""

    stage: Stage
    tensors: dict[str, torch.Tensor]
    """`ids` and `labels`, shape (R, L), and, where asked for, `reference` and `sampling`, shape
    (R, L - 1)."""
    tokens: int
    """Padding left out."""
    temperature: float
    whole: Any
    """The frozen module whose whole distributions are compared; None where that is not asked."""
    alike: bool = False
    """The reference is the policy as the stage begins (`Stage.reference_is_start`)."""

    def scores(self) -> Scores:
        """Differentiable scores under the policy as it is now."""
        policy = self.stage.policy
        found = {name: tensor.to(policy.device) for name, tensor in self.tensors.items()}
        ids_RL, labels_RL = found["ids"], found["labels"]
        mask_RT = labels_RL[:, 1:] != IGNORED
        if self.whole is not None:
            logps_RT, reference_RT, divergence_RT = divergences(
                policy.module, self.whole, ids_RL, labels_RL
            )
            return Scores(logps_RT, mask_RT, reference_RT, None, divergence_RT)
        output = TokenScorer(policy.module, self.temperature)(ids_RL, labels_RL)
        assert output.log_probs is not None
        recorded_RT, sampling_RT = found.get("reference"), found.get("sampling")
        if self.stage.begins:
            own_RT = output.log_probs.detach()
            recorded_RT = _settled(recorded_RT, own_RT, self.alike)
            sampling_RT = None if sampling_RT is None else own_RT
        return Scores(output.log_probs, mask_RT, recorded_RT, sampling_RT)


def _settled(
    recorded_RT: torch.Tensor | None, own_RT: torch.Tensor, alike: bool
) -> torch.Tensor | None:
    """The reference's figures, the policy's own where those differ by rounding alone."""
    if recorded_RT is None or alike:
        return recorded_RT if recorded_RT is None else own_RT
    same_R1 = torch.isclose(recorded_RT, own_RT, rtol=SAME[0], atol=SAME[1]).all(
        dim=1, keepdim=True
    )
    return torch.where(same_R1, own_RT, recorded_RT)


def responses(
    stage: Stage, places: Sequence[Place], row: ObjectiveRow, temperature: float = 1.0
) -> Responses:
    """The responses at `places` with what the objective of `row` needs, all at one temperature."""
    rows = stage.rows(places)
    pad_id = stage.policy.pad_id
    tensors = {"ids": padded_rows(rows, pad_id), "labels": padded_labels(rows)}
    alike = False
    if "reference" in row.needs:
        alike = stage.reference_is_start(row.reference, temperature)
        reference = stage.reference_logps(places, row.reference, temperature)
        tensors["reference"] = spread(rows, reference)
    if "sampling" in row.needs:
        tensors["sampling"] = spread(rows, stage.sampling_logps(places))
    whole = None
    if "reference logits" in row.needs:
        whole = stage.reference_module(row.reference)
    return Responses(stage, tensors, sum(r.length for r in rows), temperature, whole, alike)


def spread(rows: Sequence[Row], logps: Sequence[TokenLogps]) -> torch.Tensor:
    """Shape (R, L - 1): each token's figure where a scorer puts it, 0 elsewhere."""
    values_RT = np.zeros((len(rows), max(row.length for row in rows) - 1), dtype=np.float32)
    for values_T, row, found in zip(values_RT, rows, logps, strict=True):
        values_T[len(row.prompt_ids) - 1 : row.length - 1] = found
    return torch.from_numpy(values_RT)
