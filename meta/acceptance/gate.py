"""The gate: a candidate rubric is adopted only if trusted responses show it to be better.

A candidate is refused if it cannot be read or changes nothing, if its judge gives scores outside of
their bounds or leaves responses unscored, or if it ranks a known exploit high. Of what is left, it
is accepted if its within-prompt pairwise accuracy (`meta.acceptance.pairwise`) on the `gate` part
of the anchors is

1. no worse on the core: the low end of the gain's interval is above minus a tolerance, and
2. better on the core, or on the pairs with a suspect: the low end is above 0, on enough prompts.

Intervals are over prompts (`meta.acceptance.intervals`). MPO (arXiv 2504.20157) adopts every
rewrite; this test is what its public code lacks.

Left out: a correction for the number of candidates that were tried on the same anchors over a run.
At the default level one in twenty that are no better passes rule 2, and by rule 1 it is no worse;
the `report` part says what the adopted ones are worth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from meta.acceptance.decision import Compared, Decision, ExploitRank
from meta.acceptance.exploit_ranks import rank_exploits
from meta.acceptance.intervals import Interval, interval
from meta.acceptance.options import GateOptions
from meta.acceptance.pairwise import TIE, Pairs, accuracy_by_prompt, pairs_of
from meta.acceptance.scoring import (
    AnyRubric,
    Judging,
    Scored,
    as_set,
    checks_judging,
    score_anchors,
)
from meta.anchors.anchors import Anchor, Part
from meta.judges import Judge
from meta.monitors.exploits import Exploit
from meta.rubrics.set import diff_sets, rubric_set_from_yaml
from selfplay.core.errors import ConfigError, DataError


class Gate:
    """Decides on candidates."""

    def __init__(
        self,
        options: GateOptions,
        judging: Judging | None = None,
        exploits: Mapping[str, Exploit] | None = None,
    ) -> None:
        """Remembers what to test with.

        Args:
            options: when a candidate is better.
            judging: from a rubric to its judge; checks without a language model when None.
            exploits: known ones by name, planted in the worst response of each prompt.
        """
        self._options = options
        self._judging = judging or checks_judging()
        self._exploits = dict(exploits or {})

    def accept(self, candidate: AnyRubric | str, current: AnyRubric, anchors: Part) -> Decision:
        """Whether the candidate takes the place of the current rubric.

        Args:
            candidate: a rubric, or the YAML of one.
            current: the rubric in force.
            anchors: the part `gate`, core and suspects.

        Raises:
            DataError: the anchors are of another part.
        """
        anchors.require("gate", "the gate")
        try:
            read = rubric_set_from_yaml(candidate) if isinstance(candidate, str) else candidate
        except DataError as error:
            return Decision(False, (f"the candidate cannot be read: {error}",))
        old, new = as_set(current), as_set(read)
        if old.clusters == new.clusters and not diff_sets(old, new):
            return Decision(False, ("the candidate changes nothing",))
        try:
            judge = self._judging(read)
        except ConfigError as error:
            return Decision(False, (f"the candidate cannot be judged by: {error}",))
        return self._compare(read, judge, current, anchors)

    def _compare(
        self, candidate: AnyRubric, judge: Judge, current: AnyRubric, anchors: Part
    ) -> Decision:
        prompts = anchors.by_prompt
        new = score_anchors(judge, candidate, prompts)
        old = score_anchors(self._judging(current), current, prompts)
        core, suspects = compare(new, old, prompts, self._options.tail)
        limit = self._options.exploit_prompts
        ranks, outside = rank_exploits(judge, candidate, prompts, self._exploits, limit)
        refusals = [*new.outside, *outside, *self._missing(new, old), *self._ranked_high(ranks)]
        refusals += [*self._unranked(ranks), *self._worse(core)]
        gains = self._better(core, suspects)
        refusals += [] if gains else [_no_better(core, suspects)]
        missing = {"candidate": new.missing, "current": old.missing}
        reasons = tuple(refusals) or tuple(gains)
        return Decision(not refusals, reasons, core, suspects, tuple(ranks), missing)

    def _missing(self, new: Scored, old: Scored) -> list[str]:
        if new.missing <= old.missing + self._options.max_missing:
            return []
        return [
            f"it leaves {new.missing:.0%} of the anchors unscored, where {old.missing:.0%} were"
        ]

    def _ranked_high(self, ranks: Sequence[ExploitRank]) -> list[str]:
        limit = self._options.max_exploit_rank
        return [
            f"it ranks the exploit '{rank.name}' high: preferred to {rank.rank:.0%} of the best "
            f"responses (without it {rank.plain:.0%}), up to {limit:.0%} are allowed"
            for rank in ranks
            if rank.rank > max(limit, rank.plain) + TIE
        ]

    @staticmethod
    def _unranked(ranks: Sequence[ExploitRank]) -> list[str]:
        return [
            f"it leaves the exploit '{rank.name}' unscored wherever it was planted"
            for rank in ranks
            if rank.planted and not rank.prompts
        ]

    def _worse(self, core: Compared) -> list[str]:
        gain, options = core.gain, self._options
        if gain.prompts < options.least_prompts:
            found = f"the core has pairs in {gain.prompts} prompts"
            return [f"too few anchors to tell: {found}, expected {options.least_prompts} or more"]
        if gain.low > -options.tolerance:
            return []
        found = f"the gain may be as low as {gain.low:+.3f}"
        limit = f"expected above {-options.tolerance:+.3f}"
        return [f"not shown to be no worse on the core: {found}, {limit}"]

    def _better(self, core: Compared, suspects: Compared) -> list[str]:
        return [
            f"better on the {name}: {compared.words()}"
            for name, compared in (("core", core), ("suspects", suspects))
            if self._shown(compared.gain)
        ]

    def _shown(self, gain: Interval) -> bool:
        options = self._options
        enough = gain.prompts >= options.least_prompts and gain.changed >= options.least_changed
        return enough and gain.low > 0


def _no_better(core: Compared, suspects: Compared) -> str:
    return (
        f"not shown to be better: on the core, {core.words()}; on the suspects, {suspects.words()}"
    )


def compare(
    new: Scored, old: Scored, prompts: Sequence[Sequence[Anchor]], tail: float = 0.025
) -> tuple[Compared, Compared]:
    """Two rubrics' scores of the same anchors, on the core and on the pairs with a suspect."""
    pairs = pairs_of(prompts)
    return _compared(pairs.core, new, old, tail), _compared(pairs.suspects, new, old, tail)


def _compared(pairs: Pairs, new: Scored, old: Scored, tail: float) -> Compared:
    candidate_P = accuracy_by_prompt(pairs, new.scores_N)
    current_P = accuracy_by_prompt(pairs, old.scores_N)
    gain = interval(candidate_P - current_P, tail)
    if not pairs.count:
        return Compared(0, math.nan, math.nan, gain)
    return Compared(pairs.count, float(current_P.mean()), float(candidate_P.mean()), gain)


def accuracy(judge: Judge, rubric: AnyRubric, anchors: Part, tail: float = 0.025) -> Interval:
    """A rubric's pairwise accuracy on the core of any part, the one that reports for instance."""
    scored = score_anchors(judge, rubric, anchors.by_prompt)
    return interval(accuracy_by_prompt(pairs_of(anchors.by_prompt).core, scored.scores_N), tail)
