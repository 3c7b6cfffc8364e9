"""Turns down a prompt that nobody seems able to answer: several answers, before it is admitted.

With a key, enough answers must agree with it. Without one, enough must agree with one another: a
prompt whose answers scatter has no right answer, or none that could be learnt. The answers are the
probe's: no step of learning sees them (ACCEL scores children in this way, arXiv 2203.01302).

Agreement is evidence of a well-posed question and no label: pseudo-labels by majority vote rot, so
no answer is taken from here. Open-ended prompts have no final answer to agree on and do not belong
under this gate.
"""

from __future__ import annotations

from collections.abc import Sequence

from creator.gates.agreement import tally
from creator.gates.context import HasProbe
from creator.gates.table import SolvabilityOptions
from selfplay.core.types import Group, Prompt


class Solvability:
    """Asks the probe for `n` answers to every prompt."""

    def __init__(self, options: SolvabilityOptions, surroundings: HasProbe) -> None:
        self._options = options
        self._surroundings = surroundings

    def reasons(self, prompts: Sequence[Prompt]) -> list[str]:
        """As `Gate.reasons`."""
        if not prompts:
            return []
        groups = self._surroundings.probe(prompts, self._options.n)
        return [self._reason(group) for group in groups]

    def _reason(self, group: Group) -> str:
        counted = tally(group, self._surroundings.final_answer, self._options.right)
        if counted.given == 0 and counted.right == 0:
            return "no answer"
        if group.prompt.answer is not None:
            return "" if counted.key_share >= self._options.solved else "unsolved"
        return "" if counted.rival_share >= self._options.agreement else "answers disagree"
