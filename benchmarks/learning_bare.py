"""Bare PyTorch loops with the mathematics of four objectives: what learning costs at least.

Tensors are made, gradients added up over micro-batches, and one clipped AdamW step is taken. There
is no metric, no check and no configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch.nn.functional import logsigmoid

from benchmarks.learning_case import Shape, pairs_of
from selfplay.core.types import Group
from solver.advantages import grpo_advantages
from solver.objectives.ppo import (
    generalised_advantages,
    policy_losses,
    token_rewards,
    value_losses,
)
from solver.policy import Policy

Sequences: TypeAlias = Sequence[tuple[list[int], Any]]
"""(prompt's ids, response's ids) of each response."""

Bare: TypeAlias = Callable[[Policy, Any, Sequence[Group], Shape], None]
"""From the policy, a frozen copy of its module, groups and shape to one optimiser step."""


def dpo(policy: Policy, frozen: Any, groups: Sequence[Group], shape: Shape) -> None:
    """-log σ(0.1 Δ), the reference's log-probabilities from a pass of its own."""
    for sequences, share in _pairs(policy, groups, shape):
        ids_BL, mask_BT = _padded(sequences)
        with torch.no_grad():
            reference_B = _logps(frozen, ids_BL, mask_BT).sum(1)
        gaps_B = _logps(policy.module, ids_BL, mask_BT).sum(1) - reference_B
        chosen_B, rejected_B = gaps_B.chunk(2)
        (-logsigmoid(0.1 * (chosen_B - rejected_B)).mean() * share).backward()
    _step(policy)


def simpo(policy: Policy, _frozen: Any, groups: Sequence[Group], shape: Shape) -> None:
    """-log σ(2 (ℓ_w/|y_w| - ℓ_l/|y_l|) - 1)."""
    for sequences, share in _pairs(policy, groups, shape):
        ids_BL, mask_BT = _padded(sequences)
        means_B = _logps(policy.module, ids_BL, mask_BT).sum(1) / mask_BT.sum(1)
        chosen_B, rejected_B = means_B.chunk(2)
        (-logsigmoid(2.0 * (chosen_B - rejected_B) - 1.0).mean() * share).backward()
    _step(policy)


def grpo(policy: Policy, _frozen: Any, groups: Sequence[Group], shape: Shape) -> None:
    """The clipped surrogate of each token, its mean over tokens, then over responses."""
    advantages_R = grpo_advantages(np.stack([group.rewards for group in groups])).ravel()
    sequences, old = _sequences(policy, groups), _recorded(groups)
    for chunk in _chunks([len(p) + len(r) for p, r in sequences], shape.micro_batch_tokens):
        ids_BL, mask_BT = _padded([sequences[i] for i in chunk])
        old_BT = _spread([old[i] for i in chunk], mask_BT)
        advantages_B1 = torch.tensor([[advantages_R[i]] for i in chunk], dtype=torch.float32)
        ratios_BT = torch.exp(_logps(policy.module, ids_BL, mask_BT) - old_BT)
        gains_BT = torch.min(ratios_BT * advantages_B1, ratios_BT.clamp(0.8, 1.2) * advantages_B1)
        means_B = (gains_BT * mask_BT).sum(1) / mask_BT.sum(1)
        (-means_B.sum() / len(sequences)).backward()
    _step(policy)


def ppo(policy: Policy, _frozen: Any, groups: Sequence[Group], shape: Shape) -> None:
    """Values and advantages from one pass without gradients, then policy and value from one."""
    sequences, old = _sequences(policy, groups), _recorded(groups)
    rewards_R = torch.tensor([reward for group in groups for reward in group.rewards])
    batches, total = [], sum(len(response) for _, response in sequences)
    for chunk in _chunks([len(p) + len(r) for p, r in sequences], shape.micro_batch_tokens):
        ids_BL, mask_BT = _padded([sequences[i] for i in chunk])
        with torch.no_grad():
            values_BT = _values(policy, policy.module.base_model(ids_BL[:, :-1]), mask_BT)
        rewards_BT = token_rewards(rewards_R[chunk], torch.zeros_like(values_BT), mask_BT, 0.0)
        advantages_BT = generalised_advantages(rewards_BT, values_BT, mask_BT, 1.0, 0.95)
        batches.append((ids_BL, mask_BT, chunk, values_BT, advantages_BT.float()))
    known_N = torch.cat([advantages_BT[mask_BT] for _, mask_BT, _, _, advantages_BT in batches])
    mean, deviation = known_N.mean(), known_N.std()
    for ids_BL, mask_BT, chunk, values_BT, advantages_BT in batches:
        old_BT = _spread([old[i] for i in chunk], mask_BT)
        body = policy.module.base_model(ids_BL[:, :-1])
        logps_BT = _token_logps(policy.module.lm_head, body.last_hidden_state, ids_BL, mask_BT)
        white_BT = torch.where(mask_BT, (advantages_BT - mean) / deviation, 0)
        policy_BT = policy_losses(logps_BT, old_BT, white_BT, mask_BT, 0.2)
        found_BT = _values(policy, body, mask_BT)
        value_BT = value_losses(found_BT, values_BT, advantages_BT + values_BT, mask_BT, 0.2)
        ((policy_BT.sum() + 0.1 * value_BT.sum()) / total).backward()
    _step(policy)


