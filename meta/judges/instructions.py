"""Precise instruction following: which of a prompt's verifiable instructions a response follows.

The instructions are IFEval's kinds (Zhou et al., 2023, arXiv 2311.07911) and come with the prompt,
in IFEval's own columns (`selfplay.core.instructions.given`). Each is verified by itself: the
verdict's scores hold 1 or 0 under its name, its violations the names of those that are not
followed. A prompt without instructions, one whose instructions cannot be used, and a response on
which one of them cannot be told have no verdict, with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence

from meta.judges.table import InstructionsOptions
from meta.rubrics.rubric import Rubric
from selfplay.core.errors import DataError
from selfplay.core.instructions.given import Instruction, follows, instructions_of
from selfplay.core.types import Group, Prompt, Verdict


class InstructionsJudge:
    """Scores responses by the instructions of their prompts."""

    name = "instructions"
    scale = (0.0, 1.0)

    def __init__(self, options: InstructionsOptions, rubric: Rubric | None = None) -> None:
        """The rubric is not used."""
        self._loose = options.evaluation == "loose"
        self._all = options.reward == "all"

    def judge(self, groups: Sequence[Group], repeat: int = 0) -> list[tuple[Verdict, ...]]:
        """Verdicts with a score for each instruction and the names of those not followed."""
        return [self._verdicts(group) for group in groups]

    def _verdicts(self, group: Group) -> tuple[Verdict, ...]:
        try:
            instructions = instructions_of(group.prompt)
        except DataError as error:
            missing = Verdict.missing(f"instructions: {error}")
            return tuple(missing for _ in group.responses)
        return tuple(self._verdict(instructions, r.text, group.prompt) for r in group.responses)

    def _verdict(self, instructions: Sequence[Instruction], text: str, prompt: Prompt) -> Verdict:
        scores: dict[str, float] = {}
        untold: list[str] = []
        for instruction in instructions:
            try:
                scores[instruction.name] = float(follows(instruction, text, prompt, self._loose))
            except DataError as error:
                untold.append(str(error))
        broken = tuple(name for name, score in scores.items() if score < 1.0)
        if untold:
            return Verdict(None, "; ".join(untold), scores, broken)
        share = sum(scores.values()) / len(scores)
        return Verdict(float(not broken) if self._all else share, "", scores, broken)
