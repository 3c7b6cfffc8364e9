"""Gradients of our objectives and of TRL's own trainers, step by step, on the same responses.

Both take plain gradient-descent steps, so that a later step begins where the same earlier ones
lead. TRL's trainers are used as their documentation says: their own data path, collator and loop.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import ArrayLike
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback

from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Prompt, Response, Sampling, Verdict, user
from solver.config import PolicyConfig, SolverConfig
from solver.learning.stage import Stage
from solver.objectives.objective import PlannedObjective
from solver.policy import Policy

Gradients: TypeAlias = dict[str, torch.Tensor]

PROMPTS = [Prompt(user(text)) for text in ("one", "number two", "3", "the fourth one")]
LONGEST = 9
"""Tokens of the longest response."""
RATE = 0.01
"""Of the gradient descent: large enough for a second step to meet clipped ratios."""


def groups_of(rewards_PG: ArrayLike, seed: int = 0) -> list[Group]:
    """Recorded groups with responses of 2 to `LONGEST` characters, the last token being <eos>.

    NaN is a missing verdict.
    """
    rng = np.random.default_rng(seed)

    def response() -> Response:
        ids = [*rng.integers(4, 90, size=rng.integers(1, LONGEST)).tolist(), 1]
        return Response("", np.array(ids, dtype=np.int32), None, "recorded")

    return [
        Group(prompt, tuple(response() for _ in rewards_G), "train", 0).judged(
            [Verdict.missing("lost") if np.isnan(r) else Verdict(float(r)) for r in rewards_G], "f"
        )
        for prompt, rewards_G in zip(PROMPTS, np.asarray(rewards_PG, dtype=float), strict=False)
    ]


def config_of(**more: Any) -> SolverConfig:
    return SolverConfig(Sampling(max_new_tokens=LONGEST), **more)


def gradients(
    directory: Path,
    make: Callable[[Any, SolverConfig], PlannedObjective],
    options: Any,
    groups: Sequence[Group],
    rate: float = RATE,
    **config: Any,
) -> tuple[list[Gradients], dict[str, float]]:
    """Of each optimiser step of an objective's plan, and the plan's metrics."""
    settings = config_of(**config)
    policy = Policy.load(PolicyConfig(str(directory), device="cpu", threads=1), settings)
    plan = make(options, settings).plan(Stage(policy, groups, Seed(1), settings))
    module, found = policy.module, []
    module.train()
    for step in plan.steps:
        for one in step:
            (one.share * one.loss()[0]).backward()
        found.append(_descended(module, rate))
    return found, {**plan.metrics, **plan.close()}


def _descended(module: Any, rate: float) -> Gradients:
    named = {n: p.grad.clone() for n, p in module.named_parameters() if p.grad is not None}
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.grad is not None:
                parameter -= rate * parameter.grad
                parameter.grad = None
    return named


def distance(ours: Gradients, theirs: Gradients) -> float:
    """Norm of the difference of two gradients over the norm of the second."""
    assert ours.keys() == theirs.keys()
    gaps = torch.cat([(ours[name] - theirs[name]).flatten() for name in theirs])
    return float(gaps.norm() / torch.cat([t.flatten() for t in theirs.values()]).norm())


def farthest(ours: Sequence[Gradients], theirs: Sequence[Gradients]) -> float:
    """The largest distance of the steps' gradients, which are as many."""
    return max(distance(*pair) for pair in zip(ours, theirs, strict=True))


class Watch(TrainerCallback):
    """Keeps the gradient of every optimiser step."""

    def __init__(self) -> None:
        self.seen: list[Gradients] = []

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        module = more["model"]
        self.seen.append({n: p.grad.clone() for n, p in module.named_parameters()})


def trained(
    directory: Path,
    scratch: Path,
    trainer_class: type,
    config_class: type,
    data: dict[str, list[Any]],
    steps: int,
    options: dict[str, Any],
    rate: float = RATE,
    **arguments: Any,
) -> list[Gradients]:
    """Gradients of the steps that TRL's own trainer takes on `data`."""
    watch = Watch()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer_class(
            model=AutoModelForCausalLM.from_pretrained(directory),
            args=config_class(
                output_dir=str(scratch),
                use_cpu=True,
                bf16=False,
                report_to="none",
                save_strategy="no",
                logging_strategy="no",
                disable_tqdm=True,
                dataloader_pin_memory=False,
                gradient_checkpointing=False,
                optim="sgd",
                learning_rate=rate,
                lr_scheduler_type="constant",
                max_grad_norm=0.0,
                max_steps=steps,
                **options,
            ),
            train_dataset=Dataset.from_dict(data),
            processing_class=AutoTokenizer.from_pretrained(directory),
            callbacks=[watch],
            **arguments,
        ).train()
    return watch.seen


def texts_of(directory: Path, groups: Sequence[Group]) -> list[tuple[str, list[str]]]:
    """Each group's prompt under the chat template, and its responses, as texts."""
    tokenizer: Any = AutoTokenizer.from_pretrained(directory)
    return [
        (
            tokenizer.apply_chat_template(
                [{"role": m.role, "content": m.content} for m in group.prompt.messages],
                add_generation_prompt=True,
                tokenize=False,
            ),
            [tokenizer.decode(response.token_ids.tolist()) for response in group.responses],
        )
        for group in groups
    ]
