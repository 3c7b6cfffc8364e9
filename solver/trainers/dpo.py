"""DPO on the pairs of a round's groups, on TRL's `DPOTrainer`.

Loss = -log sigmoid(β [(log π - log π_ref)(chosen) - (log π - log π_ref)(rejected)]), or any
other of TRL's pair losses. Source: Rafailov et al., 2023, arXiv 2305.18290; with the round's start
as the reference and fresh pairs each round it is online iterative DPO (RLHFlow). Reference
log-probabilities are computed before the first step: against the round's start no second model is
held. Responses keep their recorded tokens: a truncated one gets no end-of-sequence token.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from trl import DPOConfig, DPOTrainer

from selfplay.core.errors import ConfigError, nearest
from selfplay.core.seeding import Seed
from selfplay.core.types import Group
from solver.config import DpoOptions, SolverConfig
from solver.pairs import PAIRINGS, Pair
from solver.policy import Policy
from solver.trainers.batches import (
    Row,
    micro_batches,
    padded_rows,
    response_mask,
    steps_of,
)
from solver.trainers.options import check_trl_options
from solver.trainers.recorded import KlProbe, Plan, RecordedTrainer, Tensors, learn_from, shares
from solver.trainers.scoring import token_logps

REFERENCES = ("round_start", "initial")


class RecordedDpoTrainer(RecordedTrainer, DPOTrainer):
    """TRL's pair losses on recorded responses."""

    def _prepare_dataset(self, dataset: Any, *_options: Any) -> Any:
        """Nothing to prepare: the plan holds token ids."""
        return dataset

    def _precompute_ref_logps(self, dataset: Any, *_options: Any) -> Any:
        """Nothing to compute: the plan holds the reference's log-probabilities."""
        return dataset


class Dpo:
    """The objective `dpo`."""

    def __init__(self, options: DpoOptions, config: SolverConfig) -> None:
        """Raises ConfigError for an unknown name, or TRL options that cannot be passed on."""
        check_trl_options(config.trl, DPOConfig)
        for key, name, known in (
            ("pairs", options.pairs, PAIRINGS),
            ("reference", options.reference, REFERENCES),
        ):
            if name not in known:
                raise ConfigError(
                    f"solver.objective.{key}: expected a known name, found '{name}'; "
                    f"{nearest(name, known)}"
                )
        self._options, self._config = options, config

    def learn(self, policy: Policy, groups: Sequence[Group], seed: Seed) -> dict[str, float]:
        """One round. See `Objective`."""
        pairing = PAIRINGS[self._options.pairs](groups)
        metrics = {
            "groups_used": float(len(groups) - pairing.ties - pairing.unscored),
            "groups_tied": float(pairing.ties),
            "groups_unscored": float(pairing.unscored),
            "pairs": float(len(pairing.pairs)),
        }
        if not pairing.pairs:
            return metrics | {"loss": 0.0, "grad_norm": 0.0, "steps": 0.0, "tokens": 0.0, "kl": 0.0}
        rows = _rows(policy, pairing.pairs)
        probe = KlProbe(policy, rows, self._config)
        plan = self._plan(rows, self._reference(policy, rows), seed, policy.pad_id)
        learned = learn_from(
            RecordedDpoTrainer,
            DPOConfig,
            policy,
            plan,
            seed,
            options={
                "beta": self._options.beta,
                "loss_type": self._options.loss_type,
                "precompute_ref_log_probs": True,
            },
        )
        tokens = sum(row.length for row in rows) * self._config.epochs
        return metrics | learned | {"tokens": float(tokens), "kl": probe.measure()}

    def _reference(self, policy: Policy, rows: Sequence[Row]) -> list[float]:
        """log π_ref of every row, nats."""
        start = self._options.reference == "round_start"
        with nullcontext(policy.module) if start else policy.initial() as module:
            logps = token_logps(
                module, rows, policy.pad_id, mixed_precision=self._config.mixed_precision
            )
        return [float(logps_T.sum(dtype=np.float64)) for logps_T in logps]

    def _plan(
        self, rows: Sequence[Row], reference: Sequence[float], seed: Seed, pad_id: int
    ) -> Plan:
        """Pair i is rows 2i (chosen) and 2i + 1 (rejected)."""
        count = len(rows) // 2
        # Twice the longer one: both rows of a pair are padded to it.
        widths = [2 * max(rows[2 * i].length, rows[2 * i + 1].length) for i in range(count)]
        generator = seed.at("shuffle").numpy()
        plan = []
        for step in steps_of(count, self._config.minibatches, self._config.epochs, generator):
            chunks = micro_batches(step.tolist(), widths, self._config.micro_batch_tokens)
            plan.append(
                [
                    _collate(rows, reference, chunk, share, pad_id)
                    for chunk, share in zip(chunks, shares(chunks), strict=True)
                ]
            )
        return plan


def _rows(policy: Policy, pairs: Sequence[Pair]) -> list[Row]:
    prompts = policy.model.prompt_ids([pair.prompt.messages for pair in pairs])
    return [
        Row(np.array(prompt), response.token_ids.astype(np.int64))
        for prompt, pair in zip(prompts, pairs, strict=True)
        for response in (pair.chosen, pair.rejected)
    ]


def _collate(
    rows: Sequence[Row],
    reference: Sequence[float],
    pairs: Sequence[int],
    share: float,
    pad_id: int,
) -> Tensors:
    """TRL's inputs: the chosen rows, then the rejected ones."""
    places = [2 * i for i in pairs] + [2 * i + 1 for i in pairs]
    chosen = [rows[place] for place in places]
    ids_BL = padded_rows(chosen, pad_id)
    chosen_B, rejected_B = torch.tensor([reference[place] for place in places]).chunk(2)
    lengths_B1 = torch.tensor([[row.length] for row in chosen])
    return {
        "input_ids": ids_BL,
        "attention_mask": (torch.arange(ids_BL.size(1)) < lengths_B1).long(),
        "completion_mask": response_mask(chosen),
        "ref_chosen_logps": chosen_B,
        "ref_rejected_logps": rejected_B,
        "share": share,
    }
