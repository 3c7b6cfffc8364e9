"""Which prompts an export holds: filtered, cleaned, chosen, with their families and their split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from selfplay.core.errors import DataError
from selfplay.exports.candidates import Candidates, candidates
from selfplay.exports.choosing import best, by_cells, by_distance, hashed_words
from selfplay.exports.cleaning import Cleaned, cleaning
from selfplay.exports.families import families, validation_mask
from selfplay.exports.items import Facts
from selfplay.exports.options import ExportOptions, Top
from selfplay.ledger import pool
from selfplay.ledger.database import Database

TRAIN, VALIDATION = "train", "validation"


class Progress(NamedTuple):
    """So much of a step is done."""

    step: str
    done: int
    total: int


@dataclass(frozen=True, eq=False)
class Plan:
    """The N prompts of an export, in its order."""

    found: Candidates
    family_N: NDArray[np.uint64]
    validation_N: NDArray[np.bool_]
    considered: int
    """Prompts that fit the filters."""
    left_out: Counter[str]
    """Of these, by reason."""

    def __len__(self) -> int:
        return len(self.found)

    def facts(self, place: int) -> Facts:
        """What the run says of the prompt at a place."""
        found = self.found
        return Facts(
            first=int(found.first_N[place]),
            value=float(found.value_N[place]),
            reward=float(found.reward_N[place]),
            difficulty=float(found.difficulty_N[place]),
            family=f"{int(self.family_N[place]):016x}",
            split=VALIDATION if self.validation_N[place] else TRAIN,
            index=place,
        )

    def facts_of(self, id_: str) -> Facts | None:
        """The same by id; None for a prompt that is not exported."""
        sorted_N, order_N = self._by_id
        where = int(np.searchsorted(sorted_N, np.uint64(int(id_, 16))))
        known = where < len(sorted_N) and int(sorted_N[where]) == int(id_, 16)
        return self.facts(int(order_N[where])) if known else None

    @cached_property
    def _by_id(self) -> tuple[NDArray[np.uint64], NDArray[np.intp]]:
        order_N = np.argsort(self.found.ids_N)
        return self.found.ids_N[order_N], order_N


def planning(database: Database, options: ExportOptions) -> Generator[Progress, None, Plan]:
    """Chooses the prompts, and says how far that has come.

    Raises:
        DataError: no prompt is left, a split has no prompts, or a benchmark's file cannot be read.
        ModelError, ResourceError: an embedding model cannot be loaded.
    """
    found = candidates(database, options.filters)
    considered = len(found)
    yield Progress("prompts that fit", considered, considered)
    left_out: Counter[str] = Counter()
    if options.cleaning.any:
        cleaned = Cleaned(np.zeros(considered, bool))
        for done in cleaning(database, found, options.cleaning, cleaned):
            yield Progress("compared", done, considered)
        found, left_out = found.take(cleaned.kept_N), cleaned.reasons
    if options.top.count:
        chosen = _chosen(database, found, options.top)
        left_out["less valuable or less different"] = len(found) - len(chosen)
        found = found.take(chosen)
    if not len(found):
        raise DataError(_nothing(considered, left_out))
    family_N = families(database, found.ids_N)
    validation_N = validation_mask(family_N, options.validation, options.seed)
    if options.validation and not validation_N.any():
        raise DataError(_one_sided(family_N, options.validation))
    return Plan(found, family_N, validation_N, considered, left_out)


def _chosen(database: Database, found: Candidates, top: Top) -> NDArray[np.intp]:
    if top.diversity == "none":
        return best(found, top.count)
    if top.diversity == "cells":
        return by_cells(found, top.count)

    def vectors(places_P: NDArray[np.intp]) -> NDArray[np.float32]:
        pooled = found.take(places_P)
        texts = [p.text for p in pool.prompts(database, pooled.hex_ids(0, len(pooled)))]
        if top.embedder is None:
            return hashed_words(texts)
        from selfplay.core.embedding import Embedder

        return Embedder(top.embedder).embed(texts)

    return by_distance(found, top.count, vectors)


def _nothing(considered: int, left_out: Counter[str]) -> str:
    reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
    told = f"{considered} fit the filters and were left out ({reasons})" if considered else "none"
    return (
        f"expected prompts to export, found {told}; widen the filters "
        "(`selfplay prompts stats` says which tasks and operators there are)"
    )


def _one_sided(family_N: NDArray[np.uint64], share: float) -> str:
    _, sizes = np.unique(family_N, return_counts=True)
    return (
        f"expected families for a validation split of {share:g} of {len(family_N)} prompts, "
        f"found {len(sizes)} of {sizes.min()} to {sizes.max()} prompts each, and families are not "
        "cut; ask for a larger share, or export more prompts"
    )
