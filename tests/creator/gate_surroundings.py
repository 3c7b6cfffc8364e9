"""What the gates' tests share: an archive in memory, surroundings, and edits of real questions."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from creator.gates.words import figures
from selfplay.core.types import Group, Lineage, Prompt, Puzzle, Response, user

GSM8K = Path(__file__).parents[3] / "shared" / "data" / "gsm8k"
needs_gsm8k = pytest.mark.skipif(
    not GSM8K.is_dir(), reason="needs the GSM8K files in ../shared/data, which are not shipped"
)


class Pool:
    """An archive that lives in memory and counts what was asked of it."""

    def __init__(self, prompts: Iterable[Prompt] = ()) -> None:
        self.held = list(prompts)
        self.fetched = 0

    def ids(self, start: int) -> Iterable[str]:
        return (prompt.id for prompt in self.held[start:])

    def prompts(self, ids: Sequence[str]) -> list[Prompt]:
        self.fetched += len(ids)
        by_id = {prompt.id: prompt for prompt in self.held}
        return [by_id[prompt_id] for prompt_id in ids]


class Directions:
    """Embeds a text that is a list of numbers as that direction; counts the texts it embedded."""

    name = "directions"
    installed = True

    def __init__(self) -> None:
        self.embedded = 0

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.embedded += len(texts)
        rows = [[float(number) for number in re.findall(r"-?[\d.]+", text)][:3] for text in texts]
        vectors: NDArray[np.float32] = np.array(rows, np.float32).reshape(-1, 3)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors


def unasked(prompts: Sequence[Prompt], n: int) -> list[Group]:
    raise AssertionError("this gate was not to ask")


@dataclass
class World:
    """Everything a gate may ask for."""

    archive: Pool = field(default_factory=Pool)
    directory: Path | None = None
    embedder: Directions = field(default_factory=Directions)
    read_texts: Callable[[str], list[str]] = lambda path: []
    probe: Callable[[Sequence[Prompt], int], list[Group]] = unasked
    heldout: frozenset[str] = frozenset()
    final_answer: Callable[[str], str | None] = lambda text: text.strip() or None
    known: Callable[[Sequence[str]], set[str]] = lambda ids: set()
    max_tokens: int = 1000
    lengths: Callable[[Sequence[Prompt]], list[int]] = lambda prompts: [1] * len(prompts)


def child_of(parents: Sequence[Prompt], text: str) -> Prompt:
    return Prompt(user(text), lineage=Lineage(parents=tuple(parent.id for parent in parents)))


def puzzle(text: str) -> Prompt:
    return Prompt(user(text), puzzle=Puzzle("spell_backward", (("length", 4),), 0))


def answered(prompt: Prompt, texts: Sequence[str]) -> Group:
    responses = tuple(Response(t, np.zeros(1, np.int32), None, "stop") for t in texts)
    return Group(prompt, responses, "estimate", 0)


def rows_of(name: str) -> list[dict[str, Any]]:
    lines = (GSM8K / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def questions(name: str) -> list[str]:
    return [str(row["question"]) for row in rows_of(name)]


def with_words_swapped(text: str, share: float, vocabulary: Sequence[str], seed: int) -> str:
    """The text with that share of its words replaced, its figures as they are."""
    rng = random.Random(seed)
    tokens = text.split(" ")
    plain = [i for i, token in enumerate(tokens) if token.isalpha() and not figures(token)]
    for i in rng.sample(plain, min(len(plain), max(1, round(share * len(tokens))))):
        tokens[i] = rng.choice([word for word in rng.sample(vocabulary, 9) if word != tokens[i]])
    return " ".join(tokens)


def with_numbers_changed(text: str, seed: int) -> str:
    rng = random.Random(seed)
    return re.sub(r"\d+", lambda match: str(int(match[0]) + rng.randint(1, 9)), text)


def vocabulary_of(texts: Iterable[str]) -> list[str]:
    words = (word for text in texts for word in text.split())
    return [word for word in words if word.isalpha() and not figures(word)]
