"""Options that all objectives on pairs share. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass

from selfplay.core.components import Choice, component
from solver.examples.table import PAIRINGS


@dataclass(frozen=True)
class PairOptions:
    """How pairs are made of groups."""

    pairs: Choice = component("max_min", PAIRINGS)
    """Which responses of a group become pairs."""
