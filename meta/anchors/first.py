"""The anchors that a run begins with: where they come from is a choice of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from meta.anchors.anchors import Anchor, anchors_from_groups
from meta.anchors.file import read_anchors
from meta.reviewers.options import AnchorFileOptions, SampledOptions
from selfplay.core.components import NoOptions
from selfplay.core.types import Group

Ask: TypeAlias = Callable[[int, int], Sequence[Group]]
"""From a number of originals and of responses to each to the first policy's groups, judged by the
trusted judge."""


def sampled(options: SampledOptions, scorer: str, ask: Ask) -> list[Anchor]:
    """The first policy's answers to originals; prompts whose answers are all worth the same say
    nothing of which is better, and are left out.
    """
    return anchors_from_groups(ask(options.prompts, options.samples), scorer)


def from_file(options: AnchorFileOptions, scorer: str, ask: Ask) -> list[Anchor]:
    """The anchors of a file. Raises DataError if it cannot be read."""
    return list(read_anchors(Path(options.path)).anchors)


def none(options: NoOptions, scorer: str, ask: Ask) -> list[Anchor]:
    """No anchors."""
    return []
