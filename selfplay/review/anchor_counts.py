"""What a set of anchors holds: by part, by scorer, and how many pairs it has to compare."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from meta.anchor_file import read_anchors
from meta.anchors import SHARES, Anchor, AnchorSet
from meta.pairwise import pairs_of
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER
from selfplay.review.anchoring import read_anchors as anchors_of_run


@dataclass(frozen=True)
class Count:
    """The counting anchors of one part, or of one scorer."""

    name: str
    prompts: int
    core: int
    suspects: int
    core_pairs: int
    """Pairs of one prompt and scorer whose scores differ, without a suspect."""
    suspect_pairs: int
    """Those with one."""


@dataclass(frozen=True)
class Counts:
    """What a set holds."""

    version: int
    anchors: int
    """All that were ever appended."""
    replaced: int
    """Those of them that a later score of the same response took the place of."""
    mixed: int
    """Prompts with anchors of several scorers, which are not compared with each other."""
    parts: tuple[Count, ...]
    scorers: tuple[Count, ...]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def find_anchors(place: Path) -> AnchorSet:
    """The anchors of a file, or of the run in a directory.

    Raises:
        DataError: there is no such file, or it holds something else.
        LedgerError: the run's ledger cannot be read.
    """
    if not (place / LEDGER).is_file():
        return read_anchors(place)
    with Ledger.open(place / LEDGER, read_only=True) as ledger:
        return anchors_of_run(ledger)


def count_anchors(anchors: AnchorSet) -> Counts:
    """Counts anchors.

    Returns:
        How many there are and how many pairs they make, by part and by scorer.
    """
    parts = {name: anchors.part(name) for name in SHARES}
    prompts = [own for part in parts.values() for own in part.by_prompt]
    counting = sum(map(len, prompts))
    scorers = sorted({anchor.scorer for own in prompts for anchor in own})
    return Counts(
        anchors.version,
        len(anchors.anchors),
        len(anchors.anchors) - counting,
        sum(len({anchor.scorer for anchor in own}) > 1 for own in prompts),
        tuple(_count(name, part.by_prompt) for name, part in parts.items()),
        tuple(_count(name, _by(name, prompts)) for name in scorers),
    )


def _by(scorer: str, prompts: Iterable[Sequence[Anchor]]) -> list[list[Anchor]]:
    found = [[anchor for anchor in own if anchor.scorer == scorer] for own in prompts]
    return [own for own in found if own]


def _count(name: str, prompts: Sequence[Sequence[Anchor]]) -> Count:
    pairs = pairs_of(prompts)
    origins = [anchor.origin for own in prompts for anchor in own]
    return Count(
        name,
        len(prompts),
        origins.count("core"),
        origins.count("suspect"),
        pairs.core.count,
        pairs.suspects.count,
    )