LOOPS: dict[str, Bare] = {"dpo": dpo, "simpo": simpo, "grpo": grpo, "ppo": ppo}


def _pairs(
    policy: Policy, groups: Sequence[Group], shape: Shape
) -> Iterator[tuple[Sequences, float]]:
    """Micro-batches, the chosen then the rejected, each with its share of the step."""
    pairs = pairs_of(groups)
    prompts = policy.model.prompt_ids([groups[pair.group].prompt.messages for pair in pairs])
    both = [
        [(ids, groups[pair.group].responses[g].token_ids) for g in (pair.chosen, pair.rejected)]
        for ids, pair in zip(prompts, pairs, strict=True)
    ]
    widths = [2 * max(len(p) + len(r) for p, r in pair) for pair in both]
    for chunk in _chunks(widths, shape.micro_batch_tokens):
        yield [both[i][side] for side in (0, 1) for i in chunk], len(chunk) / len(pairs)


def _sequences(policy: Policy, groups: Sequence[Group]) -> Sequences:
    prompts = policy.model.prompt_ids([group.prompt.messages for group in groups])
    return [
        (ids, response.token_ids)
        for ids, group in zip(prompts, groups, strict=True)
        for response in group.responses
    ]


def _recorded(groups: Sequence[Group]) -> list[Any]:
    return [response.logprobs for group in groups for response in group.responses]


def _chunks(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    size = max(1, max_tokens // max(lengths))
    return [order[start : start + size] for start in range(0, len(order), size)]


def _padded(sequences: Sequences) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids, shape (B, L), and which of the predicted tokens are a response's, shape (B, L - 1)."""
    longest = max(len(p) + len(r) for p, r in sequences)
    ids_BL = torch.zeros(len(sequences), longest, dtype=torch.long)
    mask_BL = torch.zeros(len(sequences), longest, dtype=torch.bool)
    for b, (prompt, response) in enumerate(sequences):
        ids_BL[b, : len(prompt)] = torch.tensor(prompt)
        ids_BL[b, len(prompt) : len(prompt) + len(response)] = torch.from_numpy(response)
        mask_BL[b, len(prompt) : len(prompt) + len(response)] = True
    return ids_BL, mask_BL[:, 1:]


def _spread(numbers: Sequence[Any], mask_BT: torch.Tensor) -> torch.Tensor:
    """Each response's figures in its places, 0 elsewhere."""
    flat = torch.from_numpy(np.concatenate(numbers))
    return torch.zeros(mask_BT.shape).masked_scatter(mask_BT, flat)


def _logps(module: Any, ids_BL: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
    """Shape (B, T): log-probability of each response token, 0 elsewhere; plain logits."""
    states_BTH = module.base_model(ids_BL[:, :-1], use_cache=False).last_hidden_state
    return _token_logps(module.lm_head, states_BTH, ids_BL, mask_BT)


def _token_logps(
    head: Any, states_BTH: torch.Tensor, ids_BL: torch.Tensor, mask_BT: torch.Tensor
) -> torch.Tensor:
    first = int(mask_BT.any(0).to(torch.int8).argmax())
    logps_BTV = torch.log_softmax(head(states_BTH[:, first:]), -1)
    logps_BT = logps_BTV.gather(-1, ids_BL[:, first + 1 :, None])[..., 0] * mask_BT[:, first:]
    return torch.nn.functional.pad(logps_BT, (first, 0))


def _values(policy: Policy, body: Any, mask_BT: torch.Tensor) -> torch.Tensor:
    """Shape (B, T): the value head's word on each position, 0 outside of the response."""
    values_BT = policy.heads["value"](body.last_hidden_state)[..., 0]
    return torch.where(mask_BT, values_BT, 0)


def _step(policy: Policy) -> None:
    torch.nn.utils.clip_grad_norm_(policy.learned, 1.0)
    policy.optimizer.step()
    policy.optimizer.zero_grad(set_to_none=True)
