"""Options of the review of a rubric: when, by whom, on which anchors. No NumPy, no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from meta.acceptance.options import GateOptions
from meta.monitors.table import MonitorsOptions
from meta.reviewers.table import REVIEWERS
from selfplay.core.components import NoOptions, Row, Table, component
from selfplay.core.errors import nearest, require
from selfplay.core.models.table import MODELS


@dataclass(frozen=True)
class MonitoringOptions(MonitorsOptions):
    """Monitors of a run."""

    enabled: bool = False
    """Whether monitors look at each round."""
    audit: int = 0
    """Prompts of each round whose responses the trusted judge scores as well: what the monitors
    `gap` and `disagreement` read."""

    def check(self, where: str) -> None:
        """As `MonitorsOptions.check`; the audit is not negative."""
        super().check(where)
        require(self.audit >= 0, f"{where}.audit", "0 or more", self.audit)


@dataclass(frozen=True)
class SampledOptions:
    """Anchors out of the first policy's own answers."""

    prompts: int = 128
    """Originals that are asked; fewer where there are fewer."""
    samples: int = 8
    """Responses to each."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: no prompts, or responses that cannot be compared.
        """
        require(self.prompts >= 1, f"{where}.prompts", "1 or more", self.prompts)
        require(self.samples >= 2, f"{where}.samples", "2 or more", self.samples)


@dataclass(frozen=True)
class AnchorFileOptions:
    """Anchors that the user has."""

    path: str = ""
    """JSON Lines with prompt, response and score."""

    def check(self, where: str) -> None:
        """Refuses a file without a name.

        Raises:
            ConfigError: no path.
        """
        require(bool(self.path), f"{where}.path", "a file of anchors", "none")


ANCHORS: Table = {
    "sampled": Row(
        "meta.anchors.first:sampled",
        SampledOptions,
        "the first policy's answers to originals, scored by `meta.trusted`",
    ),
    "file": Row(
        "meta.anchors.first:from_file", AnchorFileOptions, "scored responses of the user's"
    ),
    "none": Row("meta.anchors.first:none", NoOptions, "only what alarms and people add later"),
}
"""Where the first anchors come from."""

ADOPTIONS = {
    "gate": "a candidate that the gate accepts",
    "always": "every candidate, as in MPO: for comparison",
}


@dataclass(frozen=True)
class ReviewOptions:
    """When the rubric is reviewed, by whom, and what a candidate has to pass."""

    enabled: bool = False
    """Whether there are reviews."""
    reviewer: Any = component("statistical", REVIEWERS)
    """Who proposes."""
    model: Any = component("policy", MODELS)
    """Who writes for a reviewer that is a language model."""
    every: int = 0
    """Rounds between reviews by the calendar; 0: none."""
    on_alarm: bool = True
    """Review when an alarm asks for it."""
    saturation: float | None = None
    """Review when this share of a round's rewards is at the top of the scale; null: never."""
    plateau: int = 0
    """Review when the mean reward of so many rounds is no higher than that of as many before;
    0: never."""
    rest: int = 4
    """Rounds after a review in which there is no other."""
    anchors: Any = component("sampled", ANCHORS, shorthand=("file", "path"))
    """The first anchors."""
    fresh: int = 64
    """Prompts of the anchors that the policy is asked again for each review: what it does now is
    scored by the trusted judge and appended as suspects."""
    samples: int = 2
    """Responses to each of them."""
    clusters: int = 0
    """Clusters of prompts in each task with rubrics of their own; 0: one rubric for all."""
    adopt: str = "gate"
    """One of `ADOPTIONS`."""
    gate: GateOptions = field(default_factory=GateOptions)
    """What a candidate has to pass."""
    rescore: int = 1
    """Rounds whose responses are scored anew under an adopted rubric, for the creator to compare;
    what is older is stale."""
    token_budget: int | None = None
    """Tokens of language models that all reviews of the run together may take."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range.
        """
        for name in ("every", "plateau", "rest", "fresh", "clusters"):
            require(getattr(self, name) >= 0, f"{where}.{name}", "0 or more", getattr(self, name))
        for name in ("samples", "rescore"):
            require(getattr(self, name) >= 1, f"{where}.{name}", "1 or more", getattr(self, name))
        share, budget = self.saturation, self.token_budget
        fits = share is None or 0 < share <= 1
        require(fits, f"{where}.saturation", "null, or above 0 and up to 1", share)
        require(
            budget is None or budget >= 1, f"{where}.token_budget", "null, or 1 or more", budget
        )
        hint = f"'{self.adopt}'; {nearest(self.adopt, ADOPTIONS)}"
        require(self.adopt in ADOPTIONS, f"{where}.adopt", " or ".join(ADOPTIONS), hint)
