"""Does the contamination gate find a benchmark's prompts said again, and let others pass?

Paraphrases of tested prompts, the same with other numbers, other questions on the same subjects,
and GSM8K's training questions where `shared/data/gsm8k` is beside the project.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.runner import HERE, Cell, Measurement
from creator.gates.contamination import CLOSE, Contamination
from creator.gates.table import ContaminationOptions
from selfplay.core.embedding import Embedder
from selfplay.core.types import Prompt, user

CASES = HERE / "cases" / "contamination.jsonl"
GSM8K = HERE.parents[1] / "shared" / "data" / "gsm8k" / "train.jsonl"
KINDS = ("paraphrase", "number swap", "same subject")
TRAINED = 100
"""GSM8K's training questions that are asked about."""


@dataclass
class World:
    """What the gate asks for."""

    heldout: frozenset[str]
    embedder: Embedder

    def read_texts(self, path: str) -> list[str]:
        """No file is named."""
        return []


def measure() -> Measurement:
    """A row for each kind of prompt."""
    cases = [json.loads(row) for row in CASES.read_text(encoding="utf-8").splitlines()]
    asked = {kind: [row["asked"] for row in cases if row["kind"] == kind] for kind in KINDS}
    if GSM8K.is_file():
        rows = GSM8K.read_text(encoding="utf-8").splitlines()[:TRAINED]
        asked["GSM8K's questions"] = [json.loads(row)["question"] for row in rows]
    world = World(frozenset(row["tested"] for row in cases), Embedder(device="cpu"))
    gates = {
        "found by n-grams": Contamination(ContaminationOptions(cosine=0.0), world),
        "found at the default": Contamination(ContaminationOptions(), world),
    }
    return Measurement(
        title="The contamination gate on prompts said again",
        question="How many copies of tested prompts are found, and how many others turned down?",
        rows=[row_of(kind, texts, gates) for kind, texts in asked.items()],
        notes=(
            f"{len(world.heldout)} tested prompts. By n-grams alone (`cosine: 0`), and at the "
            "default, which compares the packaged MiniLM's embeddings as well (cosine "
            f"{CLOSE}). Paraphrases and number swaps are to be found; other questions are not. "
            "The prompts are the project's own, GSM8K's aside."
        ),
    )


def row_of(kind: str, texts: Sequence[str], gates: dict[str, Contamination]) -> dict[str, Cell]:
    """What is found of one kind."""
    prompts = [Prompt(user(text)) for text in texts]
    found: dict[str, Cell] = {
        name: sum(map(bool, gate.reasons(prompts))) for name, gate in gates.items()
    }
    return {
        "asked": kind,
        "to be found": "yes" if kind in ("paraphrase", "number swap") else "no",
        "n": len(texts),
        **found,
    }
