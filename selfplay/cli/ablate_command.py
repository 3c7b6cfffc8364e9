"""`selfplay ablate`: runs a grid of overrides × seeds and prints paired differences."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer


def ablate(
    source: Annotated[
        str, typer.Argument(help="The grid: a YAML file, or a shipped one, such as curriculum.")
    ],
    overrides: Annotated[list[str] | None, typer.Argument(help="key=value, e.g. seeds=3.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where the runs go. Default: runs/ablations/<file>.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Runs at a time.")] = os.cpu_count() or 1,
    as_json: Annotated[bool, typer.Option("--json", help="The table as JSON.")] = False,
) -> None:
    """Run a grid of overrides × seeds; print means and paired differences with intervals."""
    from selfplay.ablation import AblationConfig, cells, results, run_cells
    from selfplay.config import load_config, shipped_configs

    shipped = f"ablations/{source}"
    name = shipped if shipped in shipped_configs() else source
    config = load_config(name, overrides or [], AblationConfig).config
    directory = out or Path("runs") / "ablations" / Path(source).stem
    grid = cells(config, directory)
    typer.echo(f"{len(grid)} runs in {directory}, {workers} at a time", err=as_json)
    for done, cell in enumerate(run_cells(grid, workers), start=1):
        typer.echo(f"{done}/{len(grid)}  {cell.arm}, seed {cell.seed}", err=as_json)
    found = results(config, grid)
    if as_json:
        typer.echo(json.dumps([asdict(arm) for arm in found], indent=1))
        return
    typer.echo(f"\n{config.title}: mean and 95 % interval over {config.seeds} paired seeds")
    for arm in found:
        typer.echo(f"\n{arm.arm}")
        for name, value in arm.row(config.reference or found[0].arm).items():
            if name != "arm":
                shown = f"{value:,.0f}" if isinstance(value, float) else value
                typer.echo(f"    {name:<40} {shown}")
    typer.echo(f"\nnext: selfplay status {grid[0].directory} looks at one of the runs")
