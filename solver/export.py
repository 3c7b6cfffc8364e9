"""A trained reward model as a directory that transformers and any RLHF tool can read.

The policy's body and its reward head become a sequence-classification model with one label
(`AutoModelForSequenceClassification`), adapters merged into the weights in float32. `config.json`
says with `reward_format: answer` how texts are to be put to it: the prompt under the chat template
up to where the answer begins, the response, and the template's end of turn behind a whole response.
Left out: heads of several labels.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from selfplay.core.components import chosen
from selfplay.core.errors import ModelError
from selfplay.core.models.pretrained import save_pretrained
from selfplay.core.types import Group
from solver.config import PolicyConfig, SolverConfig
from solver.heads import closed_alike, response_rewards, saved_heads
from solver.learning.batches import Row
from solver.objectives.table import OBJECTIVES
from solver.policy import Policy

FORMAT = "answer"
"""How the reward head was trained to read a prompt and its response."""


def export_reward_model(policy: Policy, directory: Path) -> None:
    """Writes the reward model to `directory`; its scores equal the policy's own.

    Raises:
        ModelError: the policy has no reward head, or its architecture no sequence classifier.
        OSError: the directory cannot be written.
    """
    head = _reward_head(policy)
    whole = _whole(policy)
    classifier = _classifier(whole, policy)
    try:
        classifier.base_model.load_state_dict(whole.base_model.state_dict())
        with torch.no_grad():
            classifier.score.weight.copy_(head.weight)
    except (AttributeError, RuntimeError) as error:
        raise ModelError(
            f"A reward model of {type(whole).__name__} cannot be written: its sequence classifier "
            f"{type(classifier).__name__} has other weights ({error}). Take another architecture."
        ) from error
    directory.mkdir(parents=True, exist_ok=True)
    save_pretrained(replace(policy.pretrained, module=classifier), directory)


def export_saved(saved: Path, directory: Path) -> None:
    """Writes the reward model that a policy directory holds, as `Solver.save` left it.

    Raises:
        ModelError: it cannot be used, or has no reward head.
        OSError: the directory cannot be written.
    """
    if "reward" not in saved_heads(saved):
        raise ModelError(
            f"Expected a policy with a reward head in '{saved}', found none. Give a directory "
            "policy/<version> that was trained under solver.objective=rm."
        )
    config = SolverConfig(objective=chosen("rm", OBJECTIVES))
    export_reward_model(Policy.load(PolicyConfig(str(saved), device="cpu"), config), directory)


def reward_scores(policy: Policy, groups: Sequence[Group]) -> list[NDArray[np.float32]]:
    """The reward head's score of each response, shape (n,) for each group.

    Raises:
        ModelError: the policy has no reward head.
    """
    head = _reward_head(policy)
    prompts = policy.model.prompt_ids([group.prompt.messages for group in groups])
    rows = [
        Row(np.array(prompt), response.token_ids.astype(np.int64))
        for group, prompt in zip(groups, prompts, strict=True)
        for response in group.responses
    ]
    config = policy.config
    scores_R = response_rewards(
        policy.module,
        head,
        closed_alike(rows, policy.pretrained.stops, policy.model.end_of_turn),
        policy.pad_id,
        config.micro_batch_tokens,
        config.mixed_precision,
    )
    ends = np.cumsum([len(group.responses) for group in groups])
    return np.split(scores_R, ends[:-1]) if len(groups) else []


def _reward_head(policy: Policy) -> Any:
    if "reward" not in policy.heads:
        raise ModelError(
            "Expected a policy with a reward head, found one without. Train it under "
            "solver.objective=rm."
        )
    return policy.heads["reward"]


def _whole(policy: Policy) -> Any:
    """The policy's module with its adapters merged; the policy stays as it is.

    Merged in float32: what adapters have learned is often less than half of the distance between
    two weights of fewer bits, and would be rounded away.
    """
    module = policy.pretrained.module
    if not hasattr(module, "peft_config"):
        return module
    copied = copy.deepcopy(module)
    whole = copied if policy.chosen.quantization else copied.float()
    return whole.merge_and_unload()


def _classifier(whole: Any, policy: Policy) -> Any:
    """An empty sequence classifier with one label, of the dtype of `whole`."""
    from transformers import AutoModelForSequenceClassification

    config = copy.deepcopy(whole.config)
    config.num_labels = 1
    config.get_text_config().pad_token_id = policy.pad_id
    config.reward_format = FORMAT
    config.dtype = whole.dtype
    try:
        with torch.random.fork_rng(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return AutoModelForSequenceClassification.from_config(
                config, dtype=config.dtype, trust_remote_code=False
            )
    except ValueError as error:
        raise ModelError(
            f"transformers has no sequence classifier for {type(config).__name__}: {error} "
            "Take another architecture for the reward model."
        ) from error
