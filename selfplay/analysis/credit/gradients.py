"""Gradients of a learning stage, prompt by prompt, and of the held-out reward, block by block.

A stage's plan is cut into its smallest passes: one response, pair or group each. By the way passes
are weighted, their gradients add up to that of the whole step, so a prompt's part of it is that of
its own passes, whatever the objective. Objectives that couple prompts in one loss cannot be cut.

The gradient of the held-out reward is REINFORCE's on recorded samples, with the mean of a prompt's
other samples as the baseline (RLOO, Ahmadian et al., 2024, arXiv 2402.14740); a prompt with one
sample has none. Left out: importance weights for samples that an earlier or later policy gave.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from selfplay.analysis.credit.replay import FloatArray
from selfplay.core.errors import ConfigError
from selfplay.core.types import Group
from solver.advantages import rloo_advantages
from solver.learning.batches import IGNORED, Row, micro_batches, padded_labels, padded_rows
from solver.learning.plan import Pass
from solver.learning.scoring import TokenScorer
from solver.learning.stage import Stage
from solver.objectives.objective import PlannedObjective
from solver.policy import Policy
from solver.rewards import reward_table


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Recorded samples of the held-out prompts, with what each weighs in the reward's gradient."""

    rows: Sequence[Sequence[Row]]
    """By block; those without a weight are left out."""
    weights: Sequence[Sequence[float]]
    """∇J = Σ weight · ∇ log π over all of them."""


def heldout_samples(policy: Policy, groups: Sequence[Group], blocks: int) -> HeldOut:
    """The samples of judged groups, neighbouring prompts in `blocks` blocks."""
    weights_PG = reinforced(reward_table(groups))
    chats = [group.prompt.messages for group in groups]
    prompts = [np.array(ids, dtype=np.int64) for ids in policy.model.prompt_ids(chats)]
    rows: list[list[Row]] = []
    weights: list[list[float]] = []
    for block in np.array_split(np.arange(len(groups)), blocks):
        places = [(p, g) for p in block.tolist() for g in np.flatnonzero(weights_PG[p]).tolist()]
        tokens = [groups[p].responses[g].token_ids.astype(np.int64) for p, g in places]
        rows.append([Row(prompts[p], ids) for (p, _), ids in zip(places, tokens, strict=True)])
        weights.append([float(weights_PG[place]) for place in places])
    return HeldOut(rows, weights)


def reinforced(rewards_PG: FloatArray) -> FloatArray:
    """Each sample's weight in the gradient of the mean over prompts of the expected reward.

    Shape (P, G): advantage / (samples of the prompt · prompts), 0 where there is no reward.
    """
    known_PG = np.isfinite(rewards_PG)
    counts_P1 = known_PG.sum(axis=1, keepdims=True)
    alone_PG = np.where(known_PG & (counts_P1 == 1), rewards_PG, 0.0)
    advantages_PG = rloo_advantages(rewards_PG) + alone_PG
    prompts = max(1, int((counts_P1 > 0).sum()))
    return np.asarray(advantages_PG / np.maximum(counts_P1, 1) / prompts)


def reward_gradients(policy: Policy, heldout: HeldOut) -> torch.Tensor:
    """Gradient of each block's part of the held-out reward, over the D learned weights: (B, D)."""
    blocks = zip(heldout.rows, heldout.weights, strict=True)
    return torch.stack([_reward_gradient(policy, rows, weights) for rows, weights in blocks])


def _reward_gradient(policy: Policy, rows: Sequence[Row], weights: Sequence[float]) -> torch.Tensor:
    scorer, config = TokenScorer(policy.module), policy.config
    lengths = [row.length for row in rows]
    for chunk in micro_batches(range(len(rows)), lengths, config.micro_batch_tokens):
        chosen = [rows[i] for i in chunk]
        ids_RL = padded_rows(chosen, policy.pad_id).to(policy.device)
        with torch.autocast(policy.device.type, torch.bfloat16, enabled=config.mixed_precision):
            logps_RT = scorer(ids_RL, padded_labels(chosen).to(policy.device)).log_probs
        assert logps_RT is not None
        weights_R = torch.tensor([weights[i] for i in chunk]).to(logps_RT)
        (weights_R * logps_RT.sum(dim=1)).sum().backward()
    return taken_gradient(policy)


