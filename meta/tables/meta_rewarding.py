"""Options of the judge of judgements. No NumPy, no torch."""

from __future__ import annotations

from dataclasses import dataclass

from meta.tables.judging import ProbabilityOptions
from selfplay.core.errors import require


@dataclass(frozen=True)
class MetaRewardingOptions(ProbabilityOptions):
    """How responses are judged several times, and the judgements compared."""

    judgements: int = 11
    """Of each response."""
    temperature: float = 1.0
    """Above 0, so that they differ."""
    top_p: float = 1.0
    """The least mass of likeliest tokens that is drawn from."""
    max_new_tokens: int = 1024
    """A judgement that does not end within so many tokens is none."""
    longest: int = 0
    """Characters of a preferred judgement: a longer one gives no pair; 0: any length."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range.
        """
        super().check(where)
        require(self.judgements >= 2, f"{where}.judgements", "2 or more", self.judgements)
        require(self.temperature > 0, f"{where}.temperature", "above 0", self.temperature)
        require(0 < self.top_p <= 1, f"{where}.top_p", "above 0 and up to 1", self.top_p)
        tokens = self.max_new_tokens
        require(tokens >= 1, f"{where}.max_new_tokens", "1 or more", tokens)
        require(self.longest >= 0, f"{where}.longest", "0 (any) or more", self.longest)
