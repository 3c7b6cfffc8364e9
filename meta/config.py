"""The meta role's configuration and the table of its judges. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from meta.tables import judging
from meta.tables.code import ROWS as CODE
from meta.tables.review import MonitoringOptions, ReviewOptions
from meta.tables.verifiers import ROWS as VERIFIERS
from selfplay.core.checks import check_parameters
from selfplay.core.components import Choice, NoOptions, Row, component, model_place
from selfplay.core.errors import ConfigError, nearest, require
from selfplay.core.tasks import Match

EXTRACTIONS: Mapping[str, str] = {
    "auto": "what the last \\boxed{}, <answer> or answer marker marks, else the whole response",
    "whole": "the whole response",
    "last_number": "the last number",
    "boxed": "the last \\boxed{}",
    "after_marker": "the line after the last `marker`",
}
"""Where in a response the verifier looks for the answer."""


@dataclass(frozen=True)
class VerifierOptions:
    """How a response's answer is found and compared."""

    extract: str = "auto"
    """One of `EXTRACTIONS`."""
    marker: str = "####"
    """What the answer follows, for `after_marker`."""
    binary: bool = True
    """Only a full score counts, as 1; else a puzzle's partial credit is the reward."""
    timeout: int = 5
    """Seconds for one comparison (of processor time) or one puzzle score."""

    def __post_init__(self) -> None:
        if self.extract not in EXTRACTIONS:
            raise ConfigError(
                f"verifier.extract: nothing is called '{self.extract}'; "
                f"{nearest(self.extract, EXTRACTIONS)}"
            )
        if not self.marker.strip():
            raise ConfigError("verifier.marker: expected some text, found none")
        if self.timeout < 1:
            raise ConfigError(f"verifier.timeout: expected 1 second or more, found {self.timeout}")


@dataclass(frozen=True)
class CheckOptions:
    """One check in code."""

    kind: str = "length"
    """Which check, by its name in `selfplay.core.checks`."""
    params: dict[str, Any] = field(default_factory=dict)
    """Its parameters: for `length` unit, minimum and maximum; for `pattern` regex and whole."""

    def check(self, where: str) -> None:
        """Refuses what is no check.

        Raises:
            ConfigError: an unknown check, or parameters that it does not take.
        """
        check_parameters(self.kind, self.params, where)


FORMATS: Mapping[str, str] = {
    "auto": "what the directory's config.json names as `reward_format`, else `chat` where the "
    "tokenizer has a chat template, else `pair`",
    "chat": "the chat template over prompt and response, the response being the assistant's turn",
    "answer": "the chat template up to where the answer begins, the response, and the "
    "template's end of turn behind a response that was not cut off",
    "pair": "the tokenizer's own encoding of two texts, the prompt's and the response",
    "plain": "the prompt's text, a blank line, the response",
}
"""How a reward model is shown a prompt and its response."""


@dataclass(frozen=True)
class RewardModelOptions:
    """A sequence-classification model whose score is the reward."""

    path: str = model_place("")
    """A model directory in Hugging Face layout, or a hub name."""
    format: str = "auto"
    """One of `FORMATS`."""
    head: int = 0
    """Which of the model's labels is the score."""
    mean: float = 0.0
    """The reward is (score - mean) / std: what the scores of trusted responses have."""
    std: float = 1.0
    """What the difference from `mean` is divided by."""
    squash: bool = False
    """Pass the reward through the logistic function, to lie in [0, 1]."""
    dtype: str = "float32"
    """Of the weights, by torch's name."""
    device: str = "auto"
    """`cpu`, `cuda` or `auto`: CUDA where there is one."""
    batch_tokens: int = 16384
    """Tokens, padding included, that are scored at once."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: no path, an unknown format, or a value outside its range.
        """
        require(bool(self.path), f"{where}.path", "a reward model's directory", "none")
        hint = f"'{self.format}'; {nearest(self.format, FORMATS)}"
        require(self.format in FORMATS, f"{where}.format", " or ".join(FORMATS), hint)
        require(self.head >= 0, f"{where}.head", "0 or more", self.head)
        require(self.std > 0, f"{where}.std", "above 0", self.std)
        require(self.batch_tokens >= 1, f"{where}.batch_tokens", "1 or more", self.batch_tokens)


JUDGES: Mapping[str, Row] = {
    "verifier": Row(
        "meta.judges.verifier:Verifier",
        VerifierOptions,
        "1 for the right answer: a puzzle's own scorer, or the gold answer by math-verify",
    ),
    "rubric": Row(
        "meta.judges.rubric_checks:RubricChecks",
        NoOptions,
        "the rubric's score, every criterion being a check in code",
    ),
    "reward_model": Row(
        "meta.judges.reward_model:RewardModelJudge",
        RewardModelOptions,
        "the score of a sequence-classification model, such as a trained reward model",
    ),
    "check": Row(
        "meta.judges.check:CheckJudge",
        CheckOptions,
        "the degree to which one check in code is passed: a length, a pattern, an ending",
    ),
    **judging.ROWS,
    **CODE,
    **VERIFIERS,
}
"""Judges by name. A judge is built as `factory(options, rubric)`, the rubric being None without."""

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
