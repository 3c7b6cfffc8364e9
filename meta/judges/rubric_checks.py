"""The rubric judge without a language model: every criterion is a check in code.

A check's degree in [0, 1] is placed on the criterion's range, so the verdict's scores are on the
same scale as a language model's would be. A response on which one check does not apply has no
score under the rubric: its verdict is missing, with that check's reason.
"""

from __future__ import annotations

from collections.abc import Sequence

from meta.rubrics.rubric import Criterion, Rubric
from selfplay.core.checks import check_parameters, run_check
from selfplay.core.components import NoOptions
from selfplay.core.errors import ConfigError, DataError
from selfplay.core.types import Group, Prompt, Verdict


class RubricChecks:
    """Scores responses by a rubric of `check` criteria."""

    name = "rubric"
    scale = (0.0, 1.0)
    reads_rubric = True

    def __init__(self, options: NoOptions, rubric: Rubric | None) -> None:
        """Raises ConfigError without a rubric, or when a criterion needs a language model."""
        if rubric is None:
            raise ConfigError(
                "judge 'rubric': there is no rubric; set meta.rubric to its YAML file"
            )
        asked = [criterion.id for criterion in rubric.criteria if criterion.kind == "judge"]
        if asked:
            raise ConfigError(
                f"judge 'rubric': no judging model is configured, and these criteria of rubric "
                f"'{rubric.name}' need one: {', '.join(asked)}. Choose the judge "
                "'rubric_llm', or make them kind 'check'."
            )
        self._rubric = rubric
        self._parameters = {
            c.id: check_parameters(c.check, c.params, c.id) for c in rubric.criteria
        }

    def judge(self, groups: Sequence[Group], repeat: int = 0) -> list[tuple[Verdict, ...]]:
        """Verdicts with the rubric's score and, per criterion, the value on its range."""
        return [
            tuple(self._verdict(group.prompt, response.text) for response in group.responses)
            for group in groups
        ]

    def _verdict(self, prompt: Prompt, text: str) -> Verdict:
        try:
            values = {c.id: self._value(c, prompt, text) for c in self._rubric.criteria}
        except DataError as error:
            return Verdict.missing(str(error))
        return Verdict(reward=self._rubric.score(values), scores=values)

    def _value(self, criterion: Criterion, prompt: Prompt, text: str) -> float:
        """The check's degree, placed on the criterion's range."""
        degree = run_check(criterion.check, self._parameters[criterion.id], text, prompt)
        low, high = criterion.range
        return low + degree * (high - low)
