"""Turns down a prompt whose key seems wrong, and tells that from a prompt that is hard.

Both look alike to a score: hardly an answer is right. They differ in the answers: where the key is
wrong, answers agree with one another against it; where the prompt is hard, they scatter. The audit
is kept beside the reason, so that people can look at what it rests on.

Prompts without a key, and puzzles, whose key code computed, pass unasked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from creator.gates.agreement import Finding, Tally, audit, tally
from creator.gates.context import HasProbe
from creator.gates.table import AnswerKeyOptions
from selfplay.core.types import Prompt


@dataclass(frozen=True)
class Audit:
    """What the answers say of one prompt's key."""

    prompt_id: str
    finding: Finding
    tally: Tally


class AnswerKey:
    """Asks the probe for `n` answers to every prompt that has a key."""

    def __init__(self, options: AnswerKeyOptions, surroundings: HasProbe) -> None:
        self._options = options
        self._surroundings = surroundings

    def reasons(self, prompts: Sequence[Prompt]) -> list[str]:
        """As `Gate.reasons`: a wrong key is a reason, a hard prompt is none."""
        wrong = {
            audited.prompt_id for audited in self.audits(prompts) if audited.finding == "wrong key"
        }
        return ["wrong key" if prompt.id in wrong else "" for prompt in prompts]

    def audits(self, prompts: Sequence[Prompt]) -> list[Audit]:
        """What the answers say of every prompt with a key that people or models wrote."""
        asked = [p for p in prompts if p.answer is not None and p.puzzle is None]
        if not asked:
            return []
        options = self._options
        audits = []
        for group in self._surroundings.probe(asked, options.n):
            counted = tally(group, self._surroundings.final_answer, options.right)
            finding = audit(counted, options.agreement, options.support)
            audits.append(Audit(group.prompt.id, finding, counted))
        return audits
