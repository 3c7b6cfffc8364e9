"""Searching a run's prompts by their words, their birth and their newest estimate."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from selfplay.core.types import Estimate, Prompt
from selfplay.ledger import families
from selfplay.ledger.families import Filter
from selfplay.ledger.reading import reading

Order: TypeAlias = Literal["value", "round"]

LIMIT = 20


@dataclass(frozen=True)
class Hit:
    """One prompt that fits."""

    prompt: Prompt
    estimate: Estimate | None
    """The newest one."""

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "id": self.prompt.id,
            "task": self.prompt.task,
            "operator": self.prompt.lineage.operator,
            "round": self.prompt.lineage.round,
            "answer": self.prompt.answer,
            "text": self.prompt.text,
            "estimate": asdict(self.estimate) if self.estimate else None,
        }


@dataclass(frozen=True)
class Found:
    """The answer to a search."""

    hits: tuple[Hit, ...]
    more: bool
    """Further prompts fit, beyond the limit."""

    @property
    def scales(self) -> int:
        """Kinds of estimates among the hits; values of different kinds do not compare."""
        return len({(h.estimate.metric, h.estimate.fingerprint) for h in self.hits if h.estimate})

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {"hits": [hit.as_dict() for hit in self.hits], "more": self.more}


def find(
    directory: Path, wanted: Filter | None = None, order: Order = "round", limit: int = LIMIT
) -> Found:
    """Up to `limit` prompts that fit: the newest first, or those of the highest value.

    Ordered by value, prompts without an estimate are left out.

    Raises:
        LedgerError: there is no readable ledger in the directory.
    """
    with reading(directory) as database:
        ids = families.search(database, wanted or Filter(), order == "value", limit + 1)
        shown = ids[:limit]
        prompts = families.among(database, shown)
        estimates = families.newest(database, shown)
    hits = tuple(Hit(prompts[id_], estimates.get(id_)) for id_ in shown)
    return Found(hits, more=len(ids) > limit)
