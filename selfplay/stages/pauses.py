"""What pauses a run: a judge's server that is down, and evolution of which too little is admitted.

Where verdicts are missing because nobody answered, going on would draw a conclusion from that: a
candidate would be refused, anchors would be few, the creator would have nothing to compare. Replies
that cannot be read are another matter: they say something of the judge, or of its rubric.

An evolution that brings no child raises an alarm; one of which too much is turned down pauses the
run where that was asked for.
"""

from __future__ import annotations

from creator.turned_down import commonest
from meta.judges.llm.asking import UNANSWERED
from selfplay.core.errors import PausedError
from selfplay.core.types import Composition, Group
from selfplay.ledger import AlarmEntry, Ledger
from selfplay.stages.statistics import commonest_reason


def share_unanswered(groups: list[Group]) -> float:
    """Share of the verdicts that are missing because the judge's model did not reply."""
    verdicts = [verdict for group in groups for verdict in group.verdicts]
    silent = [v for v in verdicts if v.reward is None and v.reason.startswith(UNANSWERED)]
    return len(silent) / len(verdicts) if verdicts else 0.0


def remedy(groups: list[Group]) -> str:
    """What to do about the verdicts that are missing, by the commonest reason."""
    if "cut off" in commonest_reason(groups):
        return "raise max_new_tokens of the judge, or `reasoning` where it thinks first,"
    return "mend the judge"


def refuse_silence(ledger: Ledger, t: int, label: str, max_missing: float) -> None:
    """Pauses the run where too much under (t, label) is unanswered; it is then judged anew.

    Raises:
        PausedError: the share is above `max_missing`.
    """
    groups = ledger.groups(t, label)
    share = share_unanswered(groups)
    if share > max_missing:
        ledger.clear_verdicts(t, label)
        raise PausedError(
            f"{share:.0%} of the verdicts of round {t}'s '{label}' are missing since the judge's "
            f"model did not reply, more than max_missing={max_missing:.0%}; most often: "
            f"{commonest_reason(groups)}. Everything else is kept: {remedy(groups)} or raise "
            "max_missing, then run the same command again"
        )


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
