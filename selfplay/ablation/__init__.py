"""Ablations: grids of arms × seeds, run as separate processes, compared in pairs.

Every arm plays with the same seeds, so differences are taken within a seed and the interval is
Student's t of the paired differences. Runs are ordinary run directories: an interrupted grid goes
on where it stopped, and every figure can be traced to its ledger. Left out: p-values, and any
correction for how many arms are compared, since a handful of seeds carries neither.
"""

from selfplay.ablation.comparing import ArmResult, Interval, interval, results
from selfplay.ablation.forecast import Forecast, forecast
from selfplay.ablation.grid import AblationConfig, Cell, cells, grid_config
from selfplay.ablation.host import Host
from selfplay.ablation.job import Ablation, GridProgress, ablate, ablation_cost
from selfplay.ablation.playing import run_cells
from selfplay.ablation.report import write_report

__all__ = [
    "Ablation",
    "AblationConfig",
    "ArmResult",
    "Cell",
    "Forecast",
    "GridProgress",
    "Host",
    "Interval",
    "ablate",
    "ablation_cost",
    "cells",
    "forecast",
    "grid_config",
    "interval",
    "results",
    "run_cells",
    "write_report",
]
