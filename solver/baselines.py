"""Baseline responses: what a prompt's rewards are calibrated against (CGPO).

CGPO takes a reference answer, or one sample that the initial policy gave before training. Here the
sample is drawn when the prompt is first asked, from a seed that depends on the prompt alone: it is
the one that would have been drawn before training, and the same whenever the prompt comes again.

Source: Xu et al., 2024, arXiv 2409.20370, calibrated reward.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from selfplay.core.models.transformers_model import TransformersModel
from selfplay.core.seeding import Seed
from selfplay.core.types import Prompt, Response, Sampling
from solver.policy import Policy


def has_baseline(prompt: Prompt, kind: str | None) -> bool:
    """Can the prompt have a baseline response of this kind (`solver.baseline`)?"""
    return kind == "initial" or (kind == "gold" and prompt.answer is not None)


def baseline_responses(
    policy: Policy, prompts: Sequence[Prompt], kind: str | None, sampling: Sampling, seed: Seed
) -> list[tuple[Response, ...]]:
    """One response for each prompt, each of which can have one.

    Args:
        policy: whose initial weights answer.
        prompts: those that `has_baseline` is true of.
        kind: `gold` or `initial`.
        sampling: how a sample is drawn.
        seed: of the run; the sample depends on it and on the prompt.

    Raises:
        ModelError: a prompt does not fit the model's context.
    """
    if kind == "gold":
        return [(_gold(policy, prompt.answer or ""),) for prompt in prompts]
    initial = replace(policy.pretrained, module=policy.reference("initial"))
    chats = [prompt.messages for prompt in prompts]
    return TransformersModel(initial).generate(chats, replace(sampling, n=1), seed)


def _gold(policy: Policy, answer: str) -> Response:
    """The gold answer as a whole response: it ends where a policy's own would."""
    ids = policy.model.response_ids(answer)
    return Response(answer, np.array(ids, dtype=np.int32), None, "recorded")
