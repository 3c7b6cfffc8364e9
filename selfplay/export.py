"""Exports: what a run has made, for the next tool."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from selfplay.core.types import Estimate, Prompt
from selfplay.ledger import Ledger
from selfplay.policies import writing


def export_prompts(ledger: Ledger, path: Path) -> int:
    """Writes every prompt that was trained on, one JSON object a line, with lineage and value.

    Returns:
        How many prompts.

    Raises:
        ResourceError: the file cannot be written.
    """
    rows = list(prompt_rows(ledger))
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    return len(rows)


def prompt_rows(ledger: Ledger) -> Iterator[Mapping[str, Any]]:
    """One row for each prompt that a round asked, in the order of its first round."""
    newest: dict[str, Estimate] = {made.prompt_id: made for made in ledger.estimates()}
    seen: set[str] = set()
    for t in range(1, ledger.last_round() + 1):
        for prompt in ledger.composition(t):
            if prompt.id not in seen:
                seen.add(prompt.id)
                yield prompt_row(prompt, t, newest.get(prompt.id))


def prompt_row(prompt: Prompt, first_round: int, estimate: Estimate | None) -> dict[str, Any]:
    """The prompt in TRL's conversational prompt-only layout, with all that is known of it."""
    return {
        **prompt.extra,
        "id": prompt.id,
        "prompt": [asdict(message) for message in prompt.messages],
        "answer": prompt.answer,
        "task": prompt.task,
        "puzzle": asdict(prompt.puzzle) if prompt.puzzle else None,
        "first_round": first_round,
        "lineage": asdict(prompt.lineage),
        "estimate": asdict(estimate) if estimate else None,
    }