def prompt_gradients(
    stage: Stage, objective: PlannedObjective
) -> Iterator[Iterator[tuple[str, torch.Tensor]]]:
    """For each optimiser step, the prompts' ids with their parts of its gradient, shape (D,).

    All are of the policy as it is now. What belongs to no prompt (a pretraining mix) is left out.

    Args:
        stage: its configuration asks for passes of one token, which makes them the smallest.
        objective: makes its plan.

    Raises:
        ConfigError: a loss couples several prompts.
    """
    known = prompts_by_row(stage)
    for step in objective.plan(stage).steps:
        by_prompt: dict[str, list[Pass]] = defaultdict(list)
        for one in step:
            prompt = prompt_of(one, known)
            if prompt is not None:
                by_prompt[prompt].append(one)
        yield ((id_, _passed(stage.policy, passes)) for id_, passes in by_prompt.items())


def _passed(policy: Policy, passes: Sequence[Pass]) -> torch.Tensor:
    for one in passes:
        device = policy.device.type
        with torch.autocast(device, torch.bfloat16, enabled=policy.config.mixed_precision):
            loss, _ = one.loss()
        (one.share * loss).backward()
    return taken_gradient(policy)


def prompts_by_row(stage: Stage) -> dict[tuple[int, ...], str]:
    """From the tokens of prompt and response to the prompt's id, baseline responses included."""
    known: dict[tuple[int, ...], str] = {}
    for p, group in enumerate(stage.groups):
        size = len(group.responses) + (group.prompt.id in stage.baselines)
        for row in stage.rows([(p, g) for g in range(size)]):
            ids = (*row.prompt_ids.tolist(), *row.response_ids.tolist())
            known.setdefault(ids, group.prompt.id)
    return known


def prompt_of(one: Pass, known: Mapping[tuple[int, ...], str]) -> str | None:
    """The prompt that all rows of a pass answer; None where they answer none of those known.

    Raises:
        ConfigError: they answer several.
    """
    found = {known.get(ids) for ids in sequences(one.batch)}
    if len(found) > 1:
        raise ConfigError(
            "solver.objective: expected a loss that is a sum over prompts, found one that couples "
            "the prompts of an optimiser step, so that the step's gradient has no parts that are "
            "theirs. Use --method leave_out."
        )
    return found.pop() if found else None


def sequences(batch: Mapping[str, torch.Tensor]) -> list[tuple[int, ...]]:
    """The tokens of each row of a pass's batch, padding left out."""
    if "completion_ids" in batch:
        ids_RL = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
        mask_RL = torch.cat([torch.ones_like(batch["prompt_ids"]), batch["completion_mask"]], dim=1)
    else:
        ids_RL = batch["ids"] if "ids" in batch else batch["input_ids"]
        mask_RL = batch["labels"] != IGNORED if "labels" in batch else batch["attention_mask"]
    columns_L = torch.arange(1, ids_RL.size(1) + 1)
    ends_R = (columns_L * (mask_RL != 0)).amax(dim=1)
    return [tuple(ids[:end]) for ids, end in zip(ids_RL.tolist(), ends_R.tolist(), strict=True)]


def taken_gradient(policy: Policy) -> torch.Tensor:
    """The gradient of all learned weights as one row, float32, shape (D,); it is cleared."""
    parts = [
        (torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1).float()
        for p in policy.learned
    ]
    policy.optimizer.zero_grad(set_to_none=True)
    return torch.cat(parts)
