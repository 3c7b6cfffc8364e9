"""Whose a prompt is: its operator's, and the families' that it descends from.

A family is all that descends from one prompt which no operator made. A child of several parents
(cross-over) belongs to each of their families in equal parts, so that a prompt's shares always add
up to 1. An operator has the prompts that it wrote itself, not their descendants.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from creator.bandits.yields import GIVEN
from selfplay.core.types import Prompt
from selfplay.ledger import Ledger

Shares: TypeAlias = Mapping[str, float]
"""By label; they add up to 1."""

SharesOf: TypeAlias = Callable[[Prompt], Shares]


def operator_of(prompt: Prompt) -> Shares:
    """The operator that wrote the prompt; `original` or `imported` without one."""
    return {prompt.lineage.operator: 1.0}


class Families:
    """The families of a run's prompts, by the id of their first prompt."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._known: dict[str, Shares] = {}

    def __call__(self, prompt: Prompt) -> Shares:
        """The prompt's share in each family. A parent that the run does not hold begins none."""
        if prompt.id not in self._known:
            self._known[prompt.id] = self._shares(prompt)
        return self._known[prompt.id]

    def _shares(self, prompt: Prompt) -> Shares:
        ids = list(dict.fromkeys(prompt.lineage.parents))
        there = self._ledger.known(ids)
        parents = self._ledger.prompts([id_ for id_ in ids if id_ in there])
        if prompt.lineage.operator in GIVEN or not parents:
            return {prompt.id: 1.0}
        shares: dict[str, float] = defaultdict(float)
        for parent in parents:
            for root, share in self(parent).items():
                shares[root] += share / len(parents)
        return dict(shares)


def counted(prompts: Iterable[Prompt], shares_of: SharesOf) -> dict[str, float]:
    """How many of the prompts are each label's, the largest number first."""
    found: dict[str, float] = defaultdict(float)
    for prompt in prompts:
        for label, share in shares_of(prompt).items():
            found[label] += share
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
