"""How often does the verifier take a wrong answer for right, and a right one for wrong?

A table of pairs of gold answers and responses, written by hand: numbers, choices, units, dates,
lists, expressions, texts, in English, Chinese and other languages. Beside the verifier stands
math-verify alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import yaml

from benchmarks.runner import HERE, Cell, Measurement
from benchmarks.verifier_agreement import Says, verdict_of
from meta.judges.table import VerifierOptions
from selfplay.core.types import Prompt, user

TABLE = HERE / "verifier_pairs.yaml"


@dataclass(frozen=True)
class Pair:
    """A response to a prompt with a gold answer, and whether it is right."""

    part: str
    """`open`, or `blind …` for what was written before anything was run on it."""
    kind: str
    prompt: Prompt
    text: str
    right: bool


def measure() -> Measurement:
    """A row for each judge and part of the table, then one for each kind of gold answer."""
    pairs = table()
    judges = {
        "verifier": once(verdict_of(VerifierOptions())),
        "math-verify alone": once(math_verify_alone),
    }
    names = dict.fromkeys(pair.part for pair in pairs)
    parts = {part: [p for p in pairs if p.part == part] for part in names}
    groups = {"all": pairs} | parts
    rows = [
        row(name, who, some, says) for who, says in judges.items() for name, some in groups.items()
    ]
    for kind in dict.fromkeys(pair.kind for pair in pairs):
        some = [pair for pair in pairs if pair.kind == kind]
        rows += [row(kind, who, some, says) for who, says in judges.items()]
    return Measurement(
        title="The verifier on right and wrong answers of every kind",
        question=(
            "Of answers that are known to be wrong, how many does the verifier call right, and of "
            "those known to be right, how many wrong?"
        ),
        rows=rows,
        notes=(
            f"{len(pairs):,} pairs of `benchmarks/verifier_pairs.yaml`. They were written for this "
            "project, by the rules that it was then mended to keep, and show the kinds of answers, "
            "not how frequent they are. Each blind part was written before anything was run on "
            "it, and mended against afterwards. math-verify alone parses the gold answer in a box "
            "and the whole response, both with its defaults, and has no kind for choices, texts "
            "and dates. Missing counts as neither."
        ),
    )


@lru_cache(maxsize=1)
def table() -> tuple[Pair, ...]:
    """Every pair of the table."""
    content = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return tuple(
        Pair(
            part,
            entry["kind"],
            Prompt(user(entry.get("prompt", "?")), answer=entry["gold"]),
            text,
            right,
        )
        for part, entries in content.items()
        for entry in entries
        for name, right in (("right", True), ("wrong", False))
        for text in entry.get(name, ())
    )


def once(says: Says) -> Says:
    """A judge that remembers: every pair stands in three rows."""
    known: dict[tuple[str, str], float | None] = {}

    def remembered(prompt: Prompt, text: str) -> float | None:
        key = prompt.id, text
        if key not in known:
            known[key] = says(prompt, text)
        return known[key]

    return remembered


def math_verify_alone(prompt: Prompt, text: str) -> float | None:
    """What math-verify says with its defaults."""
    from math_verify import parse, verify

    gold = parse(f"\\boxed{{{prompt.answer}}}")
    return float(verify(gold, parse(text)))


def row(what: str, who: str, pairs: Sequence[Pair], says: Says) -> dict[str, Cell]:
    """Error counts and rates of one judge on some pairs."""
    said = [(pair.right, says(pair.prompt, pair.text)) for pair in pairs]
    accepted = [found == 1.0 for right, found in said if not right]
    rejected = [found == 0.0 for right, found in said if right]
    return {
        "answers": what,
        "judge": who,
        "wrong ones": len(accepted),
        "false accepts": sum(accepted),
        "false accept rate": float(np.mean(accepted)) if accepted else 0.0,
        "right ones": len(rejected),
        "false rejects": sum(rejected),
        "false reject rate": float(np.mean(rejected)) if rejected else 0.0,
        "missing": sum(found is None for _, found in said),
    }
