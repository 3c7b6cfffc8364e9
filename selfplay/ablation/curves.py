"""Metrics of a grid by round: each run's curve, and each arm's mean with a band.

The band is the 95 % interval over the seeds (Student's t), round by round. Rounds that some seed of
an arm did not reach, as under a budget of tokens, are left out of that arm's curve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from selfplay.ablation.comparing import GAP, REWARD, TOKENS, interval
from selfplay.ablation.grid import AblationConfig, Cell
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER
from selfplay.stages.evaluation import SAMPLED

Curve: TypeAlias = Mapping[int, float]
"""By round."""


@dataclass(frozen=True)
class Band:
    """An arm's curve of one metric."""

    arm: str
    rounds: tuple[int, ...]
    means: tuple[float, ...]
    halves: tuple[float, ...]
    """Half the interval's width in each round; NaN with a single seed."""


def curves(config: AblationConfig, grid: Sequence[Cell]) -> dict[str, dict[str, dict[int, Curve]]]:
    """By metric, arm and seed; metrics are those outcomes, and their parts, that rounds have."""
    parts = (SAMPLED, REWARD) if GAP in config.outcomes else ()
    # What rounds call `tokens` is another figure than the outcome.
    wanted = [name for name in (*config.outcomes, *parts) if name not in (GAP, TOKENS)]
    found: dict[str, dict[str, dict[int, Curve]]] = {}
    for cell in grid:
        with Ledger.open(cell.directory / LEDGER, read_only=True) as ledger:
            entries = ledger.metrics()
        for name in dict.fromkeys(wanted):
            curve = {entry.round: entry.value for entry in entries if entry.name == name}
            if curve:
                found.setdefault(name, {}).setdefault(cell.arm, {})[cell.seed] = curve
    return found


def bands(arms: Mapping[str, Mapping[int, Curve]]) -> list[Band]:
    """Each arm's mean and interval over its seeds, by round."""
    return [_band(arm, list(by_seed.values())) for arm, by_seed in arms.items()]


def _band(arm: str, runs: Sequence[Curve]) -> Band:
    rounds = tuple(sorted(set.intersection(*(set(curve) for curve in runs))))
    found = [interval(np.array([curve[t] for curve in runs])) for t in rounds]
    return Band(arm, rounds, tuple(each.mean for each in found), tuple(each.half for each in found))
