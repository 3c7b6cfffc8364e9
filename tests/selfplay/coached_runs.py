"""A model that can write prompts, small enough to be made in seconds, and a judge to please."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from creator.operators.in_depth import DEEPEN
from creator.operators.instruction import CLOSING, OPENING
from selfplay.build import open_game
from selfplay.config import Loaded, load_config
from selfplay.config.settings import RunConfig
from selfplay.core.components import NoOptions
from selfplay.core.types import Group, Prompt, Verdict, user
from selfplay.loop import play

SPECIAL = ("<pad>", "<eos>", "<unk>", "<reply>")
WORDS = (
    *("ants", "bees", "cats", "dogs", "elks", "foxes", "geese", "hens", "ibexes", "jays", "kites"),
    *("larks", "moles", "newts", "otters", "pikes", "quails", "rats", "seals", "toads", "urchins"),
    *("voles", "wasps", "yaks"),
)
FAVOURED = frozenset(WORDS[:4])
TEMPLATE = "{% for m in messages %}{{ m['content'] }} {% endfor %}{{ '<reply>' }}"
LENGTH = 3
"""Words of a prompt."""


class Favours:
    """A judge under which responses differ where the prompt holds a favoured word, and only there.

    So such a prompt's gap is 1, and any other's 0.
    """

    name = "favours"
    scale = (0.0, 1.0)

    def __init__(self, options: NoOptions, rubric: object = None) -> None:
        pass

    def judge(self, groups: Sequence[Group], repeat: int = 0) -> list[tuple[Verdict, ...]]:
        return [
            tuple(
                Verdict(float(i % 2) if FAVOURED & set(group.prompt.text.split()) else 0.0)
                for i in range(len(group.responses))
            )
            for group in groups
        ]


def make_writer(directory: Path) -> Path:
    """A two-layer Llama, trained to answer a request with three random words between markers."""
    vocabulary = {token: i for i, token in enumerate((*SPECIAL, OPENING, CLOSING, *WORDS))}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    )
    tokenizer.chat_template = TEMPLATE
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=1,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = LlamaForCausalLM(config)
        teach(model, tokenizer)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def teach(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, steps: int = 100) -> None:
    """Requests with well-formed replies, in the form that the game uses."""
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(steps):
        drawn = torch.randint(len(WORDS), (8, 2 * LENGTH), generator=generator).tolist()
        texts = [
            f"{tokenizer.apply_chat_template(request(row[:LENGTH]), tokenize=False)} {OPENING} "
            f"{said(row[LENGTH:])} {CLOSING} <eos>"
            for row in drawn
        ]
        ids = torch.tensor([tokenizer(text, add_special_tokens=False).input_ids for text in texts])
        labels = ids.clone()
        labels[:, : -(LENGTH + 3)] = -100
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def request(words: Sequence[int]) -> list[dict[str, str]]:
    chat = DEEPEN.request([Prompt(user(said(words)))])
    return [{"role": message.role, "content": message.content} for message in chat]


def said(words: Sequence[int]) -> str:
    return " ".join(WORDS[word] for word in words)


def coached(writer: Path, directory: Path, *overrides: str) -> Loaded[RunConfig]:
    """A game on prompts of three words, whose children the writer (or a copy of it) writes."""
    prompts = directory / "prompts.jsonl"
    rows = [{"prompt": said([i, (i + 5) % 24, (i + 11) % 24])} for i in range(4, 16)]
    prompts.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    shared = (
        f"prompts={prompts}",
        f"model.path={writer}",
        "model.device=cpu",
        "model.threads=1",
        "rounds=3",
        "chunk=64",
        "creator.batch=16",
        "creator.parents=0.25",
        "creator.evolved=1.0",
        "creator.attempts=1",
        "creator.estimator=uniform",
        "creator.operators=[{name: deepen, max_new_tokens: 8}]",
        "creator.training.enabled=true",
        "solver.sampling.n=2",
        "solver.sampling.max_new_tokens=2",
        "solver.learning_rate=1e-3",
        "coaching.learning_rate=1e-3",
        "meta.judge=tests.selfplay.coached_runs:Favours",
        "evaluation.source.share=0",
        "save.every=1",
    )
    return load_config("own", [*shared, *overrides])


def own(writer: Path) -> str:
    """The override that gives the rewriter a network of its own."""
    return f"creator.rewriter={{name: transformers, path: '{writer}', device: cpu}}"


def play_through(loaded: Loaded[RunConfig], directory: Path) -> str:
    """The run's digest."""
    with open_game(loaded, directory) as game:
        for _ in play(game):
            pass
        return game.ledger.digest()
