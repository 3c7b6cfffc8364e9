"""Monitors: names, options and where their code is. No NumPy, no torch.

A factory takes its options and gives a `Statistic` (`meta.monitors.seen`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from selfplay.core.components import Row, components
from selfplay.core.errors import nearest, require

ACTIONS = ("tell", "review", "pause")
"""What an alarm asks for: a line in the report, a review of the rubric, or that the run stops."""


@dataclass(frozen=True)
class MonitorOptions:
    """Options of every monitor."""

    action: str = "review"
    """One of `ACTIONS`."""
    least: float = 0.02
    """The smallest drift that matters, in the statistic's own unit."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range, or an unknown action.
        """
        hint = f"'{self.action}'; {nearest(self.action, ACTIONS)}"
        require(self.action in ACTIONS, f"{where}.action", " or ".join(ACTIONS), hint)
        require(0 <= self.least < math.inf, f"{where}.least", "0 or more", self.least)


@dataclass(frozen=True)
class LengthOptions(MonitorOptions):
    """Lengths change as a policy learns, so their drift is told and asks for nothing."""

    action: str = "tell"
    least: float = 0.1
    """In log(1 + length): 0.1 is about a tenth longer or shorter."""


@dataclass(frozen=True)
class TailOptions(MonitorOptions):
    """Responses far shorter, or far longer, than most."""

    tail: float = 0.02
    """Share of the responses, of the reference and of now together."""

    def check(self, where: str) -> None:
        """As `MonitorOptions.check`."""
        super().check(where)
        require(0 < self.tail < 0.5, f"{where}.tail", "above 0 and below 0.5", self.tail)


@dataclass(frozen=True)
class EmptyOptions(MonitorOptions):
    """Responses that say nothing."""

    words: int = 1
    """A response of fewer words counts."""

    def check(self, where: str) -> None:
        """As `MonitorOptions.check`."""
        super().check(where)
        require(self.words >= 1, f"{where}.words", "1 or more", self.words)


@dataclass(frozen=True)
class WordingOptions(MonitorOptions):
    """n-grams of words."""

    n: int = 3
    """Words in each."""

    def check(self, where: str) -> None:
        """As `MonitorOptions.check`."""
        super().check(where)
        require(self.n >= 1, f"{where}.n", "1 or more", self.n)


@dataclass(frozen=True)
class DistinctOptions(WordingOptions):
    """Responses grow alike as a policy grows sure, so their drift is told and asks for nothing."""

    action: str = "tell"
    least: float = 0.05


@dataclass(frozen=True)
class TemplateOptions(MonitorOptions):
    """When responses are cut from one template."""

    words: int = 8
    """Words of an opening or a closing, and the fewest of a skeleton; numbers are none."""
    prompts: int = 3
    """Other prompts whose responses have the same."""

    def check(self, where: str) -> None:
        """As `MonitorOptions.check`."""
        super().check(where)
        for name in ("words", "prompts"):
            require(getattr(self, name) >= 1, f"{where}.{name}", "1 or more", getattr(self, name))


@dataclass(frozen=True)
class LanguageOptions(MonitorOptions):
    """Which languages responses may be in."""

    allowed: tuple[str, ...] = ()
    """ISO 639-1 codes; empty: the prompt's own."""


@dataclass(frozen=True)
class PatternOptions(MonitorOptions):
    """Phrases."""


@dataclass(frozen=True)
class SaturationOptions(MonitorOptions):
    """When scores say nothing any more."""

    least: float = 0.05
    share: float = 0.8
    """Share at the top of the scale from which on a rise is an alarm."""
    margin: float = 0.0
    """Part of the scale that counts as its top."""
    limit: float | None = None
    """Share from which on there is an alarm whatever it was before, from the first round on: a
    judge that was saturated from the start has not drifted. Null: drifts alone alarm."""

    def check(self, where: str) -> None:
        """As `MonitorOptions.check`."""
        super().check(where)
        require(0 <= self.share <= 1, f"{where}.share", "0 to 1", self.share)
        require(0 <= self.margin < 1, f"{where}.margin", "from 0 to below 1", self.margin)
        fits = self.limit is None or 0 < self.limit <= 1
        require(fits, f"{where}.limit", "above 0 and up to 1, or null", self.limit)


