"""What the learning stage costs over a bare PyTorch loop that does the same mathematics.

Both start from the same groups and tokens, alternate in one process on copies of one model, and
take one optimiser step. The stage is all of `Solver.learn`: pairs or advantages, padding, TRL's
trainer and its metrics, the reference's log-probabilities, the KL probe.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import logsigmoid

from benchmarks.runner import Measurement
from selfplay.core.components import Choice
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Prompt, Response, Sampling, Verdict, user
from solver.advantages import rloo_advantages
from solver.config import OBJECTIVES, DpoOptions, PolicyConfig, RlooOptions, SolverConfig
from solver.pairs import max_min_pairs
from solver.policy import Policy
from solver.solver import Solver

REPEATS = 7


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
    micro_batch_tokens: int = 16384


SHAPES = (
    Shape("1 M parameters, 64 x 8 responses of 38 tokens", 128, 5, 128, 64, 8, 30, 8),
    Shape("25 M parameters, 4 x 2 responses of 512 tokens", 512, 6, 4096, 4, 2, 256, 256, 2048),
)


def measure() -> Measurement:
    """Medians of paired ratios over both objectives and shapes."""
    torch.set_num_threads(1)
    rows: list[dict[str, str | float]] = []
    for shape in SHAPES:
        with tempfile.TemporaryDirectory() as scratch:
            model = _write_model(Path(scratch) / "model", shape)
            for objective, bare in (("rloo", _bare_rloo), ("dpo", _bare_dpo)):
                rows.append(_compare(shape, model, objective, bare))
    return Measurement(
        title="Learning stage against a bare loop",
        question="What does learning through TRL, on recorded responses, cost on one CPU core?",
        rows=rows,
        notes="One optimiser step; 'ratio' is the median of paired ratios, with its range.",
    )


def _compare(
    shape: Shape, model: Path, objective: str, bare: Callable[..., None]
) -> dict[str, str | float]:
    solver, other = _solver(shape, model, objective), _solver(shape, model, objective)
    groups = _groups(shape, solver)
    stage_s: list[float] = []
    bare_s: list[float] = []
    for repeat in range(REPEATS + 1):
        current = [_at_version(group, solver.version) for group in groups]
        stage_s.append(_timed(lambda: solver.learn(current, Seed(repeat))))  # noqa: B023
        bare_s.append(_timed(lambda: bare(other.policy, groups, shape.micro_batch_tokens)))
    # The first round warms both up.
    ratios = [a / b for a, b in zip(stage_s[1:], bare_s[1:], strict=True)]
    return {
        "shape": shape.title,
        "objective": objective,
        "stage (s)": round(statistics.median(stage_s[1:]), 3),
        "bare loop (s)": round(statistics.median(bare_s[1:]), 3),
        "ratio": round(statistics.median(ratios), 3),
        "lowest": round(min(ratios), 3),
        "highest": round(max(ratios), 3),
    }


def _timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _bare_rloo(policy: Policy, groups: Sequence[Group], max_tokens: int) -> None:
    advantages = rloo_advantages(np.stack([group.rewards for group in groups])).ravel()
    old = [float(r.logprobs.sum()) for g in groups for r in g.responses if r.logprobs is not None]
    sequences = _sequences(policy, groups)
    for chunk in _chunks([len(p) + len(r) for p, r in sequences], max_tokens):
        logps_B = _logps(policy.module, [sequences[i] for i in chunk])
        ratio_B = torch.exp(logps_B - torch.tensor([old[i] for i in chunk]))
        weight_B = torch.tensor([advantages[i] for i in chunk], dtype=torch.float32)
        loss_B = -torch.min(ratio_B * weight_B, ratio_B.clamp(0.8, 1.2) * weight_B)
        (loss_B.sum() / len(sequences)).backward()
    _step(policy)


def _bare_dpo(policy: Policy, groups: Sequence[Group], max_tokens: int) -> None:
    pairs = max_min_pairs(groups).pairs
    prompts = policy.model.prompt_ids([pair.prompt.messages for pair in pairs])
    both = [
        ((ids, pair.chosen.token_ids), (ids, pair.rejected.token_ids))
        for ids, pair in zip(prompts, pairs, strict=True)
    ]
    lengths = [2 * max(len(p) + len(r) for p, r in pair) for pair in both]
    for chunk in _chunks(lengths, max_tokens):
        sequences = [both[i][side] for side in (0, 1) for i in chunk]
        with torch.no_grad():
            reference_B = _logps(policy.module, sequences)
        chosen_B, rejected_B = (_logps(policy.module, sequences) - reference_B).chunk(2)
        (-logsigmoid(0.1 * (chosen_B - rejected_B)).sum() / len(pairs)).backward()
    _step(policy)


def _step(policy: Policy) -> None:
    torch.nn.utils.clip_grad_norm_(policy.module.parameters(), 1.0)
    policy.optimizer.step()
    policy.optimizer.zero_grad(set_to_none=True)


def _logps(module: Any, sequences: Sequence[tuple[Any, Any]]) -> torch.Tensor:
    """Shape (B,): log-probability of each response, right-padded, plain logits."""
    longest = max(len(p) + len(r) for p, r in sequences)
    first = min(len(p) for p, _ in sequences)
    ids_BL = torch.zeros(len(sequences), longest, dtype=torch.long)
    mask_BL = torch.zeros(len(sequences), longest, dtype=torch.bool)
    for b, (prompt, response) in enumerate(sequences):
        ids_BL[b, : len(prompt)] = torch.tensor(prompt)
        ids_BL[b, len(prompt) : len(prompt) + len(response)] = torch.from_numpy(response)
        mask_BL[b, len(prompt) : len(prompt) + len(response)] = True
    logits = module(
        input_ids=ids_BL[:, :-1], use_cache=False, logits_to_keep=longest - first
    ).logits
    logps = torch.log_softmax(logits, -1).gather(-1, ids_BL[:, first:, None])[..., 0]
    return (logps * mask_BL[:, first:]).sum(1)


def _chunks(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    size = max(1, max_tokens // max(lengths))
    return [order[start : start + size] for start in range(0, len(order), size)]


def _sequences(policy: Policy, groups: Sequence[Group]) -> list[tuple[list[int], Any]]:
    prompts = policy.model.prompt_ids([group.prompt.messages for group in groups])
    return [
        (ids, response.token_ids)
        for ids, group in zip(prompts, groups, strict=True)
        for response in group.responses
    ]


def _solver(shape: Shape, model: Path, objective: str) -> Solver:
    options = RlooOptions(beta=0.0) if objective == "rloo" else DpoOptions()
    config = SolverConfig(
        sampling=Sampling(n=shape.responses, max_new_tokens=shape.response_tokens),
        objective=Choice(objective, OBJECTIVES[objective].factory, options),
        micro_batch_tokens=shape.micro_batch_tokens,
    )
    return Solver(
        config, Policy.load(PolicyConfig(path=str(model), device="cpu", threads=1), config)
    )


def _groups(shape: Shape, solver: Solver) -> list[Group]:
    """Groups of random words with random tokens, recorded log-probabilities and rewards."""
    draw = np.random.default_rng(0)
    prompts, responses = [], []
    for _ in range(shape.prompts):
        length = int(shape.prompt_tokens * draw.uniform(0.8, 1.2))
        prompts.append(Prompt(user(" ".join(f"w{i}" for i in draw.integers(8, 100, size=length)))))
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


def _at_version(group: Group, version: int) -> Group:
    """The same group, as if the current policy had sampled it, so that nothing is scored anew."""
    return replace(group, policy_version=version)


def _write_model(directory: Path, shape: Shape) -> Path:
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
    LlamaForCausalLM(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory
