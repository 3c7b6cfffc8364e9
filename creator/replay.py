"""Robust prioritised level replay: its options. Free of NumPy and torch."""

from __future__ import annotations

from dataclasses import dataclass

from selfplay.core.errors import require


@dataclass(frozen=True)
class ReplayOptions:
    """When a round replays prompts that are known, and when it looks at new ones."""

    enabled: bool = False
    """Rounds either replay prompts of the pool, drawn by the sampler, and learn from them; or look
    at new ones, originals and children, which are answered and judged and not learned from."""
    probability: float = 0.5
    """q: of a replay, once the pool is warm."""
    warm: int = 64
    """Prompts to draw from that make the pool warm."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range.
        """
        q = self.probability
        require(0 < q <= 1, f"{where}.probability", "above 0 and up to 1", q)
        require(self.warm >= 1, f"{where}.warm", "1 or more", self.warm)
