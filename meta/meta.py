"""The meta role: gives responses their reward, and verifies held-out tasks apart from it.

Reward and evaluation are two judges on purpose. The reward may come from a rubric that the policy
learns to exploit; `verifier` keeps looking at the right answer alone, so that an exploit shows.
Constraint judges stand beside the reward (`meta.panel`); a task may have a panel of its own.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

from meta.acceptance.scoring import AnyRubric, as_set
from meta.config import MetaConfig, TaskJudges
from meta.judges import Judge, covers, fingerprint_of, judging_fingerprint
from meta.judges.by_cluster import Members, Membership, explained
from meta.judges.verifier import Verifier
from meta.panel import Panel, built
from meta.reviewers.rationales import rationales
from meta.rubrics.rubric import rubric_file
from meta.rubrics.set import RubricSet, read_rubric_set
from selfplay.core.components import Choice
from selfplay.core.embedding import Embedder
from selfplay.core.errors import require
from selfplay.core.tasks import Partition
from selfplay.core.text import TextModel
from selfplay.core.types import Group, Prompt, Verdict


class Meta:
    """The judges that give verdicts, the rubric in force, and the verifier that evaluates."""

    def __init__(
        self,
        config: MetaConfig,
        rubric: AnyRubric | None = None,
        tasks: Sequence[TaskJudges] = (),
    ) -> None:
        """Builds the judges.

        Args:
            config: the judges of every prompt that no task takes, and the verifier.
            rubric: where given, it takes the place of the configured first one.
            tasks: the judges of prompts that are judged otherwise.

        Raises:
            ConfigError: a judge lacks what it needs, or reviews of a rubric that nobody reads.
            DataError: a configured rubric cannot be read.
        """
        self._config, self._tasks = config, tuple(tasks)
        self._rubric = first_rubric(config) if rubric is None else as_set(rubric)
        self._partition = Partition((task.name, task.match) for task in tasks)
        self._embedders: dict[str, Embedder] = {}
        self._memberships: dict[str, Membership] = {}
        self._live: TextModel | None = None
        self._panels: dict[str | None, Panel] = {
            None: Panel(config.judge, config.constraints, self._rubric, config.repeats, self._built)
        } | {
            task.name: Panel(
                task.judge, task.constraints, self._rubric, config.repeats, self._built
            )
            for task in tasks
        }
        self._name()
        self._verifier = Verifier(config.verify)
        idle = config.review.enabled and not self._panels[None].reads_rubric
        expected = "a judge that reads the rubric (rubric, rubric_llm) where reviews are enabled"
        require(not idle, "meta.judge", expected, config.judge.name)

    def meet(self, live: TextModel) -> None:
        """Makes the live policy known to the judges that may ask it."""
        self._live = live
        for panel in self._panels.values():
            panel.meet(live)

    def under(self, rubric: RubricSet) -> Meta:
        """The same with another rubric in force."""
        other = copy.copy(self)
        other._rubric = rubric
        other._panels = {name: panel.under(rubric) for name, panel in self._panels.items()}
        other._name()
        if self._live is not None:
            other.meet(self._live)
        return other

    def judging(self, rubric: AnyRubric) -> Judge:
        """The judge of the reward under another rubric, for the gate."""
        return self._acquainted(self._built(self._config.judge, as_set(rubric)))

    @cached_property
    def trusted(self) -> TrustedJudge:
        """Whose scores are trusted: of anchors, suspects and audits.

        Raises:
            ConfigError, ModelError: it cannot be had.
        """
        choice, name = self._config.trusted, self._config.trusted_rubric
        rubric = read_rubric_set(rubric_file(name)) if name else None
        judge = self._acquainted(self._built(choice, rubric))
        content = getattr(judge, "content", "")
        return TrustedJudge(
            judge, judging_fingerprint(choice.name, choice.options, rubric, content)
        )

    def _acquainted(self, judge: Judge) -> Judge:
        if self._live is not None and hasattr(judge, "meet"):
            judge.meet(self._live)
        return judge

    def _built(self, choice: Choice, rubric: RubricSet | None) -> Judge:
        return built(choice, rubric, self._members(rubric))

    def _members(self, rubric: RubricSet | None) -> Members:
        """Tells a prompt's cluster; each is embedded once, and the embedder loaded when needed."""
        if rubric is None or rubric.clusters is None:
            return lambda prompts: [None] * len(prompts)
        name = rubric.clusters.model
        embedder = self._embedders.setdefault(name, Embedder(name))
        key = rubric.clusters.fingerprint
        return self._memberships.setdefault(key, Membership(rubric, embedder.embed)).of

    def _name(self) -> None:
        """Names the judging: all of it, and of prompts that a new rubric need not judge anew."""
        prints = {name: panel.fingerprint for name, panel in self._panels.items()}
        self._fingerprint = _fingerprint(prints, self._tasks)
        unread = {n: prints[n] for n, p in self._panels.items() if not p.any_reads_rubric}
        clusters = self._rubric.clusters if self._rubric else None
        in_parts = clusters or (unread and self._config.review.enabled)
        self._unread = dict.fromkeys(unread, fingerprint_of(list(unread.values())))
        """By task, where no judge reads the rubric."""
        # With its name: else what a cluster was judged by before a change would still be in force
        # where another one has kept the same criteria.
        self._by_cluster: dict[str | None, str] = {
            cluster: fingerprint_of([cluster, self._named_in(cluster)])
            for cluster in (None, *(clusters.names if clusters else ()))
            if in_parts and len(unread) < len(self._panels)
        }
        """Of all other prompts; nothing where there is one judging for all."""

    def _named_in(self, cluster: str | None) -> str:
        names = {name: panel.fingerprint_in(cluster) for name, panel in self._panels.items()}
        return _fingerprint(names, self._tasks)

    def explain(self, groups: Sequence[Group]) -> Sequence[Sequence[str]]:
        """For each response, why the judge of the reward scored it so; empty where it cannot say.

        Args:
            groups: judged under the rubric in force, with the verdicts' replies.
        """
        return rationales(explained(self._built(self._config.judge, self._rubric), groups))

    def by_rubric(self, prompts: Sequence[Prompt]) -> list[bool]:
        """Whether a prompt's reward comes from `meta.judge`, whose rubric is reviewed."""
        return [self._partition.of(prompt) is None for prompt in prompts]

    def clusters_of(self, prompts: Sequence[Prompt]) -> list[str | None]:
        """The cluster of the rubric in force that each prompt belongs to; None for no cluster."""
        return self._members(self._rubric)(prompts)

    @property
    def config(self) -> MetaConfig:
        """As it was configured."""
        return self._config

    @property
    def rubric(self) -> RubricSet | None:
        """The rubric in force."""
        return self._rubric

    @property
    def scale(self) -> tuple[float, float]:
        """Lowest and highest reward."""
        lows, highs = zip(*(panel.scale for panel in self._panels.values()), strict=True)
        return min(lows), max(highs)

    @property
    def scales(self) -> dict[str, tuple[float, float]]:
        """The same by a task's name; under the empty name for prompts that no task takes."""
        return {name or "": panel.scale for name, panel in self._panels.items()}

    @property
    def fingerprint(self) -> str:
        """12 hex digits that name the judges, their options and the rubric."""
        return self._fingerprint

    def fingerprints(self, groups: Sequence[Group]) -> list[str]:
        """For each group what names its judging, which criteria that it is not judged by do not
        change: those of other clusters, and all of them where no judge reads the rubric.
        """
        if not self._by_cluster:
            return [self._fingerprint] * len(groups)
        prompts = [group.prompt for group in groups]
        tasks = [self._partition.of(prompt) for prompt in prompts]
        reading = [p for p, task in zip(prompts, tasks, strict=True) if task not in self._unread]
        clusters = iter(self.clusters_of(reading))
        return [self._unread.get(task) or self._by_cluster[next(clusters)] for task in tasks]

    @property
    def judgings(self) -> frozenset[str]:
        """All fingerprints that groups have which are judged now: their rewards are comparable."""
        parts = (*self._by_cluster.values(), *self._unread.values()) if self._by_cluster else ()
        return frozenset({self._fingerprint, *parts})

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


@dataclass(frozen=True)
class TrustedJudge:
    """A judge with the fingerprint of its judging."""

    judging: Judge
    fingerprint: str

    @property
    def name(self) -> str:
        """Who is trusted."""
        return self.judging.name

    @property
    def scale(self) -> tuple[float, float]:
        """Lowest and highest reward."""
        return self.judging.scale

    def covers(self, prompt: Prompt) -> bool:
        """Whether it can score responses to a prompt at all: a verifier needs a right answer."""
        return covers(self.judging, prompt)

    def judge(self, groups: Sequence[Group]) -> list[tuple[Verdict, ...]]:
        """One verdict for each response, in order."""
        return self.judging.judge(groups)


def first_rubric(config: MetaConfig) -> RubricSet | None:
    """The configured first rubric.

    Raises:
        DataError: it cannot be read.
    """
    return read_rubric_set(rubric_file(config.rubric)) if config.rubric else None


def _fingerprint(panels: Mapping[str | None, str], tasks: Sequence[TaskJudges]) -> str:
    """Names who judges what, from the panels' names; that of the only one without tasks."""
    if not tasks:
        return panels[None]
    parts = [[task.name, asdict(task.match), panels[task.name]] for task in tasks]
    return fingerprint_of([panels[None], parts])
