"""The meta role: gives responses their reward, and verifies held-out tasks apart from it.

Reward and evaluation are two judges on purpose. The reward may come from a rubric that the policy
learns to exploit; `verifier` keeps looking at the right answer alone, so that an exploit shows.
Constraint judges stand beside the reward (`meta.panel`); a task may have a panel of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from meta.config import MetaConfig, TaskJudges
from meta.judges import fingerprint_of
from meta.judges.verifier import Verifier
from meta.panel import Panel
from meta.rubric import Rubric, read_rubric, rubric_file
from selfplay.core.tasks import Partition
from selfplay.core.text import TextModel
from selfplay.core.types import Group, Verdict


class Meta:
    """The judges that give verdicts, the rubric in force, and the verifier that evaluates."""

    def __init__(
        self,
        config: MetaConfig,
        rubric: Rubric | None = None,
        tasks: Sequence[TaskJudges] = (),
    ) -> None:
        """Builds the judges.

        Args:
            config: the judges of every prompt that no task takes, and the verifier.
            rubric: where given, it takes the place of the configured first one.
            tasks: the judges of prompts that are judged otherwise.

        Raises:
            ConfigError: a judge lacks what it needs.
            DataError: the configured rubric cannot be read.
        """
        if rubric is None and config.rubric:
            rubric = read_rubric(rubric_file(config.rubric))
        self._rubric = rubric
        self._partition = Partition((task.name, task.match) for task in tasks)
        self._panels: dict[str | None, Panel] = {
            None: Panel(config.judge, config.constraints, rubric, config.repeats)
        } | {
            task.name: Panel(task.judge, task.constraints, rubric, config.repeats) for task in tasks
        }
        self._fingerprint = _fingerprint(self._panels, tasks)
        self._verifier = Verifier(config.verify)

    def meet(self, live: TextModel) -> None:
        """Makes the live policy known to the judges that may ask it."""
        for panel in self._panels.values():
            panel.meet(live)

    @property
    def rubric(self) -> Rubric | None:
        """The rubric in force."""
        return self._rubric

    @property
    def scale(self) -> tuple[float, float]:
        """Lowest and highest reward."""
        lows, highs = zip(*(panel.scale for panel in self._panels.values()), strict=True)
        return min(lows), max(highs)

    @property
    def fingerprint(self) -> str:
        """12 hex digits that name the judges, their options and the rubric."""
        return self._fingerprint

    @property
    def verifier(self) -> Verifier:
        """Says whether a response has the right answer, for evaluation, whatever the reward is."""
        return self._verifier

    def judge(self, groups: Sequence[Group]) -> list[tuple[Verdict, ...]]:
        """One verdict for each response, in order, by the judges of the prompt's task."""
        names = [self._partition.of(group.prompt) for group in groups]
        found: dict[int, tuple[Verdict, ...]] = {}
        for name, panel in self._panels.items():
            places = [i for i, other in enumerate(names) if other == name]
            verdicts = panel.judge([groups[i] for i in places]) if places else []
            found |= dict(zip(places, verdicts, strict=True))
        return [found[i] for i in range(len(groups))]


def _fingerprint(panels: Mapping[str | None, Panel], tasks: Sequence[TaskJudges]) -> str:
    """Names who judges what; that of the only panel where there are no tasks."""
    default = panels[None]
    if not tasks:
        return default.fingerprint
    parts = [[task.name, asdict(task.match), panels[task.name].fingerprint] for task in tasks]
    return fingerprint_of([default.fingerprint, parts])
