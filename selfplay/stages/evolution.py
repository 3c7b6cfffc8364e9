"""Is a round's evolution worth anything? An alarm where it brings no child, a pause on request."""

from __future__ import annotations

from creator.turned_down import commonest
from selfplay.core.errors import PausedError
from selfplay.core.types import Composition
from selfplay.ledger import AlarmEntry

EVOLUTION = "evolution"
"""The alarm's name among those of the monitors."""


def evolution_alarms(t: int, composition: Composition) -> list[AlarmEntry]:
    """An alarm where round t was to have children and has none."""
    if not composition.barren:
        return []
    text = f"{EVOLUTION}: round {t} has originals alone; {composition.barren}"
    return [AlarmEntry(t, EVOLUTION, "tell", text, 0.0, 0.0, 0.0, ())]


def refuse_barren(t: int, composition: Composition, max_rejected: float) -> None:
    """Pauses the run where too many attempts at children were turned down.

    Raises:
        PausedError: their share is above `max_rejected`.
    """
    rejected = len(composition.rejections)
    tried = rejected + composition.metrics.get("evolved", 0.0)
    if rejected > max_rejected * tried:
        raise PausedError(
            f"{rejected / tried:.0%} of round {t}'s attempts at children were turned down, more "
            f"than max_rejected={max_rejected:.0%}; most often: {commonest(composition.rejections)}"
            ". What the rewriter wrote is kept: raise max_rejected to go on, or start another run "
            "with other creator.operators or creator.gates"
        )
