"""Makes the policy of the embedded game: `python -m selfplay.tiny.make --out DIR`.

1. *Clean* pretraining on right answers, easy levels first and foremost, forms the skills.
2. *Noisy* pretraining on answers with mistakes makes the policy unsure, as a real one is.
3. The ceiling: a copy of the policy, trained on right answers over the whole range, shows what the
   same weights can hold; it is measured and thrown away.

The weights are stored in float16 beside `quality.json`, which records what was measured.
`--check` compares a directory with its record. Budgets are in steps, so a run does not depend on
the machine's speed; its last digits depend on the CPU's kernels all the same. Left out: any
learning by reinforcement, which is the game's business.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers import GenerationConfig, Qwen3Config, Qwen3ForCausalLM

from selfplay.core.gym import gym_score
from selfplay.core.models.pretrained import Pretrained, load_pretrained, save_pretrained
from selfplay.core.models.transformers_model import TransformersModel
from selfplay.core.seeding import Seed
from selfplay.core.types import Prompt, Sampling
from selfplay.data.puzzles import PuzzleOptions, puzzle_prompts
from selfplay.tiny.solutions import Mixture, examples
from selfplay.tiny.spaces import MAX_NEW_TOKENS, TINY_SPACES
from selfplay.tiny.tokenizer import build_tokenizer

SEED = 0
HELD_OUT = PuzzleOptions(count=512, seed=0)
"""The held-out set of `configs/tiny.yaml`; pretraining never sees its questions."""
TEMPERATURES = (0.0, 0.5, 1.0)
TOLERANCE = 0.02
"""How far an accuracy may lie from its record: kernels differ between CPUs."""
CONTEXT = 512
IGNORED = -100
"""The label of tokens that carry no loss."""


@dataclass(frozen=True)
class Stage:
    """One stage of supervised training."""

    name: str
    steps: int
    mixture: Mixture
    learning_rate: float
    batch: int = 32
    constant: float = 0.5
    """Share of the steps before the learning rate falls linearly to a twentieth."""


_SHARES = {"spell_backward": 1.0, "chain_sum": 2.2, "rotate_matrix": 1.2}
CLEAN = Stage("clean", 6000, Mixture(_SHARES, decay=1.8), 2e-3)
NOISY = Stage("noisy", 500, Mixture(_SHARES, decay=1.0, noise=(0.4, 0.95), habit=(0.3, 0.9)), 1e-3)
CEILING = Stage("ceiling", 1500, Mixture(_SHARES, decay=0.0), 1e-3)


def build_model(vocabulary: int) -> Qwen3ForCausalLM:
    """Build a random Qwen3 of about 0.7 million parameters, its embeddings tied."""
    torch.manual_seed(SEED)
    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=128,
        intermediate_size=416,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=32,
        max_position_embeddings=CONTEXT,
        rope_parameters={"rope_type": "default", "rope_theta": 100.0},
        tie_word_embeddings=True,
        initializer_range=0.05,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=4,
    )
    return Qwen3ForCausalLM(config)


def train(policy: Pretrained, stage: Stage, held_out: Sequence[Prompt]) -> None:
    """Train `policy` in place for one stage, printing progress."""
    module = policy.module.train()
    optimiser = torch.optim.AdamW(module.parameters(), betas=(0.9, 0.98), weight_decay=0.01)
    known = {prompt.messages[0].content for prompt in held_out}
    start, losses = perf_counter(), 0.0
    for step, (ids_BL, labels_BL) in enumerate(_batches(policy, stage, known), start=1):
        for group in optimiser.param_groups:
            group["lr"] = _learning_rate(stage, step)
        optimiser.zero_grad(set_to_none=True)
        loss: Tensor = module(input_ids=ids_BL, labels=labels_BL).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimiser.step()
        losses += loss.item()
        if step % 250 == 0:
            seconds = perf_counter() - start
            print(f"{stage.name} {step}/{stage.steps}: loss {losses / 250:.3f}, {seconds:.0f} s")
            sys.stdout.flush()
            losses = 0.0
    module.eval()


def _learning_rate(stage: Stage, step: int) -> float:
    """Warm up over 100 steps, stay, then fall linearly to a twentieth."""
    left = (1 - step / stage.steps) / (1 - stage.constant)
    return stage.learning_rate * min(1.0, step / 100) * max(0.05, min(1.0, left))


def _batches(policy: Pretrained, stage: Stage, known: set[str]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield `stage.steps` batches, each of examples of similar length, in random order."""
    stream = examples(TINY_SPACES, stage.mixture, SEED, known)
    pool = 20
    for first in range(0, stage.steps, pool):
        rows = [_row(policy, *next(stream)) for _ in range(pool * stage.batch)]
        rows.sort(key=lambda row: len(row[0]))
        order = torch.randperm(pool, generator=torch.Generator().manual_seed(first)).tolist()
        for place in order[: stage.steps - first]:
            yield _padded(rows[place * stage.batch : (place + 1) * stage.batch])


def _row(policy: Pretrained, question: str, answer: str) -> tuple[list[int], list[int]]:
    """Token ids of the chat with its answer, and the labels: the answer with its end token."""
    tokenizer = policy.tokenizer
    prompt = tokenizer.encode(f"<|user|>{question}<|assistant|>", add_special_tokens=False)
    reply = tokenizer.encode(f"{answer}<|end|>", add_special_tokens=False)
    return prompt + reply, [IGNORED] * len(prompt) + reply


