"""What the learning benchmark learns from: a random model, prompts of words, recorded groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from selfplay.core.components import NoOptions, chosen
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Prompt, Response, Sampling, Verdict, user
from solver.config import PolicyConfig, SolverConfig
from solver.examples.pairs import Pair, max_min
from solver.objectives.rows.groups import GrpoOptions
from solver.objectives.rows.ppo import PpoOptions
from solver.objectives.table import OBJECTIVES
from solver.policy import Policy
from solver.solver import Solver

LEARNING_RATE = 0.0
"""A step costs the same, and every repetition meets the model that the responses were scored by."""


@dataclass(frozen=True)
class Shape:
    """A model and a batch."""

    title: str
    hidden: int
    layers: int
    vocabulary: int
    prompts: int
    responses: int
    prompt_tokens: int
    response_tokens: int
    micro_batch_tokens: int


SHAPES = (
    Shape("1 M parameters, 64 x 8 sequences of 38 tokens", 128, 5, 128, 64, 8, 30, 8, 16384),
    Shape("25 M parameters, 4 x 2 sequences of 512 tokens", 512, 6, 4096, 4, 2, 256, 256, 2048),
)

OPTIONS: dict[str, tuple[Any, str | None]] = {
    "dpo": (None, "initial"),
    "simpo": (None, None),
    "grpo": (GrpoOptions(beta=0.0), None),
    "ppo": (PpoOptions(beta=0.0), None),
}
"""Objective → its options (its defaults where None), and its reference."""


def make_solver(shape: Shape, model: Path, objective: str) -> Solver:
    """A solver of the project on a copy of the model, one thread."""
    options, reference = OPTIONS[objective]
    config = SolverConfig(
        sampling=Sampling(n=shape.responses, max_new_tokens=2 * shape.response_tokens),
        objective=chosen(objective, OBJECTIVES, options),
        reference=reference,
        learning_rate=LEARNING_RATE,
        micro_batch_tokens=shape.micro_batch_tokens,
    )
    policy = PolicyConfig(path=str(model), device="cpu", threads=1)
    return Solver(config, Policy.load(policy, config))


def make_groups(shape: Shape, solver: Solver) -> list[Group]:
    """Groups of random words with random tokens, recorded log-probabilities and rewards."""
    draw = np.random.default_rng(0)
    prompts, responses = [], []
    for _ in range(shape.prompts):
        length = int(shape.prompt_tokens * draw.uniform(0.8, 1.2))
        prompts.append(Prompt(user(words(draw.integers(8, 100, size=length)))))
        for _ in range(shape.responses):
            count = int(shape.response_tokens * draw.uniform(0.75, 1.25))
            ids = draw.integers(8, 100, size=count).astype(np.int32)
            responses.append(Response("", ids, None, "length"))
    chats = [prompt.messages for prompt in prompts for _ in range(shape.responses)]
    logps = solver.policy.model.logprobs(chats, responses)
    scored = [replace(r, logprobs=logps_T) for r, logps_T in zip(responses, logps, strict=True)]
    groups = []
    for p, prompt in enumerate(prompts):
        own = tuple(scored[p * shape.responses : (p + 1) * shape.responses])
        verdicts = [Verdict(float(reward)) for reward in draw.normal(size=shape.responses)]
        groups.append(Group(prompt, own, "train", 0).judged(verdicts, "random"))
    return groups


def at_version(groups: Sequence[Group], version: int) -> list[Group]:
    """The groups as if the current policy had sampled them, so that nothing is scored anew."""
    return [replace(group, policy_version=version) for group in groups]


def pairs_of(groups: Sequence[Group]) -> tuple[Pair, ...]:
    """Best against worst of each group."""
    return max_min(NoOptions())(groups, Seed(0)).pairs


def words(ids: Sequence[int] | np.ndarray[Any, Any]) -> str:
    """The text of token ids."""
    return " ".join(f"w{i}" for i in ids)


def write_model(directory: Path, shape: Shape) -> Path:
    """A random Llama and a tokenizer of one token a word."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    special = {"<pad>": 0, "<eos>": 1, "<unk>": 2}
    vocabulary = special | {f"w{i}": i for i in range(3, shape.vocabulary)}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    )
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=3 * shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.hidden // 32,
        max_position_embeddings=1024,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=1,
    )
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory
