"""The prompts that a page holds: the most valuable ones and a sample of the rest, with families.

A page cannot hold every prompt of a long run, so the prompts of highest newest estimate and
equally spaced ones of all that were admitted are taken in turn, each with its ancestors, until
a budget of bytes is spent; the page says how many that were of how many. Ancestors that are not
chosen themselves come without estimates and responses. Texts are cut at a length that the page
tells; `selfplay prompts show` has all of it.

A chosen prompt shows its newest estimates, and the first and the newest of its groups with their
responses and verdicts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from selfplay.core.errors import ModelError
from selfplay.core.types import Prompt
from selfplay.ledger import census, codec, families, pool, survey
from selfplay.ledger.census import ROOTS
from selfplay.ledger.database import Database
from selfplay.ledger.families import AnswerRow, Filter
from selfplay.ledger.groups import Decode
from selfplay.ledger.reading import decoder, reading
from selfplay.ledger.survey import AskedRow, ValueRow
from selfplay.report.curves import short

CHOSEN = 5_000
"""Prompts of one kind that are considered at most."""
BATCH = 300
"""Prompts that are read at once, with their ancestors: some tables are scanned for each batch."""
GENERATIONS = 40
"""How far ancestors are followed."""
TEXT, ANSWER = 2_000, 600
"""Characters of a prompt and of a response that are kept."""
ESTIMATES, FIRST_GROUPS, LAST_GROUPS, RESPONSES, SCORES = 20, 1, 2, 8, 12
PURPOSES = ("train", "estimate", "evaluate")


@dataclass
class Explorer:
    """What is embedded, and of how much."""

    admitted: int
    operators: list[str]
    budget: int
    """Bytes."""
    spent: int = 0
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By id, in the order in which they were chosen."""
    metrics: dict[tuple[str, str], None] = field(default_factory=dict)
    """Kinds of newest estimates: (metric, judging fingerprint)."""
    whole: bool = True
    """Nothing was left out for the budget."""
    undecoded: str = ""
    """Why responses have no text; empty when they have."""

    def as_dict(self) -> dict[str, Any]:
        """For the page."""
        return {
            "admitted": self.admitted,
            "operators": self.operators,
            "budget": self.budget,
            "whole": self.whole,
            "undecoded": self.undecoded,
            "metrics": sorted({metric for metric, _ in self.metrics}),
            "scales": len(self.metrics),
            "text": TEXT,
            "answer": ANSWER,
            "records": list(self.records.values()),
        }

    def add(self, record: dict[str, Any]) -> None:
        """Embeds a prompt; a fuller record replaces the one that there is."""
        self.records[record["id"]] = record
        self.spent += len(json.dumps(record, ensure_ascii=False).encode(errors="replace"))


def explorer(directory: Path, budget: int) -> Explorer:
    """The prompts of a run, within `budget` bytes.

    Raises:
        LedgerError: there is no readable ledger.
    """
    with reading(directory) as database:
        names = sorted({row.operator for row in census.born(database)} - {"heldout"})
        found = Explorer(pool.archive_size(database), names, budget)
        chosen = _chosen(database)
        decode = decoder(directory)
        for start in range(0, len(chosen), BATCH):
            if found.spent >= budget:
                found.whole = False
                break
            _embed(database, found, chosen[start : start + BATCH], decode)
        found.whole = found.whole and len(found.records) >= found.admitted
    return found


def _chosen(database: Database) -> list[str]:
    """The most valuable and the spaced ones in turn, each once."""
    valuable = families.search(database, Filter(), by_value=True, limit=CHOSEN)
    spaced = survey.spaced_ids(database, CHOSEN)
    # Spaced ids are spread over the whole run at every length: halves, quarters, eighths, …
    spread = [spaced[i] for i in _bisecting(len(spaced))]
    pairs = chain.from_iterable(zip_longest(valuable, spread))
    return list(dict.fromkeys(id_ for id_ in pairs if id_ is not None))


def _bisecting(n: int) -> list[int]:
    """0 … n − 1 in an order whose every beginning is spread over the whole range."""
    bits = max(1, n - 1).bit_length()
    order = (int(f"{i:0{bits}b}"[::-1], 2) for i in range(2**bits))
    return [i for i in order if i < n]


def _embed(database: Database, found: Explorer, ids: Sequence[str], decode: Decode) -> None:
    """Adds full records of `ids` and light ones of their ancestors, until the budget is spent."""
    prompts = _with_ancestors(database, ids, found.records)
    values = survey.values_of(database, ids)
    groups = {
        id_: _kept([row for row in rows if row.purpose in PURPOSES])
        for id_, rows in survey.groups_of_many(database, ids).items()
    }
    counts = survey.children_counts(database, list(prompts))
    answers = _answered(database, found, groups, decode)
    for id_ in ids:
        if found.spent >= found.budget:
            found.whole = False
            return
        record = _light(prompts[id_], counts.get(id_, 0))
        record |= _estimates(found, values.get(id_, []))
        record["g"] = [_group(row, answers[row.id]) for row in groups.get(id_, [])]
        record["m"] = prompts[id_].lineage.model
        found.add(record)
        for parent in _ancestors(id_, prompts, found.records):
            found.add(_light(parent, counts.get(parent.id, 0)))


def _with_ancestors(
    database: Database, ids: Sequence[str], known: Collection[str]
) -> dict[str, Prompt]:
    """The prompts, and those of their ancestors that are not `known`, by id."""
    found = families.among(database, ids)
    newest = list(found.values())
    for _ in range(GENERATIONS):
        parents = dict.fromkeys(id_ for prompt in newest for id_ in prompt.lineage.parents)
        fresh = families.among(database, [i for i in parents if i not in found and i not in known])
        if not fresh:
            break
        found |= fresh
        newest = list(fresh.values())
    return found


def _ancestors(id_: str, prompts: Mapping[str, Prompt], known: Collection[str]) -> Iterator[Prompt]:
    """Ancestors that are not on the page yet, nearest first."""
    seen, generation = {id_}, [id_]
    for _ in range(GENERATIONS):
        parents = dict.fromkeys(p for i in generation for p in prompts[i].lineage.parents)
        generation = [p for p in parents if p in prompts and p not in known and p not in seen]
        seen.update(generation)
        yield from (prompts[p] for p in generation)


def _light(prompt: Prompt, children: int) -> dict[str, Any]:
    """What lists and trees show of a prompt."""
    lineage, puzzle = prompt.lineage, prompt.puzzle
    levels = dict(puzzle.attributes) if puzzle else {}
    return {
        "id": prompt.id,
        "t": prompt.text[:TEXT],
        "x": len(prompt.text) > TEXT,
        "k": prompt.task,
        "o": lineage.operator,
        "r": lineage.round,
        "p": list(lineage.parents) if lineage.operator not in ROOTS else [],
        "c": children,
        "l": levels,
        "a": prompt.answer[:ANSWER] if prompt.answer is not None else None,
    }


def _estimates(found: Explorer, rows: Sequence[ValueRow]) -> dict[str, Any]:
    """The newest value, and how it came to be."""
    if not rows:
        return {"v": None, "e": []}
    last = rows[-1]
    found.metrics[last.metric, last.fingerprint] = None
    kept = [
        [row.composed, row.metric, _number(row.value), row.n, row.policy_version]
        for row in rows[-ESTIMATES:]
    ]
    return {"v": _number(last.value), "e": kept}


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else short(value)


def _kept(rows: Sequence[AskedRow]) -> list[AskedRow]:
    """The first groups and the newest ones."""
    if len(rows) <= FIRST_GROUPS + LAST_GROUPS:
        return list(rows)
    return [*rows[:FIRST_GROUPS], *rows[-LAST_GROUPS:]]


def _answered(
    database: Database, found: Explorer, groups: dict[str, list[AskedRow]], decode: Decode
) -> dict[int, list[dict[str, Any]]]:
    """Responses and verdicts of the groups, by the groups' short names."""
    stored = {
        row.id: families.answers(database, row.id)[:RESPONSES]
        for rows in groups.values()
        for row in rows
    }
    derived = [a.token_ids for answers in stored.values() for a in answers if a.text is None]
    texts = iter(_decoded(found, derived, decode))
    return {
        id_: [_answer(a, next(texts) if a.text is None else a.text) for a in answers]
        for id_, answers in stored.items()
    }


def _decoded(found: Explorer, blobs: Sequence[bytes], decode: Decode) -> list[str]:
    """Texts of token ids; empty ones, and the reason noted, where the tokenizer is gone."""
    if blobs and not found.undecoded:
        try:
            return list(decode([codec.tokens_from(blob) for blob in blobs]))
        except ModelError as error:
            found.undecoded = str(error)
    return [""] * len(blobs)


def _answer(row: AnswerRow, text: str) -> dict[str, Any]:
    verdict = row.verdict
    scores = sorted(verdict.scores.items())[:SCORES] if verdict else []
    return {
        "t": text[:ANSWER],
        "x": len(text) > ANSWER,
        "f": row.finish_reason,
        "w": _number(verdict.reward) if verdict else None,
        "y": (verdict.reason[:ANSWER] if verdict else "not judged"),
        "s": [[name, _number(score)] for name, score in scores],
        "b": list(verdict.violations) if verdict else [],
    }


def _group(row: AskedRow, answers: list[dict[str, Any]]) -> dict[str, Any]:
    return {"r": row.round, "u": row.purpose, "v": row.policy_version, "n": answers}
