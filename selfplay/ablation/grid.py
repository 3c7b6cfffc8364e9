"""What an ablation compares: the grid's file, and its cells."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from selfplay.config import load_config, shipped_configs
from selfplay.core.errors import ConfigError, nearest, require
from selfplay.stages.evaluation import GREEDY, SAMPLED

MAX_RUNS = 100_000
"""Of a grid: more of them are a slip of the pen."""


@dataclass(frozen=True)
class AblationConfig:
    """A grid of overrides × seeds."""

    game: str = "tiny"
    """The configuration that every arm starts from."""
    title: str = "Ablation"
    """Heading of the report."""
    question: str = ""
    """What the grid is to answer; stands in the report."""
    seeds: int = 10
    """Seeds 0 … n − 1."""
    common: list[str] = field(default_factory=list)
    """Overrides of every arm."""
    arms: dict[str, list[str]] = field(default_factory=dict)
    """Overrides by arm."""
    reference: str = ""
    """The arm that the others are subtracted from; the first one when empty."""
    outcomes: list[str] = field(default_factory=lambda: [SAMPLED, GREEDY])
    """What to compare: any metric of the last evaluation (`heldout/judged/win_rate_lc` is one), or
    `tokens`, `reward`, `gap`; see `selfplay.ablation.comparing`."""

    def check(self, where: str) -> None:
        """Refuses a grid that cannot answer anything.

        Raises:
            ConfigError: no arms, seeds or outcomes, an unknown reference arm, or an arm whose name
                is no plain name of a directory.
        """
        if not self.arms or self.seeds < 1:
            raise ConfigError("an ablation needs `arms` (a name and its overrides each) and seeds")
        runs = self.seeds * len(self.arms)
        require(runs <= MAX_RUNS, "seeds", f"at most {MAX_RUNS:,} runs, arms × seeds", runs)
        if self.reference and self.reference not in self.arms:
            raise ConfigError(f"reference: {nearest(self.reference, self.arms)}")
        require(bool(self.outcomes), "outcomes", "one or more", "none")
        for arm in self.arms:
            plain = arm.replace("_", "").replace("-", "").isalnum()
            require(plain, "arms", "names of letters, digits, _ and -", f"'{arm}'")

    @property
    def against(self) -> str:
        """The arm that the others are subtracted from."""
        return self.reference or next(iter(self.arms))


@dataclass(frozen=True)
class Cell:
    """One run of the grid."""

    arm: str
    seed: int
    directory: Path
    game: str
    overrides: tuple[str, ...]

    @property
    def command(self) -> tuple[str, ...]:
        """The run as a user would start it."""
        run = (sys.executable, "-m", "selfplay", "run", self.game, *self.overrides)
        return (*run, "--out", str(self.directory), "--json")


def grid_config(source: str, overrides: Sequence[str] = ()) -> AblationConfig:
    """The grid of a YAML file, or of one that ships, such as `curriculum`.

    Raises:
        ConfigError: it cannot be read, or cannot answer anything.
    """
    shipped = f"ablations/{source}"
    name = shipped if shipped in shipped_configs() else source
    return load_config(name, overrides, AblationConfig).config


def cells(config: AblationConfig, directory: Path) -> list[Cell]:
    """The runs of the grid, seed by seed, so that an interrupted grid has whole pairs."""
    found = []
    for seed in range(config.seeds):
        for arm, overrides in config.arms.items():
            out = directory / f"{arm}-{seed}"
            changes = (*config.common, *overrides, f"seed={seed}")
            found.append(Cell(arm, seed, out, config.game, changes))
    return found
