"""A judge whose verdicts stand in the ledger: what the gate asks a language model.

Whoever is handed such a judge asks it as any other, in the same order each time. The k-th call of a
step stands under the label `<step>:k` of its round: the groups as they were asked, then their
verdicts, chunk by chunk (`Rollouts.judge`). A step that goes on after a crash asks the same again
and is answered from there, so at most the chunk in flight is lost. Groups or a judging that have
changed in between, such as anchors that somebody has added, are recorded under the next free label.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

from meta.acceptance.scoring import AnyRubric, as_set
from meta.judges import Judge, costs, judging_fingerprint
from meta.meta import Meta
from selfplay.core.types import Group, Verdict
from selfplay.events import Listener, nobody
from selfplay.ledger import Ledger
from selfplay.stages.pauses import refuse_silence
from selfplay.stages.rollouts import Rollouts


@dataclass(frozen=True)
class NamedJudge:
    """A judge with the fingerprint of its judging."""

    judging: Judge
    fingerprint: str
    repeat: int = 0

    def judge(self, groups: Sequence[Group]) -> list[tuple[Verdict, ...]]:
        """One verdict for each response, in order."""
        return self.judging.judge(groups, self.repeat)


class Recorder:
    """Makes recorded judges of one step of one round; their calls are counted together."""

    def __init__(
        self,
        t: int,
        step: str,
        ledger: Ledger,
        rollouts: Rollouts,
        max_missing: float = 1.0,
        listener: Listener = nobody,
    ) -> None:
        """Takes its collaborators.

        Args:
            t: the round.
            step: before the labels' colons.
            ledger: where groups and verdicts go.
            rollouts: judge in chunks.
            max_missing: where the model leaves a larger share of a call unanswered, the run pauses.
            listener: is told of every chunk, and may leave.
        """
        self._t, self._ledger, self._rollouts = t, ledger, rollouts
        self._max_missing, self._listener = max_missing, listener
        self._labels: Iterator[str] = (f"{step}:{k}" for k in count())

    def judging(self, meta: Meta, rubric: AnyRubric) -> Judge:
        """The judge of the reward under a rubric; recorded where its verdicts cost anything."""
        judge, choice = meta.judging(rubric), meta.config.judge
        if not costs(judge):
            return judge
        content = getattr(judge, "content", "")
        fingerprint = judging_fingerprint(choice.name, choice.options, as_set(rubric), content)
        return RecordedJudge(self, NamedJudge(judge, fingerprint))

    def verdicts(self, judge: NamedJudge, groups: Sequence[Group]) -> list[tuple[Verdict, ...]]:
        """What the judge says, or has said, of the groups.

        Raises:
            PausedError: the judge's server left more than `max_missing` unanswered.
        """
        label = next(name for name in self._labels if self._is_for(name, judge, groups))
        if not self._ledger.group_count(self._t, label):
            self._ledger.add_groups(self._t, label, 0, groups)
        for progress in self._rollouts.judge(self._t, label, judge):
            self._listener(progress)
        refuse_silence(self._ledger, self._t, label, self._max_missing)
        return [group.verdicts for group in self._ledger.groups(self._t, label)]

    def _is_for(self, label: str, judge: NamedJudge, groups: Sequence[Group]) -> bool:
        """Whether nothing stands under the label, or what was asked here before."""
        found = self._ledger.groups(self._t, label)
        judged = {group.fingerprint for group in found if group.verdicts}
        same = [_asked(group) for group in found] == [_asked(group) for group in groups]
        return not found or (same and judged <= {judge.fingerprint})


class RecordedJudge:
    """A judge that answers from the ledger what it has answered before."""

    def __init__(self, recorder: Recorder, judge: NamedJudge) -> None:
        self._recorder, self._judge = recorder, judge

    @property
    def name(self) -> str:
        """That of the judge."""
        return self._judge.judging.name

    @property
    def scale(self) -> tuple[float, float]:
        """That of the judge."""
        return self._judge.judging.scale

    def judge(self, groups: Sequence[Group], repeat: int = 0) -> list[tuple[Verdict, ...]]:
        """One verdict for each response, in order; a repeat is a call of its own.

        Raises:
            PausedError: the judge's server leaves too much unanswered.
        """
        return self._recorder.verdicts(replace(self._judge, repeat=repeat), groups)


def _asked(group: Group) -> tuple[str, tuple[str, ...]]:
    """What a judge sees of a group."""
    return group.prompt.id, tuple(response.text for response in group.responses)
