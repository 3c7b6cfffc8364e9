"""Which credit is wanted. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from selfplay.core.errors import ConfigError, nearest

METHODS = ("influence", "leave_out")
KINDS = ("operators", "families")
PRECONDITIONERS = ("adamw", "none")


@dataclass(frozen=True)
class Asked:
    """Which credit is wanted."""

    method: str = "influence"
    """One of `METHODS`."""
    kinds: Sequence[str] = KINDS
    top: int = 10
    """Rows of a table; by `leave_out` also replays, of the labels with the most groups."""
    preconditioner: str = "adamw"
    """Of `influence`: one of `PRECONDITIONERS`."""

    def check(self) -> None:
        """Refuses what there is not.

        Raises:
            ConfigError: an unknown word, or no rows.
        """
        words = [("method", self.method, METHODS), *(("by", kind, KINDS) for kind in self.kinds)]
        for name, word, known in (*words, ("preconditioner", self.preconditioner, PRECONDITIONERS)):
            if word not in known:
                raise ConfigError(f"--{name}: '{word}' is unknown; {nearest(word, known)}")
        if self.top < 1:
            raise ConfigError(f"--top: expected 1 or more, found {self.top}")
