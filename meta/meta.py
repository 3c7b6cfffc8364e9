"""The meta role: gives responses their reward, and verifies held-out tasks apart from it.

Reward and evaluation are two judges on purpose. The reward may come from a rubric that the policy
learns to exploit; `verifier` keeps looking at the right answer alone, so that an exploit shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from meta.config import MetaConfig
from meta.judges import Judge, judging_fingerprint
from meta.judges.verifier import Verifier
from meta.rubric import Rubric, read_rubric
from selfplay.core.components import Choice
from selfplay.core.types import Group, Verdict


class Meta:
    """The judge that gives the reward, the rubric in force, and the verifier that evaluates."""

    def __init__(self, config: MetaConfig, rubric: Rubric | None = None) -> None:
        """Builds the judges; `rubric`, where given, takes the place of the configured first one.

        Raises:
            ConfigError: the judge lacks what it needs.
            DataError: the configured rubric cannot be read.
        """
        if rubric is None and config.rubric:
            rubric = read_rubric(Path(config.rubric))
        choice: Choice = config.judge
        self._judge: Judge = choice.build(rubric)
        self._rubric = rubric
        self._fingerprint = judging_fingerprint(choice.name, choice.options, rubric)
        self._verifier = Verifier(config.verify)

    @property
    def rubric(self) -> Rubric | None:
        """The rubric in force."""
        return self._rubric

    @property
    def scale(self) -> tuple[float, float]:
        """Lowest and highest reward."""
        return self._judge.scale

    @property
    def fingerprint(self) -> str:
        """12 hex digits that name the judge, its options and the rubric."""
        return self._fingerprint

    @property
    def verifier(self) -> Verifier:
        """Says whether a response has the right answer, for evaluation, whatever the reward is."""
        return self._verifier

    def judge(self, groups: Sequence[Group]) -> list[tuple[Verdict, ...]]:
        """The rewards: one verdict for each response, in order."""
        return self._judge.judge(groups)