@dataclass(frozen=True)
class EntropyOptions(MonitorOptions):
    """Scores grow alike also because prompts are solved, so their drift asks for nothing."""

    action: str = "tell"
    least: float = 0.05
    """Nats."""


@dataclass(frozen=True)
class TrustOptions(MonitorOptions):
    """Against a trusted judge."""

    least: float = 0.03
    """In shares of the scale, or of the comparisons."""


MONITORS: dict[str, Row] = {
    "characters": Row("meta.monitors.length:characters", LengthOptions, "length in characters"),
    "tokens": Row("meta.monitors.length:tokens", LengthOptions, "length in tokens"),
    "short": Row("meta.monitors.length:short", TailOptions, "share among the shortest of all"),
    "long": Row("meta.monitors.length:long", TailOptions, "share among the longest of all"),
    "empty": Row("meta.monitors.length:empty", EmptyOptions, "share without a word"),
    "repetition": Row(
        "meta.monitors.wording:repetition", WordingOptions, "share of n-grams said before"
    ),
    "distinct": Row(
        "meta.monitors.wording:distinct",
        DistinctOptions,
        "share of n-grams that another response to the prompt lacks",
    ),
    "echo": Row("meta.monitors.wording:echo", WordingOptions, "share of n-grams of the prompt"),
    "templates": Row(
        "meta.monitors.templates:templates",
        TemplateOptions,
        "share that has opening, closing or skeleton in common with responses to other prompts",
    ),
    "language": Row(
        "meta.monitors.language:language", LanguageOptions, "share in another language"
    ),
    "refusals": Row("meta.monitors.patterns:refusals", PatternOptions, "share that refuses"),
    "appeals": Row(
        "meta.monitors.patterns:appeals",
        PatternOptions,
        "share that speaks to the judge or flatters",
    ),
    "saturation": Row(
        "meta.monitors.scores:saturation", SaturationOptions, "share of rewards at the top"
    ),
    "entropy": Row(
        "meta.monitors.scores:entropy", EntropyOptions, "entropy of the rewards in a group"
    ),
    "gap": Row("meta.monitors.trust:gap", TrustOptions, "reward less the trusted judge's"),
    "disagreement": Row(
        "meta.monitors.trust:disagreement",
        TrustOptions,
        "share of comparisons that a trusted judge decides the other way",
    ),
}
"""Every monitor by name."""


@dataclass(frozen=True)
class MonitorsOptions:
    """Which statistics are watched, and how many false alarms are put up with."""

    watch: tuple[Any, ...] = components(tuple(MONITORS), MONITORS)
    """The monitors that look at each round; by default all there are."""
    reference: int = 4
    """Rounds, from the first on, that later ones are compared with; there are no alarms in them."""
    spans: tuple[int, ...] = (1, 4)
    """Rounds that are compared with the reference at once, up to the newest: one alone for what
    comes suddenly, several for what is too little in each of them."""
    budget: float = 0.1
    """False alarms that are expected in `per` rounds, of all monitors together, while nothing
    changes."""
    per: int = 100
    """Rounds."""
    prompts: int = 8
    """With fewer prompts that can be measured, now or in the reference, nothing is said."""
    suspects: int = 32
    """Responses that an alarm points at, at most."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range, or two monitors of one name.
        """
        for name in ("reference", "per", "suspects"):
            require(getattr(self, name) >= 1, f"{where}.{name}", "1 or more", getattr(self, name))
        require(self.prompts >= 2, f"{where}.prompts", "2 or more", self.prompts)
        spans = self.spans
        fits = bool(spans) and min(spans) >= 1 and len(set(spans)) == len(spans)
        require(fits, f"{where}.spans", "different numbers of rounds, 1 or more", list(spans))
        require(self.budget > 0, f"{where}.budget", "above 0", self.budget)
        names = [choice.name for choice in self.watch]
        require(len(set(names)) == len(names), f"{where}.watch", "each monitor once", names)

    @property
    def level(self) -> float:
        """Of one test, so that the budget is kept."""
        return min(0.5, self.budget / (self.per * max(1, len(self.watch)) * len(self.spans)))
