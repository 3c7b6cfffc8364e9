"""TRL's own trainers, used as its documentation says: a dataset of texts in, `train()` called.

A round builds one trainer, as a job that learns in rounds does: the trainer tokenises, loads no
weights (the model is handed in, and so is the reference), and takes one optimiser step. GRPO gets
the recorded responses through `rollout_func`, so that nothing is generated. TRL 1.16 has no PPO.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from datasets import Dataset
from datasets.utils.logging import disable_progress_bar

from benchmarks.learning_case import LEARNING_RATE, Shape, pairs_of, words
from selfplay.core.types import Group
from solver.policy import Policy

Plain: TypeAlias = Callable[[Policy, Any, Sequence[Group], Shape], None]
"""From the policy, a frozen copy of its module, groups and shape to one optimiser step."""


def dpo(policy: Policy, frozen: Any, groups: Sequence[Group], shape: Shape) -> None:
    """`DPOTrainer` with a reference model."""
    from trl import DPOConfig, DPOTrainer

    rows = _pair_rows(groups)
    with _arguments(DPOConfig, len(rows), _pairs_at_once(shape)) as arguments:
        _train(DPOTrainer, policy, arguments, rows, ref_model=frozen)


def simpo(policy: Policy, _frozen: Any, groups: Sequence[Group], shape: Shape) -> None:
    """`CPOTrainer` with SimPO's loss."""
    from trl.experimental.cpo import CPOConfig, CPOTrainer

    rows, options = _pair_rows(groups), {"loss_type": "simpo", "cpo_alpha": 0.0}
    options |= {"beta": 2.0, "simpo_gamma": 1.0, "remove_unused_columns": False}
    with _arguments(CPOConfig, len(rows), _pairs_at_once(shape), **options) as arguments:
        _train(CPOTrainer, policy, arguments, rows)


def grpo(policy: Policy, _frozen: Any, groups: Sequence[Group], shape: Shape) -> None:
    """`GRPOTrainer` without a reference, on recorded responses."""
    from trl import GRPOConfig, GRPOTrainer

    asked = {group.prompt.text: group for group in groups}
    chats = [group.prompt.messages for group in asked.values()]
    tokens = dict(zip(asked, policy.model.prompt_ids(chats), strict=True))

    def recorded(prompts: Sequence[str], _trainer: Any) -> dict[str, list[Any]]:
        seen: dict[str, int] = defaultdict(int)
        found: dict[str, list[Any]] = defaultdict(list)
        for prompt in prompts:
            group, g = asked[prompt], seen[prompt]
            seen[prompt] += 1
            logprobs = group.responses[g].logprobs
            assert logprobs is not None
            found["prompt_ids"].append(tokens[prompt])
            found["completion_ids"].append(group.responses[g].token_ids.tolist())
            found["logprobs"].append([[float(logp)] for logp in logprobs])
            found["recorded"].append(float(group.rewards[g]))
        return found

    count = len(groups) * shape.responses
    at_once = shape.micro_batch_tokens // (shape.prompt_tokens + shape.response_tokens)
    options = {
        "beta": 0.0,
        "loss_type": "grpo",
        "num_generations": shape.responses,
        "max_completion_length": 2 * shape.response_tokens,
    }
    rows = [{"prompt": prompt} for prompt in asked]
    with _arguments(GRPOConfig, count, at_once, **options) as arguments:
        _train(
            GRPOTrainer,
            policy,
            arguments,
            rows,
            reward_funcs=_recorded_reward,
            rollout_func=recorded,
        )


TRAINERS: dict[str, Plain] = {"dpo": dpo, "simpo": simpo, "grpo": grpo}


def _recorded_reward(recorded: list[float], **_columns: Any) -> list[float]:
    return recorded


def _pair_rows(groups: Sequence[Group]) -> list[dict[str, str]]:
    return [
        {
            "prompt": groups[pair.group].prompt.text,
            "chosen": " " + words(groups[pair.group].responses[pair.chosen].token_ids),
            "rejected": " " + words(groups[pair.group].responses[pair.rejected].token_ids),
        }
        for pair in pairs_of(groups)
    ]


def _pairs_at_once(shape: Shape) -> int:
    return shape.micro_batch_tokens // (2 * (shape.prompt_tokens + shape.response_tokens))


@contextlib.contextmanager
def _arguments(config: type, count: int, at_once: int, **options: Any) -> Any:
    """One optimiser step over `count` items, in micro-batches of at most `at_once`."""
    passes = -(-count // at_once)
    while count % passes:
        passes += 1
    with tempfile.TemporaryDirectory() as scratch:
        yield config(
            output_dir=scratch,
            learning_rate=LEARNING_RATE,
            lr_scheduler_type="constant",
            max_steps=1,
            per_device_train_batch_size=count // passes,
            gradient_accumulation_steps=passes,
            **_no_checkpointing(config),
            use_cpu=True,
            bf16=False,
            dataloader_pin_memory=False,
            logging_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            **options,
        )


def _no_checkpointing(config: type) -> dict[str, bool]:
    """TRL saves memory by default, which takes another forward pass."""
    known = {field.name for field in dataclasses.fields(config)}
    name = "activation_checkpointing"
    return {name if name in known else "gradient_checkpointing": False}


def _train(
    trainer_class: Any, policy: Policy, arguments: Any, rows: Sequence[Any], **more: Any
) -> None:
    disable_progress_bar()
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        trainer_class(
            model=policy.module,
            args=arguments,
            train_dataset=Dataset.from_list(list(rows)),
            processing_class=policy.pretrained.tokenizer,
            **more,
        ).train()
    # The fused output head that the trainer leaves on the module would be put on it once more.
    vars(policy.module).pop("forward", None)
