"""Generation speed: `TransformersModel` against transformers' own `generate`, same requests.

Both answer the same chats with 8 samples each and return decoded texts; both tokenise, and
ours also returns log-probabilities. The runs alternate inside one process and each pair gives one
ratio. Weights are random. Without a stop token every row has the full length, so token counts are
equal; with stops, rows end when they draw one of 16 tokens, and rates count what precedes it.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from benchmarks.runner import Measurement
from selfplay.core.models.pretrained import Pretrained
from selfplay.core.models.transformers_model import TransformersModel
from selfplay.core.seeding import Seed
from selfplay.core.types import Chat, Sampling, user

_SAMPLES, _REPEATS = 8, 5
_PROMPTS = {"1 M": 64, "25 M": 16}
_VOCABULARY = 128
_STOPS = list(range(112, 128))
_SIZES = {"1 M": (128, 5), "25 M": (512, 8)}
"""Parameters: (hidden size, layers)."""


@dataclass(frozen=True)
class Case:
    """One set of requests."""

    size: str
    new_tokens: int
    stops: tuple[int, ...]


def measure() -> Measurement:
    """Medians, with the lowest and highest of the paired ratios."""
    cases = [Case("1 M", 4, ()), Case("1 M", 16, ()), Case("1 M", 16, tuple(_STOPS))]
    cases += [Case("25 M", 8, ()), Case("25 M", 16, tuple(_STOPS))]
    return Measurement(
        title="Generation in process",
        question="How fast are n samples per prompt, compared with transformers' `generate`?",
        rows=[_row(case) for case in cases],
        notes=(
            f"Prompts of 20 to 40 tokens, {_SAMPLES} samples each, temperature 1, "
            f"float32, {torch.get_num_threads()} thread(s), {_REPEATS} alternating pairs after "
            "one warm-up. Tokenising and decoding are included on both sides."
        ),
    )


def _row(case: Case) -> dict[str, str | float]:
    pretrained = _random_model(case)
    model, chats = TransformersModel(pretrained), _chats(_PROMPTS[case.size])
    sampling = Sampling(n=_SAMPLES, max_new_tokens=case.new_tokens)
    ours: list[float] = []
    theirs: list[float] = []
    for repeat in range(_REPEATS + 1):
        ours.append(_rate(_ours, model, chats, sampling, Seed(repeat)))
        theirs.append(_rate(_theirs, pretrained, model, chats, sampling, case.stops))
    # The first pair warms up allocators and caches.
    ours, theirs = ours[1:], theirs[1:]
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return {
        "parameters": case.size,
        "prompts": len(chats),
        "new tokens": case.new_tokens,
        "stops": "early" if case.stops else "none",
        "selfplay (tokens/s)": round(statistics.median(ours)),
        "transformers (tokens/s)": round(statistics.median(theirs)),
        "ratio, median": round(statistics.median(ratios), 2),
        "ratio, min to max": f"{min(ratios):.2f} to {max(ratios):.2f}",
    }


def _rate(run: Callable[..., int], *arguments: Any) -> float:
    """Tokens per second of one run that returns its token count."""
    started = time.perf_counter()
    count = run(*arguments)
    return count / (time.perf_counter() - started)


def _ours(model: TransformersModel, chats: Sequence[Chat], sampling: Sampling, seed: Seed) -> int:
    groups = model.generate(chats, sampling, seed)
    return sum(response.length for group in groups for response in group)


def _theirs(
    pretrained: Pretrained,
    model: TransformersModel,
    chats: Sequence[Chat],
    sampling: Sampling,
    stops: tuple[int, ...],
) -> int:
    tokenizer = pretrained.tokenizer
    inputs = tokenizer.pad({"input_ids": model.prompt_ids(chats)}, return_tensors="pt")
    with torch.inference_mode():
        output = pretrained.module.generate(
            **inputs,
            do_sample=True,
            top_k=0,
            top_p=1.0,
            num_return_sequences=sampling.n,
            max_new_tokens=sampling.max_new_tokens,
            eos_token_id=list(stops) or None,
            pad_token_id=tokenizer.pad_token_id,
        )
    answers = output[:, inputs["input_ids"].shape[1] :]
    tokenizer.batch_decode(answers, skip_special_tokens=True)
    is_stop = torch.isin(answers, torch.tensor(stops, dtype=torch.long))
    return int((is_stop.cumsum(1) - is_stop.long() == 0).sum())


def _random_model(case: Case) -> Pretrained:
    """A random Llama whose stop tokens are the case's, and a byte-like tokenizer."""
    hidden, layers = _SIZES[case.size]
    config = LlamaConfig(
        vocab_size=_VOCABULARY,
        hidden_size=hidden,
        intermediate_size=hidden * 8 // 3,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 32,
        num_key_value_heads=hidden // 32,
        max_position_embeddings=256,
        bos_token_id=None,
        pad_token_id=0,
        eos_token_id=list(case.stops) or None,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module: Any = LlamaForCausalLM(config).eval()
    return Pretrained(module, _tokenizer(), f"random {case.size}", context=256)


def _tokenizer() -> Any:
    """Characters as tokens; its end-of-sequence token lies outside what the models can draw."""
    characters = [chr(code) for code in range(32, 127)]
    vocabulary = {token: index for index, token in enumerate(["<pad>", *characters])}
    vocabulary["<eos>"] = _VOCABULARY
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    backend.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token="<eos>", padding_side="left"
    )
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    return tokenizer


def _chats(count: int) -> list[Chat]:
    draw = random.Random(0)
    lengths = [draw.randint(20, 40) for _ in range(count)]
    return [user("".join(chr(draw.randint(97, 122)) for _ in range(n))) for n in lengths]
