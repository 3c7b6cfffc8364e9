"""What a ledger knows of prompts that might have been chosen: before the choice, and after it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from creator.creator import REPLAYED
from selfplay.core.types import Group, Prompt
from selfplay.ledger import Ledger
from selfplay.stages.statistics import is_mixed


class Outcome(NamedTuple):
    """Means over the prompts of a draw; NaN where nothing is known of any."""

    success: float
    """Success rate when a prompt was scored last."""
    reward: float
    """Mean reward then."""
    later: float
    """Share of mixed groups among those of the prompt and its children, from a round on."""
    followed: float
    """Share of the prompts of which there is such a group."""


class Outcomes:
    """Filled round by round with what was scored; what came later is read from the start."""

    def __init__(self, threshold: float) -> None:
        """Knows nothing; a response succeeds whose reward reaches the threshold."""
        self._threshold = threshold
        self._scored: dict[str, tuple[float, float]] = {}
        self._later: dict[str, list[tuple[int, bool]]] = defaultdict(list)

    def asked(self, t: int, groups: Iterable[Group]) -> None:
        """Notes what round t asked: whether each prompt's and each parent's group was mixed."""
        for group in groups:
            if np.isfinite(group.rewards).any():
                mixed = is_mixed(group)
                for id_ in {group.prompt.id, *group.prompt.lineage.parents}:
                    self._later[id_].append((t, mixed))

    def scored(self, groups: Iterable[Group]) -> None:
        """Notes what a creator is told of; a later score takes the place of an earlier one."""
        for group in groups:
            known = group.rewards[np.isfinite(group.rewards)]
            if len(known):
                rate = float((known >= self._threshold).mean())
                self._scored[group.prompt.id] = rate, float(known.mean())

    def of(self, t: int, draws: Sequence[Sequence[str]]) -> Outcome:
        """What is known of the prompts drawn in round t, over all the draws."""
        drawn = [id_ for draw in draws for id_ in draw]
        scored = [self._scored[id_] for id_ in drawn if id_ in self._scored]
        shares = [self._mixed(id_, t) for id_ in drawn]
        followed = [not np.isnan(share) for share in shares]
        return Outcome(
            success=mean(rate for rate, _ in scored),
            reward=mean(reward for _, reward in scored),
            later=mean(shares),
            followed=mean(followed),
        )

    def _mixed(self, id_: str, t: int) -> float:
        """Share of the groups from round t on that were mixed; NaN without any."""
        return mean(mixed for round_, mixed in self._later.get(id_, ()) if round_ >= t)


def mean(values: Iterable[float]) -> float:
    """Mean of those that are not NaN; NaN where there are none."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def recorded_parents(ledger: Ledger, t: int) -> set[str] | None:
    """The parents that round t was composed from, where the ledger names all of them; else None.

    In a round that replayed, the prompts that were asked again take the place of parents.
    A parent is named by its children, or by those of them that were turned down; it is not where
    there were fewer children to make than parents. What a refill drew afterwards is left out.
    """
    counted = ledger.stage_metrics(t, "compose")
    if counted.get(REPLAYED):
        return {prompt.id for prompt in ledger.composition(t)}
    children = ledger.composition(t)[: int(counted["evolved"])]
    rejections = ledger.rejections(t)[: int(counted["rejected"])]
    found = {origin(child, t) for child in children} | {one.parent for one in rejections}
    return found if found and len(found) == counted["parents"] else None


def origin(child: Prompt, t: int) -> str:
    """The id of the parent that was drawn; a prompt that was asked again is its own."""
    born = child.lineage.round == t and child.lineage.parents
    return child.lineage.parents[0] if born else child.id
