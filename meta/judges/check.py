"""The judge that is one check in code: a rule that a response keeps or breaks.

Its reward is the check's degree in [0, 1]; as a constraint with the threshold 1 it passes what
the check passes in full. A check that does not apply to a prompt has no verdict, with its reason.
"""

from __future__ import annotations

from collections.abc import Sequence

from meta.judges.table import CheckOptions
from meta.rubrics.rubric import Rubric
from selfplay.core.checks import check_parameters, run_check
from selfplay.core.errors import DataError
from selfplay.core.types import Group, Prompt, Verdict


class CheckJudge:
    """Scores responses by one check."""

    name = "check"
    scale = (0.0, 1.0)

    def __init__(self, options: CheckOptions, rubric: Rubric | None = None) -> None:
        """The rubric is not used. Raises ConfigError for what is no check."""
        self._kind = options.kind
        self._parameters = check_parameters(options.kind, options.params, "judge 'check'")

    def judge(self, groups: Sequence[Group], repeat: int = 0) -> list[tuple[Verdict, ...]]:
        """Verdicts with the check's degree, also as a score under its name."""
        return [
            tuple(self._verdict(group.prompt, response.text) for response in group.responses)
            for group in groups
        ]

    def _verdict(self, prompt: Prompt, text: str) -> Verdict:
        try:
            degree = run_check(self._kind, self._parameters, text, prompt)
        except DataError as error:
            return Verdict.missing(str(error))
        return Verdict(degree, scores={self._kind: degree})