def _padded(rows: Sequence[tuple[list[int], list[int]]]) -> tuple[Tensor, Tensor]:
    """Ids and labels of shape (B, L), padded on the right, where causal attention needs no mask."""
    width = max(len(ids) for ids, _ in rows)
    ids_BL = torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in rows])
    labels_BL = torch.tensor([labels + [IGNORED] * (width - len(labels)) for _, labels in rows])
    return ids_BL, labels_BL


def accuracy(policy: Pretrained, prompts: Sequence[Prompt], temperature: float) -> dict[str, float]:
    """Share of right answers, by generator and over `all`; four samples unless greedy."""
    n = 4 if temperature else 1
    sampling = Sampling(n=n, temperature=temperature, max_new_tokens=MAX_NEW_TOKENS)
    model = TransformersModel(policy)
    answered = model.generate([prompt.messages for prompt in prompts], sampling, Seed(SEED))
    right: dict[str, list[float]] = {"all": []}
    for prompt, responses in zip(prompts, answered, strict=True):
        assert prompt.puzzle is not None
        puzzle = prompt.puzzle
        for response in responses:
            score = gym_score(
                puzzle.generator, dict(puzzle.attributes), puzzle.index, response.text
            )
            for key in ("all", puzzle.generator):
                right.setdefault(key, []).append(float(score == 1.0))
    return {key: round(sum(scores) / len(scores), 4) for key, scores in right.items()}


def measured(policy: Pretrained, prompts: Sequence[Prompt]) -> dict[str, dict[str, float]]:
    """Accuracies by temperature, `greedy` for 0."""
    return {
        "greedy" if temperature == 0 else f"temperature {temperature}": accuracy(
            policy, prompts, temperature
        )
        for temperature in TEMPERATURES
    }


def make(out: Path) -> dict[str, Any]:
    """Pretrain, measure and write the policy; return what `quality.json` holds."""
    start = perf_counter()
    prompts = held_out_prompts()
    tokenizer = build_tokenizer()
    policy = Pretrained(build_model(len(tokenizer)), tokenizer, "tiny", CONTEXT)
    for stage in (CLEAN, NOISY):
        train(policy, stage, prompts)
    save(policy, out)
    stored = load_pretrained(str(out), device="cpu")
    quality = {"start": measured(stored, prompts)}
    print(json.dumps(quality["start"], indent=1))
    train(stored, CEILING, prompts)
    quality["ceiling"] = measured(stored, prompts)
    record = {
        "parameters": sum(weight.numel() for weight in policy.module.parameters()),
        **quality,
        "held_out": asdict(HELD_OUT),
        "spaces": {space.generator: dict(space.levels) for space in TINY_SPACES},
        "stages": [asdict(stage) for stage in (CLEAN, NOISY, CEILING)],
        "seed": SEED,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "sha256": weights_hash(out),
        "minutes": round((perf_counter() - start) / 60, 1),
    }
    (out / "quality.json").write_text(json.dumps(record, indent=1) + "\n")
    return record


def held_out_prompts() -> list[Prompt]:
    """The held-out set: every level, the same items in every run of the tiny configuration."""
    spaces = {space.generator: space for space in TINY_SPACES}
    return puzzle_prompts(HELD_OUT, spaces, Seed(SEED))


def save(policy: Pretrained, out: Path) -> None:
    """Write the policy in float16, the Hugging Face layout and its sampling defaults."""
    module = copy.deepcopy(policy.module).half()
    module.generation_config = GenerationConfig(
        do_sample=True,
        temperature=1.0,
        max_new_tokens=MAX_NEW_TOKENS,
        pad_token_id=policy.tokenizer.pad_token_id,
        eos_token_id=policy.tokenizer.eos_token_id,
    )
    save_pretrained(Pretrained(module, policy.tokenizer, policy.name, policy.context), out)


def weights_hash(directory: Path) -> str:
    """SHA-256 of the stored weights, in hexadecimal."""
    return hashlib.sha256((directory / "model.safetensors").read_bytes()).hexdigest()


def check(directory: Path) -> list[str]:
    """What differs between a policy's directory and its `quality.json`; empty when nothing does."""
    record = json.loads((directory / "quality.json").read_text())
    faults = []
    if weights_hash(directory) != record["sha256"]:
        faults.append("the weights are not the ones that were measured (sha256 differs)")
    found = measured(load_pretrained(str(directory), device="cpu"), held_out_prompts())
    for name, expected in record["start"].items():
        if abs(found[name]["all"] - expected["all"]) > TOLERANCE:
            faults.append(f"{name}: expected {expected['all']}, found {found[name]['all']}")
    return faults


def main(arguments: Sequence[str] | None = None) -> int:
    """Make or check a policy; return the exit status."""
    parser = argparse.ArgumentParser(prog="selfplay.tiny.make", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "policy")
    parser.add_argument("--check", action="store_true", help="compare OUT with its quality.json")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if options.check:
        faults = check(options.out)
        print("\n".join(faults) or f"{options.out.name}: as recorded")
        return 1 if faults else 0
    print(json.dumps(make(options.out), indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
