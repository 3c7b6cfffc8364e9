"""First-order influence: what each round's groups moved, along the gradient of the held-out reward.

At the policy that round t learned from, with g_x the part of prompt x in the gradient of the
round's loss (`selfplay.analysis.credit.gradients`) and J the held-out reward,

    influence of x = Σ_t  −η_t c_t ⟨∇J, P_t g_x⟩

η_t is the round's learning rate and c_t ≤ 1 how much its gradient was clipped. P_t is 1/(√v̂ + ε),
AdamW's own second moments as the round left them (`adamw`), or 1 (`none`, TracIn's). Versions that
the run did not keep are learned again, so the sum is over all rounds, not over checkpoints.

It is an approximation: first-order, of a round's step as if it were taken at its start. A gradient
counts at once with all that momentum makes of it later; weight decay is nobody's; the effect of a
group on what the policy sampled and the creator made afterwards is not in it. ∇J is estimated on
the responses of the nearest evaluation. How far the sum is from the gain that was measured shows
how much can be believed.

Source: Pruthi et al., 2020, "Estimating Training Data Influence by Tracing Gradient Descent"
(TracIn), arXiv 2002.08484, sections 3.2 and 4.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch

from selfplay.analysis.credit.bootstrap import LEAST
from selfplay.analysis.credit.gradients import (
    HeldOut,
    heldout_samples,
    prompt_gradients,
    reward_gradients,
)
from selfplay.analysis.credit.replay import FloatArray, evaluated_rounds, rewind
from selfplay.core.errors import ConfigError
from selfplay.core.types import Prompt
from selfplay.game import Game, lesson
from selfplay.stages.evaluation import SAMPLED
from solver.learning.stage import Stage
from solver.objectives.build import build_objective
from solver.objectives.combined import adds_up
from solver.objectives.objective import PlannedObjective
from solver.policy import Policy

BLOCKS = 32
"""Most blocks of held-out prompts whose gradients are kept apart."""

MEMORY = 2**28
"""Numbers that these gradients may take together: 1 GiB."""


@dataclass(frozen=True, eq=False)
class RoundInfluence:
    """What the groups of one round did to the held-out reward."""

    round: int
    prompts: Mapping[str, Prompt]
    """By id: those with a part in the round's gradient."""
    parts: Mapping[str, FloatArray]
    """By id: what the prompt's groups added to each block's part of the reward. Shape (B,)."""
    blocks: int
    """B."""


def influences(game: Game, preconditioner: str = "adamw") -> Iterator[RoundInfluence]:
    """The influence of every round up to the last evaluated one, as it is learned again.

    Afterwards the policy is that of the last round.

    Raises:
        ConfigError: the objective's gradient cannot be taken apart.
        LedgerError, ModelError: the run has no second evaluation, or not its first policy.
    """
    rounds = evaluated_rounds(game.ledger)
    objective = planned(game)
    rewind(game)
    policy = game.solver.policy
    blocks = block_count(len(game.heldout), sum(p.numel() for p in policy.learned))
    samples: tuple[int, HeldOut] | None = None
    for t in range(1, rounds[-1] + 1):
        nearest = min(rounds, key=lambda e: (abs(e - (t - 1)), e))
        if samples is None or samples[0] != nearest:
            groups = game.ledger.groups(nearest, SAMPLED)
            samples = nearest, heldout_samples(policy, groups, blocks)
        yield _round(game, t, objective, samples[1], preconditioner)


def _round(
    game: Game, t: int, objective: PlannedObjective, heldout: HeldOut, preconditioner: str
) -> RoundInfluence:
    """Learns round `t`; then looks at it from the policy before."""
    policy, groups, seed = game.solver.policy, lesson(game, t), game.seed.at(t, "learn")
    before = [tensor.detach().clone() for tensor in state_of(policy)]
    rate = game.solver.learn(groups, seed)["learning_rate"]
    scale_D = rate * preconditioned(policy, preconditioner)
    parts: dict[str, FloatArray] = defaultdict(lambda: np.zeros(len(heldout.rows)))
    with gone_back(policy, before):
        towards_BD = reward_gradients(policy, heldout) * scale_D
        stage = Stage(policy, groups, seed, replace(policy.config, micro_batch_tokens=1))
        for step in prompt_gradients(stage, objective):
            whole_D = torch.zeros_like(scale_D)
            found: dict[str, FloatArray] = {}
            for id_, gradient_D in step:
                whole_D += gradient_D
                found[id_] = -(towards_BD @ gradient_D).double().cpu().numpy()
            clipped = min(1.0, policy.config.max_grad_norm / (float(whole_D.norm()) + 1e-6))
            for id_, part_B in found.items():
                parts[id_] = parts[id_] + clipped * part_B
    prompts = {group.prompt.id: group.prompt for group in groups if group.prompt.id in parts}
    return RoundInfluence(t, prompts, dict(parts), len(heldout.rows))


def planned(game: Game) -> PlannedObjective:
    """The run's objective.

    Raises:
        ConfigError: it takes steps of its own, so that a round has no one gradient.
    """
    config = game.config.solver
    objective = build_objective(config.objective, config)
    if not isinstance(objective, PlannedObjective) or not adds_up(objective):
        raise ConfigError(
            f"solver.objective: expected one whose stage is known before its first step, found "
            f"'{config.objective.name}', which is a procedure. Use --method leave_out."
        )
    return objective


def block_count(prompts: int, weights: int) -> int:
    """Blocks of held-out prompts: as many as memory allows, or 1 where they give no interval."""
    blocks = min(prompts, BLOCKS, MEMORY // weights)
    return blocks if blocks >= LEAST else 1


def preconditioned(policy: Policy, kind: str) -> torch.Tensor:
    """How far each weight moves for its gradient, in units of the learning rate. Shape (D,)."""
    parts = [
        group["rate_factor"] * _inverse_deviation(policy, parameter, group, kind)
        for group in policy.optimizer.param_groups
        for parameter in group["params"]
    ]
    return torch.cat([part.reshape(-1) for part in parts])


def _inverse_deviation(
    policy: Policy, parameter: torch.nn.Parameter, group: Mapping[str, float], kind: str
) -> torch.Tensor:
    ones = torch.ones_like(parameter, dtype=torch.float32)
    if kind == "none":
        return ones
    state = policy.optimizer.state.get(parameter)
    if not state:  # It has never moved.
        return 0.0 * ones
    decay: float = policy.config.betas[1]
    corrected = state["exp_avg_sq"].float() / (1.0 - decay ** float(state["step"]))
    return torch.reciprocal(corrected.sqrt() + group["eps"])


def state_of(policy: Policy) -> list[torch.Tensor]:
    """What a learning stage changes of the policy, the optimiser's moments aside."""
    return [*(parameter.data for parameter in policy.learned), *policy.averaged.values()]


@contextmanager
def gone_back(policy: Policy, before: list[torch.Tensor]) -> Iterator[None]:
    """For the block, the policy as it was one version before."""
    after = [tensor.detach().clone() for tensor in state_of(policy)]
    memory = {place: dict(kept) for place, kept in policy.memory.items()}
    _put(policy, before)
    policy.version -= 1
    try:
        yield
    finally:
        _put(policy, after)
        policy.memory = memory
        policy.version += 1


def _put(policy: Policy, tensors: list[torch.Tensor]) -> None:
    for place, tensor in zip(state_of(policy), tensors, strict=True):
        place.copy_(tensor)
    policy.round()
