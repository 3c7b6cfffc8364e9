"""`selfplay ablate`: runs a grid of overrides × seeds and reports paired differences."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from selfplay.cli.output import say, say_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from selfplay.ablation import AblationConfig, ArmResult, Forecast, GridProgress

HOUR, MINUTE = 3600, 60


def ablate(
    source: Annotated[
        str, typer.Argument(help="The grid: a YAML file, or a shipped one, such as smoke.")
    ],
    overrides: Annotated[list[str] | None, typer.Argument(help="key=value, e.g. seeds=3.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Runs and report. Default: runs/ablations/<file>.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Runs at a time. Default: what processors and GPUs hold.")
    ] = None,
    threads: Annotated[int, typer.Option(help="CPU threads of each run.")] = 1,
    gpus: Annotated[
        str, typer.Option(help="GPUs to hand out, one to a run: 0,1,2. Default: none named.")
    ] = "",
    per_gpu: Annotated[int, typer.Option(help="Runs on a GPU at a time.")] = 1,
    memory: Annotated[
        float, typer.Option(help="GiB that a run is taken to need before one has been seen.")
    ] = 1.0,
    share: Annotated[
        bool, typer.Option(help="Play round 0 once for arms that it is the same for.")
    ] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would take, timing two rounds an arm.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The table as JSON.")] = False,
) -> None:
    """Run a grid of overrides × seeds; report means and paired differences with intervals."""
    from selfplay.ablation import Host, ablation_cost
    from selfplay.ablation import ablate as compare

    host = Host(threads, tuple(filter(None, gpus.split(","))), per_gpu, memory)
    if dry_run:
        cost = ablation_cost(source, overrides or [], out, workers, host, timed)
        show_forecast(cost, as_json)
        return

    def watch(progress: GridProgress) -> None:
        say(line(progress), err=as_json)

    found = compare(source, overrides or [], out, workers, host, share, watch)
    if as_json:
        say_json(json.dumps([asdict(arm) for arm in found.arms], indent=1))
        return
    show(found.config, found.arms)
    say(f"\nreport: {next(path for path in found.files if path.suffix == '.html')}")
    say(f"next: selfplay status {found.cells[0].directory} looks at one of the runs")


def line(progress: GridProgress) -> str:
    """How far a grid is."""
    if progress.cell is None:
        return f"{progress.total} runs in {progress.directory}, {progress.workers} at a time"
    left = progress.seconds_left
    ahead = f" · about {duration(left)} left" if left else ""
    arm, seed = progress.cell.arm, progress.cell.seed
    return f"{progress.done}/{progress.total}  {arm}, seed {seed}{ahead}"


def timed(arm: str) -> None:
    """Says which arm was timed, beside what is printed."""
    say(f"timed {arm}", err=True)


def show(config: AblationConfig, found: Sequence[ArmResult]) -> None:
    """Prints the arms, each with its outcomes."""
    say(f"\n{config.title}: mean and 95 % interval over {config.seeds} paired seeds")
    for arm in found:
        say(f"\n{arm.arm}")
        for name, value in arm.row(config.against).items():
            if name != "arm":
                shown = f"{value:,.0f}" if isinstance(value, float) else value
                say(f"    {name:<40} {shown}")


def show_forecast(found: Forecast, as_json: bool) -> None:
    """Prints what is left of the grid."""
    if as_json:
        say_json(json.dumps(found.as_dict(), indent=1))
        return
    say(f"{'arm':<26} {'runs left':>9} {'each':>10} {'tokens each':>14}  from")
    for arm in found.arms:
        say(
            f"{arm.arm:<26} {arm.left:>9} {duration(arm.seconds):>10} {arm.tokens:>14,.0f}  "
            f"{arm.basis}"
        )
    say(
        f"\nabout {duration(found.seconds)} with {found.workers} at a time, "
        f"{found.tokens:,.0f} tokens"
    )


def duration(seconds: float) -> str:
    """`40 s`, `12 min` or `3.5 h`."""
    if math.isnan(seconds):
        return "–"
    if seconds < 2 * MINUTE:
        return f"{seconds:.0f} s"
    return f"{seconds / MINUTE:.0f} min" if seconds < 2 * HOUR else f"{seconds / HOUR:.1f} h"
