"""What the gate says of a candidate: the decision, why, and the figures that it rests on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from meta.acceptance.intervals import Interval


@dataclass(frozen=True)
class Compared:
    """Pairwise accuracy of two rubrics on the same pairs."""

    pairs: int
    current: float
    """Mean over prompts; NaN without pairs."""
    candidate: float
    gain: Interval
    """Candidate minus current, by prompt."""

    def words(self) -> str:
        """The figures in a line."""
        if not self.pairs:
            return "no pairs"
        gain = self.gain
        ends = "" if math.isnan(gain.low) else f", interval {gain.low:+.3f} to {gain.high:+.3f}"
        return (
            f"pairwise accuracy {self.current:.3f} to {self.candidate:.3f} ({gain.mean:+.3f}"
            f"{ends}) on {self.pairs:,} pairs of {gain.prompts:,} prompts, {gain.changed:,} changed"
        )


@dataclass(frozen=True)
class ExploitRank:
    """How high a candidate ranks one known exploit."""

    name: str
    rank: float
    """Mean over prompts of the share of the best trusted responses that it is preferred to, ties
    counting half; NaN where it could not be planted or scored anywhere."""
    plain: float
    """The same of the responses that it was made of: what they are worth without it."""
    prompts: int
    """Prompts on which it has a score."""
    planted: int
    """Prompts on which it was planted."""


@dataclass(frozen=True)
class Decision:
    """Whether a candidate is adopted."""

    accepted: bool
    reasons: tuple[str, ...]
    """Why it is refused, all of it; or in what it is better."""
    core: Compared | None = None
    """None where the candidate was refused before it was scored."""
    suspects: Compared | None = None
    exploits: tuple[ExploitRank, ...] = ()
    missing: Mapping[str, float] = field(default_factory=dict)
    """Share of the anchors without a score, under `candidate` and `current`."""

    @property
    def reason(self) -> str:
        """All reasons in a line, for the ledger."""
        return "; ".join(self.reasons)

    def as_dict(self) -> dict[str, Any]:
        """Plain data; NaN where there is no figure."""
        return asdict(self)

    def metrics(self) -> dict[str, float]:
        """The figures by name, for a stage's row."""
        found = {"gate_accepted": float(self.accepted)}
        for name, compared in (("core", self.core), ("suspects", self.suspects)):
            if compared is not None and compared.pairs:
                found |= {
                    f"gate_{name}_current": compared.current,
                    f"gate_{name}_candidate": compared.candidate,
                    f"gate_{name}_gain": compared.gain.mean,
                    f"gate_{name}_low": compared.gain.low,
                }
        return found
