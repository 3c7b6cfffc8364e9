"""A grid from its file to its report, or to what it would take: what `selfplay ablate` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from selfplay.ablation.comparing import ArmResult, results
from selfplay.ablation.forecast import Forecast, forecast, seconds_left
from selfplay.ablation.grid import AblationConfig, Cell, cells, grid_config
from selfplay.ablation.host import Host
from selfplay.ablation.playing import run_cells
from selfplay.ablation.report import write_report


@dataclass(frozen=True)
class Ablation:
    """A grid that was played."""

    config: AblationConfig
    cells: tuple[Cell, ...]
    """Its runs, each a directory like any other run's."""
    arms: tuple[ArmResult, ...]
    """What each arm reached, and how far the reference is ahead of it, paired within seeds."""
    files: tuple[Path, ...]
    """The report's; the page is `report.html`."""


@dataclass(frozen=True)
class GridProgress:
    """So much of a grid is played: told at the start, and after every run."""

    directory: Path
    workers: int
    done: int
    total: int
    cell: Cell | None
    """The run that has just ended; None at the start."""
    seconds_left: float
    """Until the last run ends, as far as the finished ones tell; NaN at the start."""


def ablate(
    source: str | Path,
    overrides: Sequence[str] = (),
    out: Path | None = None,
    workers: int | None = None,
    host: Host | None = None,
    share: bool = True,
    watch: Callable[[GridProgress], None] = lambda progress: None,
) -> Ablation:
    """Plays the runs of a grid that are not finished, compares the arms, and writes the report.

    Args:
        source: the grid: a YAML file, or the name of one that ships, such as `smoke`.
        overrides: `key=value` each, such as `seeds=3`.
        out: where the runs and the report go; `runs/ablations/<the grid's name>` by default.
        workers: runs at a time; what processors and GPUs hold by default.
        host: what a run may use.
        share: play round 0 once for arms that it is the same for.
        watch: is told how far it is.

    Returns:
        The arms with their paired differences, and where the report lies.

    Raises:
        ConfigError: the grid cannot answer anything, an outcome was not measured, or arms were
            evaluated on different prompts.
        ResourceError: a run failed, or the report cannot be written.
    """
    config, grid, directory = _opened(source, overrides, out)
    at_a_time = (host or Host()).at_a_time(workers)
    watch(GridProgress(directory, at_a_time, 0, len(grid), None, float("nan")))
    done: list[Cell] = []
    for cell in run_cells(grid, at_a_time, host, directory / "shared" if share else None):
        done.append(cell)
        left = seconds_left(grid, done, at_a_time)
        watch(GridProgress(directory, at_a_time, len(done), len(grid), cell, left))
    found = results(config, grid)
    files = write_report(config, grid, found, directory)
    return Ablation(config, tuple(grid), tuple(found), tuple(files))


def ablation_cost(
    source: str | Path,
    overrides: Sequence[str] = (),
    out: Path | None = None,
    workers: int | None = None,
    host: Host | None = None,
    watch: Callable[[str], None] = lambda arm: None,
) -> Forecast:
    """What `ablate` would take, after timing two rounds of every arm of which no run is finished.

    Args:
        source: as of `ablate`.
        overrides: as of `ablate`.
        out: as of `ablate`.
        workers: as of `ablate`.
        host: as of `ablate`.
        watch: is told of every arm that was timed.

    Returns:
        Seconds and tokens, by arm and in all.

    Raises:
        ConfigError: the grid cannot answer anything.
        ResourceError: a timed run failed.
    """
    _, grid, _ = _opened(source, overrides, out)
    return forecast(grid, (host or Host()).at_a_time(workers), host, watch)


def _opened(
    source: str | Path, overrides: Sequence[str], out: Path | None
) -> tuple[AblationConfig, list[Cell], Path]:
    config = grid_config(str(source), overrides)
    directory = out or Path("runs") / "ablations" / Path(source).stem
    return config, cells(config, directory), directory
