"""Anchors: responses with scores that are trusted, on which rubrics are tested.

An anchor set is versioned and append-only: nothing in it changes, and the set as it was at any
version can be had again. Where one response of a prompt was scored twice, the later score counts.
Anchors are split by their prompt's id into three parts: what a reviewer may see (`propose`), what
the gate tests on (`gate`), what only reports (`report`). The part follows from the id alone, so it
is the same in every run and process, and no prompt is ever in two of them.

Left out: keeping prompts that were evolved from one another in one part; the split is by prompt.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, TypeAlias, get_args

from selfplay.core.errors import DataError
from selfplay.core.types import Group, Prompt

PartName: TypeAlias = Literal["propose", "gate", "report"]
Origin: TypeAlias = Literal["core", "suspect"]
ORIGINS: tuple[Origin, ...] = get_args(Origin)

SHARES: dict[PartName, float] = {"propose": 0.4, "gate": 0.4, "report": 0.2}
"""Expected share of the prompts in each part."""


def part_of(prompt_id: str) -> PartName:
    """The part that a prompt's anchors belong to."""
    digest = hashlib.blake2b(f"anchor {prompt_id}".encode(), digest_size=8).digest()
    place = int.from_bytes(digest, "little") / 2**64
    if place < SHARES["propose"]:
        return "propose"
    return "gate" if place < SHARES["propose"] + SHARES["gate"] else "report"


@dataclass(frozen=True)
class Anchor:
    """One response with a trusted score."""

    prompt: Prompt
    response: str
    score: float
    """Higher is better; compared with the same scorer's scores of the same prompt alone."""
    scorer: str
    """Who is trusted, and so on which scale: `verifier`, `human`, the name of a judge."""
    origin: Origin = "core"
    """`suspect`: an alarm pointed at it."""
    alarm: str = ""
    """Which alarm did."""
    version: int = 1
    """Of the set that it came with."""

    def __post_init__(self) -> None:
        if not math.isfinite(self.score):
            raise DataError(f"anchor: expected a finite score, found {self.score}")
        if self.origin not in ORIGINS:
            raise DataError(f"anchor: origin is core or suspect, found {self.origin!r}")
        if not self.scorer:
            raise DataError("anchor: expected a scorer: who is trusted, found none")

    @property
    def key(self) -> tuple[str, str]:
        """What was scored: prompt id and response."""
        return self.prompt.id, self.response


@dataclass(frozen=True)
class Part:
    """The anchors of one part, the newest score of each response, by prompt."""

    name: PartName
    anchors: tuple[Anchor, ...] = ()

    def __post_init__(self) -> None:
        strays = [a.prompt.id for a in self.anchors if part_of(a.prompt.id) != self.name]
        if strays:
            raise DataError(
                f"anchors: prompt {strays[0]} is of part '{part_of(strays[0])}', not of "
                f"'{self.name}'; take the parts of an anchor set as they are"
            )

    @cached_property
    def by_prompt(self) -> tuple[tuple[Anchor, ...], ...]:
        """The anchors of each prompt together, prompts in the order of their ids."""
        found: dict[str, list[Anchor]] = {}
        for anchor in self.anchors:
            found.setdefault(anchor.prompt.id, []).append(anchor)
        return tuple(tuple(found[id_]) for id_ in sorted(found))

    def require(self, name: PartName, who: str) -> None:
        """Refuses a part that `who` must not see.

        Raises:
            DataError: it is another part than `name`.
        """
        if self.name != name:
            raise DataError(f"{who} works on the part '{name}' of the anchors, found '{self.name}'")


@dataclass(frozen=True)
class AnchorSet:
    """All anchors in the order in which they were appended."""

    anchors: tuple[Anchor, ...] = ()

    def __post_init__(self) -> None:
        versions = [anchor.version for anchor in self.anchors]
        if versions != sorted(versions) or (versions and versions[0] < 1):
            raise DataError(
                "anchors: expected versions from 1 on that never fall; the set is append-only"
            )

    @property
    def version(self) -> int:
        """Of the newest anchor; 0 without any."""
        return self.anchors[-1].version if self.anchors else 0

    def at(self, version: int) -> AnchorSet:
        """The set as it was at `version`."""
        return AnchorSet(tuple(a for a in self.anchors if a.version <= version))

    def append(self, anchors: Iterable[Anchor]) -> AnchorSet:
        """The next version, with what is not in this one; this set where nothing is new.

        The same response with the score, scorer and origin that count already is not new. Once a
        suspect, a response stays one.
        """
        counting = {anchor.key: anchor for anchor in self.anchors}
        new: list[Anchor] = []
        for anchor in anchors:
            stamped = replace(anchor, version=self.version + 1)
            old = counting.get(anchor.key)
            if old is not None and old.origin == "suspect":
                stamped = replace(stamped, origin="suspect", alarm=stamped.alarm or old.alarm)
            if old is None or not _says_the_same(old, stamped):
                counting[anchor.key] = stamped
                new.append(stamped)
        return AnchorSet((*self.anchors, *new)) if new else self

    def part(self, name: PartName) -> Part:
        """One of the three parts."""
        counting = {anchor.key: anchor for anchor in self.anchors}
        return Part(name, tuple(a for a in counting.values() if part_of(a.prompt.id) == name))


def _says_the_same(old: Anchor, new: Anchor) -> bool:
    return (old.score, old.scorer, old.origin) == (new.score, new.scorer, new.origin)


def anchors_from_groups(
    groups: Sequence[Group], scorer: str = "verifier", contrasting: bool = True
) -> list[Anchor]:
    """Core anchors from groups that a trusted judge has judged; missing rewards are left out.

    Args:
        groups: with the trusted judge's verdicts.
        scorer: its name.
        contrasting: only groups whose rewards differ; others say nothing of which is better.
    """
    return [
        anchor
        for group in groups
        for anchor in _judged(group, scorer)
        if not contrasting or len({v.reward for v in group.verdicts if v.reward is not None}) > 1
    ]


def suspects_from_groups(
    groups: Sequence[Group], suspected: Sequence[Sequence[int]], alarm: str, scorer: str
) -> list[Anchor]:
    """Anchors from groups in which an alarm suspects some responses.

    The other responses come along as core anchors: a suspect is only told from good work beside
    some. Where a whole group is suspect, append trusted responses of the same prompt too.

    Args:
        groups: with the trusted judge's verdicts.
        suspected: for each group, the positions of the suspected responses.
        alarm: its name.
        scorer: the trusted judge's name.
    """
    found: list[Anchor] = []
    for group, places in zip(groups, suspected, strict=True):
        texts = {group.responses[place].text for place in places}
        found += [
            replace(anchor, origin="suspect", alarm=alarm) if anchor.response in texts else anchor
            for anchor in _judged(group, scorer)
        ]
    return found


def _judged(group: Group, scorer: str) -> list[Anchor]:
    return [
        Anchor(group.prompt, response.text, verdict.reward, scorer)
        for response, verdict in zip(group.responses, group.verdicts, strict=True)
        if verdict.reward is not None
    ]
