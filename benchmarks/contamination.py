"""Does the contamination gate find a benchmark's prompts said again, and let others pass?

Prompts beside paraphrases of them, the same with other numbers, other questions on the same
subject, and unrelated ones; each asked about against its own tested prompt alone, and where
`shared/data/gsm8k` is beside the project GSM8K's training questions against its test questions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from benchmarks.runner import HERE, Cell, Measurement
from creator.gating.contamination import CLOSE, Contamination
from creator.tables.gates import ContaminationOptions
from selfplay.core.embedding import Embedder
from selfplay.core.types import Prompt, user

CASES = HERE / "cases" / "contamination.jsonl"
GSM8K = HERE.parents[1] / "shared" / "data" / "gsm8k"
KINDS = ("paraphrase", "number swap", "same subject", "unrelated")
TRAINED, TESTED = 100, 200
"""GSM8K's questions that are asked about, and those that they are held against."""


class World:
    """What the gate asks for."""

    def __init__(self, tested: Sequence[str], embedder: Embedder) -> None:
        self.embedder = embedder
        self.heldout = frozenset(tested)

    read_texts: Callable[[str], list[str]] = staticmethod(lambda path: [])


def measure() -> Measurement:
    """A row for each kind of prompt."""
    rows = [json.loads(row) for row in CASES.read_text(encoding="utf-8").splitlines()]
    embedder = Embedder(device="cpu")
    found = [row_of(kind, [r for r in rows if r["kind"] == kind], embedder) for kind in KINDS]
    if GSM8K.is_dir():
        found.append(real_row(embedder))
    return Measurement(
        title="The contamination gate on prompts said again",
        question="How many copies of a tested prompt are found, and how many others turned down?",
        rows=found,
        notes=(
            "By n-grams alone (`cosine: 0`), and at the default, which compares packaged MiniLM's "
            f"embeddings as well (cosine {CLOSE}). The sets are the project's own. Paraphrases and "
            "number swaps are to be found; other questions are not."
        ),
    )


def row_of(kind: str, rows: Sequence[dict[str, str]], embedder: Embedder) -> dict[str, Cell]:
    """What is found of one kind."""
    return {
        "asked": kind,
        "is a copy": "yes" if rows[0]["copies"] else "no",
        "n": len(rows),
        "found by n-grams": sum(is_found(r["asked"], [r["tested"]], 0.0, embedder) for r in rows),
        "found at the default": sum(
            is_found(r["asked"], [r["tested"]], None, embedder) for r in rows
        ),
    }


def real_row(embedder: Embedder) -> dict[str, Cell]:
    """GSM8K's training questions beside its test questions."""
    tested, trained = (
        [json.loads(row)["question"] for row in (GSM8K / name).read_text("utf-8").splitlines()]
        for name in ("test.jsonl", "train.jsonl")
    )
    counts = [
        sum(map(bool, reasons(trained[:TRAINED], tested[:TESTED], cosine, embedder)))
        for cosine in (0.0, None)
    ]
    return {
        "asked": f"GSM8K's training questions, of {TESTED} test questions",
        "is a copy": "no",
        "n": TRAINED,
        "found by n-grams": counts[0],
        "found at the default": counts[1],
    }


def is_found(asked: str, tested: Sequence[str], cosine: float | None, embedder: Embedder) -> bool:
    """Whether the gate turns a prompt down."""
    return bool(reasons([asked], tested, cosine, embedder)[0])


def reasons(
    asked: Sequence[str], tested: Sequence[str], cosine: float | None, embedder: Embedder
) -> list[str]:
    """What the gate says of prompts."""
    gate = Contamination(ContaminationOptions(cosine=cosine), World(tested, embedder))
    return gate.reasons([Prompt(user(text)) for text in asked])
