"""The tables of what can be made of judged groups: pairs, single responses, good and bad ones.

A factory of `PAIRINGS` takes its options and gives a function (groups, seed) -> `Pairing`; those
of `SELECTIONS` and `UNPAIRED` give (groups, seed) -> `Selection`. What comes out is determined by
what goes in. Torch-free.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from selfplay.core.components import NoOptions, Row
from selfplay.core.errors import nearest, require

MATCHES = ("first_round", "tournament")
SHORT = ("refuse", "skip")


@dataclass(frozen=True)
class AllPairsOptions:
    """Every better response against every worse one."""

    margin: float = 0.0
    """Only pairs whose rewards differ by more."""
    max_per_group: int | None = None
    """Keep at most so many pairs of a group, drawn uniformly; all when null."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range.
        """
        require(self.margin >= 0, f"{where}.margin", "0 or more", self.margin)
        require(
            self.max_per_group is None or self.max_per_group >= 1,
            f"{where}.max_per_group",
            "1 or more, or null for all",
            self.max_per_group,
        )


@dataclass(frozen=True)
class RejectionSamplingOptions:
    """Statistical rejection sampling (RSO), then matches between the accepted responses."""

    beta: float = 0.5
    """In units of the reward: 0 takes the n best, infinity any n."""
    n: int = 4
    """Responses accepted from each group, best far fewer than are sampled (the paper: 8 of 64)."""
    pairing: str = "first_round"
    """`first_round`: each accepted response meets one other; `tournament`: the winners go on
    meeting until one is left."""
    short: str = "refuse"
    """A group with fewer than n different scored responses: `refuse` stops with an error, `skip`
    leaves the group out and counts it."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range, or an unknown word.
        """
        require(self.beta >= 0, f"{where}.beta", "0 or more", self.beta)
        require(self.n >= 2, f"{where}.n", "2 or more", self.n)
        for name, known in (("pairing", MATCHES), ("short", SHORT)):
            word = getattr(self, name)
            hint = f"'{word}'; {nearest(word, known)}"
            require(word in known, f"{where}.{name}", " or ".join(known), hint)


@dataclass(frozen=True)
class LengthTieredOptions:
    """The shortest of the nearly best against the longest of the nearly worst."""

    width: float = 0.1
    """Of the upper and of the lower tier, as a fraction of the group's range of rewards."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: tiers that would overlap.
        """
        require(0 <= self.width < 0.5, f"{where}.width", "0 or more and below 0.5", self.width)


@dataclass(frozen=True)
class BestOfNOptions:
    """The best responses of each group."""

    k: int = 1
    """How many of each group."""
    min_reward: float | None = None
    """Only responses with at least this reward; any when null."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range.
        """
        require(self.k >= 1, f"{where}.k", "1 or more", self.k)


@dataclass(frozen=True)
class ThresholdOptions:
    """Good and bad responses, told apart by one bound on the reward."""

    threshold: float = 0.5
    """A response is desirable with at least this reward."""
    margin: float = 0.0
    """Responses nearer to the threshold than this are left out."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: a value outside its range.
        """
        require(self.margin >= 0, f"{where}.margin", "0 or more", self.margin)


PAIRINGS: Mapping[str, Row] = MappingProxyType(
    {
        "max_min": Row(
            "solver.examples.pairs:max_min", NoOptions, "the best response against the worst"
        ),
        "max_random": Row(
            "solver.examples.pairs:max_random", NoOptions, "the best against a random worse one"
        ),
        "all_pairs": Row(
            "solver.examples.pairs:all_pairs",
            AllPairsOptions,
            "every better one against every worse",
        ),
        "rso": Row(
            "solver.examples.rejection_sampling:rso",
            RejectionSamplingOptions,
            "statistical rejection sampling, then matches between the accepted",
        ),
        "length_tiered": Row(
            "solver.examples.pairs:length_tiered",
            LengthTieredOptions,
            "the shortest of the nearly best against the longest of the nearly worst",
        ),
        "constraints": Row(
            "solver.examples.pairs:constraints",
            NoOptions,
            "the best that keeps all constraints against the worst that breaks one",
        ),
    }
)
"""How groups become pairs of a preferred and a rejected response."""

SELECTIONS: Mapping[str, Row] = MappingProxyType(
    {
        "best_of_n": Row(
            "solver.examples.singles:best_of_n", BestOfNOptions, "the k best of each group"
        ),
        "all": Row("solver.examples.singles:all_scored", NoOptions, "every scored response"),
    }
)
"""Which responses are worth imitating."""

UNPAIRED: Mapping[str, Row] = MappingProxyType(
    {
        "threshold": Row(
            "solver.examples.singles:by_threshold",
            ThresholdOptions,
            "desirable from a fixed reward on, undesirable below",
        ),
        "mean": Row(
            "solver.examples.singles:by_mean",
            NoOptions,
            "desirable above the mean of the group, undesirable below",
        ),
    }
)
"""Which responses are good and which are bad."""
