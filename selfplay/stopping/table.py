"""What of stop conditions can be configured, and their table. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass

from meta.monitors.table import MONITORS
from selfplay.core.components import Row, Table
from selfplay.core.errors import nearest, require

MEASURES = {
    "distinct": "share of the prompts' word pairs that are different",
    "spread": "mean cosine distance between the prompts' meanings",
    "kinds": "effective number of different meanings",
}
"""How varied a round's prompts are; see `creator.diversity`. The last two need an embedder."""


@dataclass(frozen=True)
class PlateauOptions:
    """Early stopping: patience and least improvement, as Prechelt, 1998, has them."""

    metric: str = "heldout/sampled"
    """Of the evaluations; higher is better."""
    evaluations: int = 5
    """So many in a row without a gain over the best one before them."""
    gain: float = 0.005
    """The least difference that counts as one."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: no evaluations, or a negative gain.
        """
        require(self.evaluations >= 1, f"{where}.evaluations", "1 or more", self.evaluations)
        require(self.gain >= 0, f"{where}.gain", "0 or more", self.gain)


@dataclass(frozen=True)
class DiversityOptions:
    """How far the prompts may grow alike."""

    measure: str = "distinct"
    """One of `MEASURES`."""
    share: float = 0.5
    """Of what the first rounds had on average: below it, a round counts as collapsed."""
    rounds: int = 5
    """So many first rounds are compared with, and so many collapsed ones in a row end the run."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: an unknown measure, a share outside (0, 1], or no rounds.
        """
        hint = f"'{self.measure}'; {nearest(self.measure, MEASURES)}"
        require(self.measure in MEASURES, f"{where}.measure", " or ".join(MEASURES), hint)
        require(0 < self.share <= 1, f"{where}.share", "above 0 and up to 1", self.share)
        require(self.rounds >= 1, f"{where}.rounds", "1 or more", self.rounds)


@dataclass(frozen=True)
class AlarmOptions:
    """Which alarms of the monitors end the run."""

    monitors: tuple[str, ...] = ()
    """Of these; of any when empty."""
    rounds: int = 1
    """So many rounds in a row with an alarm."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: no rounds, or a monitor that there is not.
        """
        for name in self.monitors:
            known = name in MONITORS or ":" in name
            expected = "names of monitors, or 'package.module:Class' as there"
            require(known, f"{where}.monitors", expected, f"'{name}'; {nearest(name, MONITORS)}")
        require(self.rounds >= 1, f"{where}.rounds", "1 or more", self.rounds)


STOPS: Table = {
    "plateau": Row(
        "selfplay.stopping.conditions:Plateau",
        PlateauOptions,
        "held-out accuracy has not risen for a number of evaluations",
    ),
    "diversity": Row(
        "selfplay.stopping.conditions:Diversity",
        DiversityOptions,
        "the rounds' prompts have grown alike",
    ),
    "alarm": Row(
        "selfplay.stopping.conditions:Alarmed",
        AlarmOptions,
        "the monitors raise an alarm, some rounds in a row",
    ),
}
"""Stop conditions by name; one is built as `factory(options, embed)`."""
