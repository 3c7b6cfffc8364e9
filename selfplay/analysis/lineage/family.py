"""Ancestors and descendants: a walk, generation by generation, that visits each prompt once.

A cross-over has several parents, and an ancestor can be reached in several ways; since every prompt
is visited once, at its smallest distance, a lineage that leads back to itself cannot hold the walk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from selfplay.core.types import Estimate, Prompt
from selfplay.ledger import families, pool
from selfplay.ledger.database import Database
from selfplay.ledger.reading import reading, whole_id

Direction: TypeAlias = Literal["ancestors", "descendants"]
Relatives: TypeAlias = Callable[[Database, Sequence[str]], dict[str, list[str]]]

DEPTH = 6
"""Generations: as many as fit a terminal of 80 columns."""
LIMIT = 200
"""Relatives."""


@dataclass(frozen=True)
class Member:
    """One prompt of a family."""

    id: str
    depth: int
    """Generations away from the prompt that was asked for."""
    prompt: Prompt | None
    """None: a parent that is not in this run, as those of imported prompts are."""
    admitted: bool
    """Is it in the archive? Held-out prompts never are, nor children that were only probed."""
    estimate: Estimate | None
    """The newest one."""
    next: tuple[str, ...] = ()
    """Its parents, or its children, as far as the family shows them."""
    hidden: int = 0
    """How many more it has, beyond the depth or the limit."""

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        lineage = self.prompt.lineage if self.prompt else None
        return {
            "id": self.id,
            "depth": self.depth,
            "in_run": self.prompt is not None,
            "admitted": self.admitted,
            "operator": lineage.operator if lineage else None,
            "round": lineage.round if lineage else None,
            "task": self.prompt.task if self.prompt else None,
            "text": self.prompt.text if self.prompt else None,
            "estimate": asdict(self.estimate) if self.estimate else None,
            "next": list(self.next),
            "hidden": self.hidden,
        }


@dataclass(frozen=True)
class Family:
    """A prompt with those that it descends from, or those that descend from it."""

    direction: Direction
    root: str
    members: Mapping[str, Member]
    """By id, the root first, then by distance."""

    @property
    def hidden(self) -> int:
        """Relatives that are not shown, those behind them not counted."""
        return sum(member.hidden for member in self.members.values())

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "root": self.root,
            "direction": self.direction,
            "members": [member.as_dict() for member in self.members.values()],
        }


def ancestors(directory: Path, id_: str, depth: int = DEPTH, limit: int = LIMIT) -> Family:
    """The prompts that a prompt descends from, up to `depth` generations and `limit` prompts.

    Raises:
        DataError: no prompt, or several, have an id that begins with `id_`.
        LedgerError: there is no readable ledger in the directory.
    """
    return _family(directory, id_, "ancestors", families.parents, depth, limit)


def descendants(directory: Path, id_: str, depth: int = DEPTH, limit: int = LIMIT) -> Family:
    """The prompts that descend from a prompt, up to `depth` generations and `limit` prompts.

    Raises:
        DataError: no prompt, or several, have an id that begins with `id_`.
        LedgerError: there is no readable ledger in the directory.
    """
    return _family(directory, id_, "descendants", families.children, depth, limit)


@dataclass
class _Walk:
    """What a walk has seen so far."""

    depths: dict[str, int]
    next: dict[str, tuple[str, ...]] = field(default_factory=dict)
    hidden: dict[str, int] = field(default_factory=dict)


def _family(
    directory: Path,
    id_: str,
    direction: Direction,
    relatives: Relatives,
    depth: int,
    limit: int,
) -> Family:
    with reading(directory) as database:
        root = whole_id(database, id_)
        walk = _walked(database, root, relatives, depth, limit)
        prompts = families.among(database, walk.depths)
        archived = pool.archived(database, walk.depths)
        estimates = families.newest(database, walk.depths)
    members = {
        member: Member(
            id=member,
            depth=distance,
            prompt=prompts.get(member),
            admitted=member in archived,
            estimate=estimates.get(member),
            next=walk.next.get(member, ()),
            hidden=walk.hidden.get(member, 0),
        )
        for member, distance in walk.depths.items()
    }
    return Family(direction, root, members)


def _walked(database: Database, root: str, relatives: Relatives, depth: int, limit: int) -> _Walk:
    """Breadth first; `limit` counts the root's relatives and not the root."""
    walk = _Walk({root: 0})
    frontier, distance = [root], 0
    while frontier:
        distance += 1
        reached: list[str] = []
        found = relatives(database, frontier)
        for id_ in frontier:
            others, shown = found.get(id_, []), []
            for other in others:
                if other not in walk.depths and distance <= depth and len(walk.depths) <= limit:
                    walk.depths[other] = distance
                    reached.append(other)
                if other in walk.depths:
                    shown.append(other)
            walk.next[id_] = tuple(shown)
            walk.hidden[id_] = len(others) - len(shown)
        frontier = reached
    return walk
