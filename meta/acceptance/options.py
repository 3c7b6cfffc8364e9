"""Options of the gate that a new rubric has to pass. No NumPy, no torch."""

from __future__ import annotations

from dataclasses import dataclass

from selfplay.core.errors import require


@dataclass(frozen=True)
class GateOptions:
    """When a candidate is better than the rubric in force."""

    tail: float = 0.025
    """Probability beyond each end of an interval. A candidate may be better in two ways, on the
    core and on the suspects, so 0.025 keeps the chance of adopting one that is no better at 5 %."""
    tolerance: float = 0.03
    """Pairwise accuracy that may be lost on the core: no worse means that the interval's low end
    is above minus this."""
    least_prompts: int = 8
    """Prompts below which nothing is shown."""
    least_changed: int = 6
    """Prompts that have to be ranked otherwise than before for an improvement to count: five that
    all improve happen by chance once in 32 times."""
    max_exploit_rank: float = 0.5
    """How often an exploit may be preferred to the best trusted responses, ties counting half; or
    as often as the response that it was made of is."""
    exploit_prompts: int = 64
    """Prompts on which each exploit is planted, at most."""
    max_missing: float = 0.02
    """Share of the anchors that a candidate may leave without a score beyond those that the rubric
    in force leaves."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range.
        """
        require(0 < self.tail <= 0.08, f"{where}.tail", "above 0 and up to 0.08", self.tail)
        for name in ("tolerance", "max_exploit_rank", "max_missing"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"{where}.{name}", "0 to 1", value)
        require(self.least_prompts >= 2, f"{where}.least_prompts", "2 or more", self.least_prompts)
        for name in ("least_changed", "exploit_prompts"):
            value = getattr(self, name)
            require(value >= 1, f"{where}.{name}", "1 or more", value)
