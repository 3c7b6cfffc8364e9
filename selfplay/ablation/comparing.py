"""What the arms reached, and how far apart they are within a seed.

Outcomes are read from each run's ledger: any metric of its last evaluation, or

    tokens   generated for training, estimates and evolving: what `token_budget` counts
    reward   mean reward of the samples over the last 5 rounds
    gap      `reward` less `heldout/sampled`: what the reward pays for and the verifier does not

Intervals are Student's t at 95 %, over the seeds; the difference of two arms is taken seed by seed,
so that what a seed does to both drops out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from selfplay.ablation.grid import AblationConfig, Cell
from selfplay.analysis.status import Standing, standing
from selfplay.core.errors import ConfigError, LedgerError, nearest
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER
from selfplay.stages.evaluation import SAMPLED

LEVEL = 0.95
ENDING = 5
"""Rounds over which the reward is averaged at the end."""
TOKENS, REWARD, GAP = "tokens", "reward", "gap"
LARGE = 1000.0


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval."""

    mean: float
    half: float
    """Half the width; NaN with fewer than two values."""

    def __str__(self) -> str:
        """`0.512 ± 0.010`; a single value alone, and a dash for what is not known."""
        if math.isnan(self.mean):
            return "–"
        form = ",.0f" if max(abs(self.mean), self.half) >= LARGE else ".3f"
        return f"{self.mean:{form}}" + ("" if math.isnan(self.half) else f" ± {self.half:{form}}")

    @property
    def low(self) -> float:
        """Lower end."""
        return self.mean - self.half

    @property
    def high(self) -> float:
        """Upper end."""
        return self.mean + self.half


def interval(values: NDArray[np.float64]) -> Interval:
    """Mean and Student's t interval of `values`, shape (n,)."""
    if len(values) < 2:
        return Interval(float(values.mean()), float("nan"))
    from scipy.stats import t

    error = values.std(ddof=1) / np.sqrt(len(values))
    return Interval(float(values.mean()), float(t.ppf((1 + LEVEL) / 2, len(values) - 1) * error))


@dataclass(frozen=True)
class ArmResult:
    """What one arm reached, and how far the reference is ahead of it."""

    arm: str
    values: Mapping[str, list[float]]
    """By outcome: one value for each seed, in order."""
    means: Mapping[str, Interval]
    ahead: Mapping[str, Interval]
    """By outcome: the reference less this arm, paired within seeds; empty for the reference."""
    training_tokens: float
    """Mean over the seeds."""

    def row(self, reference: str) -> dict[str, str | float]:
        """As one row of a table for people."""
        shown: dict[str, str | float] = {"arm": self.arm}
        for name, mean in self.means.items():
            shown[name] = str(mean)
            if name in self.ahead:
                shown[f"{reference} − arm, {name}"] = str(self.ahead[name])
        return shown | {"training tokens": self.training_tokens}


def results(config: AblationConfig, grid: Sequence[Cell]) -> list[ArmResult]:
    """The arms of a grid whose runs are all finished.

    Raises:
        LedgerError: a run is not.
        ConfigError: an outcome was not measured, or arms were evaluated on different prompts.
    """
    check_heldout(grid)
    runs = {
        arm: [finished(cell.directory) for cell in grid if cell.arm == arm] for arm in config.arms
    }
    values_by_arm = {
        arm: np.array([outcomes(found, config.outcomes) for found in standings])
        for arm, standings in runs.items()
    }
    theirs = values_by_arm[config.against]
    ahead = {arm: theirs - own for arm, own in values_by_arm.items() if arm != config.against}
    return [
        ArmResult(
            arm=arm,
            values=dict(zip(config.outcomes, values_by_arm[arm].T.tolist(), strict=True)),
            means=intervals(config.outcomes, values_by_arm[arm]),
            ahead=intervals(config.outcomes, ahead[arm]) if arm in ahead else {},
            training_tokens=float(np.mean([found.training_tokens for found in standings])),
        )
        for arm, standings in runs.items()
    ]


def intervals(names: Sequence[str], values: NDArray[np.float64]) -> dict[str, Interval]:
    """An interval for each column of `values`, shape (seeds, outcomes)."""
    return {name: interval(values[:, k]) for k, name in enumerate(names)}


def outcomes(found: Standing, names: Sequence[str]) -> list[float]:
    """A finished run's outcomes by name.

    Raises:
        ConfigError: one of them was not measured.
    """
    with Ledger.open(Path(found.directory) / LEDGER, read_only=True) as ledger:
        last = ledger.stage_metrics(max(found.evaluations), "evaluate") if found.evaluations else {}
        rewards = sorted((m.round, m.value) for m in ledger.metrics(REWARD))[-ENDING:]
    reward = float(np.mean([value for _, value in rewards])) if rewards else math.nan
    known = {
        **last,
        TOKENS: float(found.training_tokens),
        REWARD: reward,
        GAP: reward - last.get(SAMPLED, math.nan),
    }
    missing = [name for name in names if name not in known]
    if missing:
        raise ConfigError(
            f"outcomes: '{missing[0]}' was not measured in {found.directory}; "
            f"{nearest(missing[0], known)}"
        )
    return [known[name] for name in names]


def finished(directory: Path) -> Standing:
    """The standing of a run that is over.

    Raises:
        LedgerError: it is not, so its newest evaluation is not its last.
    """
    found = standing(directory)
    if found.state != "finished":
        raise LedgerError(
            f"{directory} is {found.state} in round {found.round}, so there is nothing to compare "
            "yet; run the grid again"
        )
    return found


def check_heldout(grid: Sequence[Cell]) -> None:
    """Refuses to compare arms that were evaluated on different prompts under one seed.

    Raises:
        ConfigError: names two such runs.
    """
    first: dict[int, tuple[Cell, frozenset[str]]] = {}
    for cell in grid:
        with Ledger.open(cell.directory / LEDGER, read_only=True) as ledger:
            asked = frozenset(ledger.ids_made_by("heldout"))
        other, theirs = first.setdefault(cell.seed, (cell, asked))
        if asked != theirs:
            raise ConfigError(
                f"arms are compared on the same held-out prompts, and '{other.arm}' and "
                f"'{cell.arm}' have different ones under seed {cell.seed}; give both the same "
                "evaluation.source"
            )
