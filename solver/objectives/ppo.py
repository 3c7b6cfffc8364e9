"""PPO's arithmetic: rewards of tokens, generalised advantages, and the two clipped losses.

Pure functions of any float dtype. R responses of up to T tokens, a response's own tokens standing
together; what lies outside of `mask_RT` is ignored and comes out as 0. The end of a response ends
the episode, of a truncated one too: no value follows it. `solver.objectives.actor_critic` makes
an objective of them.

Source: Schulman et al., 2017, arXiv 1707.06347; Schulman et al., 2015 (GAE), arXiv 1506.02438;
details of their use on language models as in Huang et al., 2024, arXiv 2403.17031. Left out: an
entropy bonus, and a β that follows a target.
"""

from __future__ import annotations

import torch

WHITENING = 1e-8
"""Added to the standard deviation: advantages without spread become 0."""


def token_rewards(
    rewards_R: torch.Tensor, divergences_RT: torch.Tensor, mask_RT: torch.Tensor, beta: float
) -> torch.Tensor:
    """-β d_t for every token, and the response's reward on its last: shape (R, T).

    Args:
        rewards_R: one for each response.
        divergences_RT: d_t = log π_old - log π_ref of each token, nats.
        mask_RT: bool, the tokens of the response, at least one.
        beta: weight of the divergence.

    Source: Ouyang et al., 2022 (InstructGPT), arXiv 2203.02155, equation 2.
    """
    following_RT = torch.zeros_like(mask_RT)
    following_RT[:, :-1] = mask_RT[:, 1:]
    last_RT = mask_RT & ~following_RT
    return torch.where(mask_RT, -beta * divergences_RT + last_RT * rewards_R[:, None], 0)


def generalised_advantages(
    rewards_RT: torch.Tensor,
    values_RT: torch.Tensor,
    mask_RT: torch.Tensor,
    gamma: float,
    gae_lambda: float,
) -> torch.Tensor:
    """A_t = Σ_k (γλ)^k δ_{t+k}, δ_t = r_t + γ V_{t+1} - V_t, V = 0 after the end: shape (R, T).

    Source: Schulman et al., 2015, arXiv 1506.02438, equation 16.
    """
    values_RT = torch.where(mask_RT, values_RT, 0)
    advantages_RT = torch.zeros_like(rewards_RT)
    next_value_R = next_advantage_R = torch.zeros_like(rewards_RT[:, 0])
    for t in reversed(range(rewards_RT.size(1))):
        errors_R = rewards_RT[:, t] + gamma * next_value_R - values_RT[:, t]
        found_R = errors_R + gamma * gae_lambda * next_advantage_R
        advantages_RT[:, t] = next_advantage_R = torch.where(mask_RT[:, t], found_R, 0)
        next_value_R = values_RT[:, t]
    return advantages_RT


def whitened(advantages_RT: torch.Tensor, mask_RT: torch.Tensor) -> torch.Tensor:
    """Centred and divided by their standard deviation, over all tokens together."""
    known_N = advantages_RT[mask_RT]
    deviation = known_N.std() if len(known_N) > 1 else known_N.new_zeros(())
    centred_RT = (advantages_RT - known_N.mean()) / (deviation + WHITENING)
    return torch.where(mask_RT, centred_RT, 0)


def policy_losses(
    logps_RT: torch.Tensor,
    old_RT: torch.Tensor,
    advantages_RT: torch.Tensor,
    mask_RT: torch.Tensor,
    epsilon: float,
) -> torch.Tensor:
    """-min(q A, clip(q, 1-ε, 1+ε) A) of each token, q = π/π_old: shape (R, T).

    Source: Schulman et al., 2017, arXiv 1707.06347, equation 7.
    """
    ratios_RT = torch.exp(torch.where(mask_RT, logps_RT - old_RT, 0))
    clipped_RT = ratios_RT.clamp(1 - epsilon, 1 + epsilon)
    gains_RT = torch.minimum(ratios_RT * advantages_RT, clipped_RT * advantages_RT)
    return torch.where(mask_RT, -gains_RT, 0)


def value_losses(
    values_RT: torch.Tensor,
    old_RT: torch.Tensor,
    returns_RT: torch.Tensor,
    mask_RT: torch.Tensor,
    epsilon: float | None,
) -> torch.Tensor:
    """½ max((V - R)², (clip(V, V_old - ε, V_old + ε) - R)²) of each token: shape (R, T).

    Without ε, ½ (V - R)².

    Source: Huang et al., 2024, arXiv 2403.17031; the clip is that of OpenAI's baselines.
    """
    squares_RT = (values_RT - returns_RT).square()
    if epsilon is not None:
        near_RT = old_RT + (values_RT - old_RT).clamp(-epsilon, epsilon)
        squares_RT = torch.maximum(squares_RT, (near_RT - returns_RT).square())
    return torch.where(mask_RT, squares_RT / 2, 0)
