"""What can be configured of the procedures of RLAIF. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from meta.judges.llm.table import MetaRewardingOptions, PairwiseOptions
from selfplay.core.components import Table, component
from selfplay.core.errors import require
from selfplay.core.models.table import MODELS
from selfplay.core.types import Sampling
from selfplay.data.prompts import PromptFileOptions

WRITERS: Table = {name: row for name, row in MODELS.items() if name != "policy"}
"""Models that there are without a run."""


@dataclass(frozen=True)
class ReviseConfig:
    """Answers that a model criticises and revises (the first phase of Constitutional AI)."""

    prompts: PromptFileOptions = field(
        default_factory=PromptFileOptions, metadata={"shorthand": "path"}
    )
    """What is answered."""
    model: Any = component("transformers", WRITERS, shorthand=("transformers", "path"))
    """Who answers, criticises and revises."""
    constitution: str = "plain"
    """A YAML file, or the name of one that ships."""
    revisions: int = 4
    """Of each answer, under a drawn principle each."""
    sampling: Sampling = field(default_factory=lambda: Sampling(n=1, max_new_tokens=512))
    """Of answers, critiques and revisions; one that does not end within its tokens is missing."""
    seed: int = 0
    """All randomness derives from it."""
    chunk: int = 16
    """Prompts that are worked on, and written, together."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: no prompts, or a value outside its range.
        """
        require(bool(self.prompts.path), "prompts", "a file of prompts", "none")
        require(self.revisions >= 1, "revisions", "1 or more", self.revisions)
        require(self.sampling.n == 1, "sampling.n", "1, a chain for each prompt", self.sampling.n)
        require(self.chunk >= 1, "chunk", "1 or more", self.chunk)


@dataclass(frozen=True)
class LabelConfig:
    """Recorded responses that a judge compares."""

    data: str = ""
    """Recorded groups: JSON Lines, CSV, Parquet or a saved `datasets` directory."""
    layout: str = "groups"
    """As `selfplay train` has it; rewards are not looked at."""
    judge: PairwiseOptions = field(default_factory=PairwiseOptions)
    """How responses are compared, and by which model."""
    chunk: int = 16
    """Prompts that are judged, and written, together."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: no data, no model, or a value outside its range.
        """
        require(bool(self.data), "data", "a file of recorded responses", "none")
        require(self.chunk >= 1, "chunk", "1 or more", self.chunk)
        require(
            self.judge.against == "others",
            "judge.against",
            "others, since a prompt's responses are compared with one another",
            self.judge.against,
        )
        _check_model("judge.model", self.judge.model)


@dataclass(frozen=True)
class RewardedConfig:
    """Recorded responses that a model judges several times, and whose judgements it judges."""

    data: str = ""
    """Recorded groups: JSON Lines, CSV, Parquet or a saved `datasets` directory."""
    layout: str = "groups"
    """As `selfplay train` has it; rewards are not looked at."""
    rubric: str = ""
    """What responses are judged by: a YAML file whose criteria a model scores."""
    judge: MetaRewardingOptions = field(default_factory=MetaRewardingOptions)
    """How often responses are judged, and by which model."""
    width: float = 0.1
    """Of the tiers that a prompt's pair of responses is chosen from, as a fraction of its range of
    rewards: the shortest of the upper one against the longest of the lower one."""
    seed: int = 0
    """All randomness derives from it."""
    chunk: int = 16
    """Prompts that are judged, and written, together."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: no data, no rubric, no model, or a value outside its range.
        """
        require(bool(self.data), "data", "a file of recorded responses", "none")
        require(bool(self.rubric), "rubric", "a rubric's YAML file", "none")
        require(0 <= self.width < 0.5, "width", "0 or more and below 0.5", self.width)
        require(self.chunk >= 1, "chunk", "1 or more", self.chunk)
        _check_model("judge.model", self.judge.model)


def _check_model(where: str, choice: Any) -> None:
    expected = "a model of its own, `{name: transformers, path: DIR}`"
    require(choice.name != "policy", where, expected, "the policy of a run, and there is no run")
