"""The meta role's configuration and the table of its judges. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from meta.judges.table import JUDGES, VerifierOptions
from meta.reviewers.options import MonitoringOptions, ReviewOptions
from selfplay.core.components import Choice, component
from selfplay.core.errors import nearest, require
from selfplay.core.tasks import Match

RULES = ("at_least", "at_most")


@dataclass(frozen=True)
class Constraint:
    """A judge whose verdict a response has to pass, whatever its reward."""

    judge: Choice = component("verifier", JUDGES)
    """What gives the score that decides."""
    name: str = ""
    """What a violation is called; the judge's name when empty."""
    threshold: float = 1.0
    """The score that decides, on the judge's scale."""
    rule: str = "at_least"
    """`at_least`: a response passes from the threshold on; `at_most`: up to it."""

    def check(self, where: str) -> None:
        """Refuses a rule that there is not.

        Raises:
            ConfigError: says which there are.
        """
        found = f"'{self.rule}'; {nearest(self.rule, RULES)}"
        require(self.rule in RULES, f"{where}.rule", " or ".join(RULES), found)

    @property
    def label(self) -> str:
        """What a violation is called."""
        return self.name or self.judge.name

    def holds(self, score: float) -> bool:
        """Does a response with this score pass?"""
        return score >= self.threshold if self.rule == "at_least" else score <= self.threshold


def check_labels(constraints: tuple[Constraint, ...], where: str) -> None:
    """Refuses constraints that could not be told apart.

    Raises:
        ConfigError: two of them have one name.
    """
    labels = [constraint.label for constraint in constraints]
    repeated = sorted({label for label in labels if labels.count(label) > 1})
    expected = "a name of its own for each; set `name`"
    require(not repeated, where, expected, f"{', '.join(repeated)} twice")


@dataclass(frozen=True)
class TaskJudges:
    """The judges of one task's prompts."""

    name: str
    match: Match
    judge: Choice
    constraints: tuple[Constraint, ...]


@dataclass(frozen=True)
class MetaConfig:
    """The meta role."""

    judge: Any = component("verifier", JUDGES)
    """What gives the reward."""
    repeats: int = 1
    """How often the judge of the reward is asked about each response: the reward is the mean, and
    the creator can tell a prompt's spread from the judge's noise (`corrected_variance`,
    `corrected_gap`, `judge_disagreement`). For judges that draw; others say the same again."""
    constraints: tuple[Constraint, ...] = field(default=(), metadata={"shorthand": "judge"})
    """Judges that a response has to pass, all of them (CGPO's mixture of judges)."""
    rubric: str = ""
    """The first rubric: a YAML file, or the name of one that ships (`surface`); empty for none."""
    keep_replies: bool = True
    """Whether what judging models write is kept with their verdicts, compressed: reviewers are
    shown it, and `selfplay prompts show --replies` prints it."""
    reply_limit: int = 20_000
    """Characters of each reply that are kept; a reviewer learns nothing from one that is cut."""
    verify: VerifierOptions = field(default_factory=VerifierOptions)
    """How held-out tasks are verified, whatever the reward is."""
    trusted: Any = component("verifier", JUDGES)
    """Whose scores are trusted: of anchors, of what an alarm suspects, of audited prompts."""
    trusted_rubric: str = ""
    """A rubric of the trusted judge's own, where it reads one; it never changes."""
    monitors: MonitoringOptions = field(default_factory=MonitoringOptions)
    """What watches the responses, and when it raises an alarm."""
    review: ReviewOptions = field(default_factory=ReviewOptions)
    """When the rubric is reviewed, and by whom."""

    def check(self, where: str) -> None:
        """Refuses constraints that could not be told apart.

        Raises:
            ConfigError: two of them have one name, or there is nothing to review.
        """
        require(
            bool(self.rubric) or not self.review.enabled,
            f"{where}.rubric",
            "a rubric where reviews are enabled",
            "none",
        )
        require(self.repeats >= 1, f"{where}.repeats", "1 or more", self.repeats)
        require(self.reply_limit >= 1, f"{where}.reply_limit", "1 or more", self.reply_limit)
        check_labels(self.constraints, f"{where}.constraints")
