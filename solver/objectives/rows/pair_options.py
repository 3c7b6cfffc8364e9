"""Options that all objectives on pairs share. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from selfplay.core.components import Choice, component
from selfplay.core.errors import require
from solver.examples.table import PAIRINGS


@dataclass(frozen=True)
class PairOptions:
    """How pairs are made of groups."""

    pairs: Choice = component("max_min", PAIRINGS)
    """Which responses of a group become pairs."""


@dataclass(frozen=True)
class CheckedPairOptions(PairOptions):
    """Options with lower bounds."""

    ABOVE_ZERO: ClassVar[tuple[str, ...]] = ("beta",)
    """Fields that are above 0."""
    NOT_BELOW_ZERO: ClassVar[tuple[str, ...]] = ()
    """Fields that are 0 or more."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range, or an unknown name.
        """
        for name in self.ABOVE_ZERO:
            value = getattr(self, name)
            require(value > 0, f"{where}.{name}", "above 0", value)
        for name in self.NOT_BELOW_ZERO:
            value = getattr(self, name)
            require(value >= 0, f"{where}.{name}", "0 or more", value)
