"""Surroundings without a run: an archive in memory, and nothing that may be asked."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from creator.context import CreatorContext, RoundServices
from creator.pool.archive import Archive, LazyPrompts
from creator.pool.pool import numbers
from selfplay.core.embedding import Embedder
from selfplay.core.models.scripted import ScriptedModel
from selfplay.core.types import Estimate, Group, Prompt, Rejection


class Shelf:
    """What a ledger holds, in memory."""

    def __init__(self, prompts: Sequence[Prompt] = (), estimates: Sequence[Estimate] = ()) -> None:
        self.held = {prompt.id: prompt for prompt in prompts}
        self.made = list(estimates)

    def known(self, ids: Collection[str]) -> set[str]:
        return self.held.keys() & set(ids)

    def prompts(self, ids: Sequence[str]) -> list[Prompt]:
        return [self.held[id_] for id_ in ids]

    def archive_ids(self, start: int = 0) -> Iterator[str]:
        return iter(list(self.held)[start:])

    def archive_size(self) -> int:
        return len(self.held)

    def judgings(self, t: int) -> frozenset[str]:
        return frozenset()

    def composition(self, t: int) -> list[Prompt]:
        return []

    def rejections(self, t: int) -> list[Rejection]:
        return []

    def estimates(self, since: int = 0) -> list[Estimate]:
        return [made for made in self.made if made.round >= since]


def refuses(*arguments: Any) -> Any:
    raise AssertionError("nothing may be asked")


def surroundings(shelf: Shelf | None = None, **changes: Any) -> CreatorContext:
    shelf = shelf or Shelf()
    usual: dict[str, Any] = {
        "archive": Archive(shelf),
        "known": shelf.known,
        "heldout": frozenset(),
        "lengths": lambda prompts: [len(prompt.text) for prompt in prompts],
        "max_tokens": 1000,
        "embedder": Embedder(),
        "read_texts": refuses,
        "final_answer": lambda text: text.strip() or None,
    }
    return CreatorContext(**(usual | changes))


def turn(**changes: Any) -> RoundServices:
    usual = {"estimate": refuses, "probe": refuses, "rewriter": ScriptedModel(refuses)}
    return RoundServices(**(usual | changes))


def no_groups(t: int) -> list[Group]:
    return []


def dealt(prompts: Sequence[Prompt]) -> LazyPrompts:
    """The prompts as originals that are drawn from."""
    return LazyPrompts.of(Shelf(prompts), numbers([prompt.id for prompt in prompts]))
