"""`selfplay credit`: which operators and prompt families a run's held-out gain is owed to."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from selfplay.cli.output import say, say_json

if TYPE_CHECKING:
    from selfplay.analysis.credit.table import Attribution, Credit
    from selfplay.events import Progress


def credit(
    directory: Annotated[Path, typer.Argument(help="The run directory.")],
    method: Annotated[
        str, typer.Option(help="influence (first-order, fast) or leave_out (replays).")
    ] = "influence",
    by: Annotated[
        list[str] | None,
        typer.Option(help="operators or families; repeatable. leave_out: operators by default."),
    ] = None,
    top: Annotated[int, typer.Option(help="Rows of a table; with leave_out also replays.")] = 10,
    preconditioner: Annotated[
        str, typer.Option(help="Of influence: adamw (the optimiser's own), or none (TracIn).")
    ] = "adamw",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per table.")] = False,
    as_csv: Annotated[Path | None, typer.Option("--csv", help="Also write this file.")] = None,
) -> None:
    """Attribute held-out gain to operators and prompt families, by learning the run again.

    Nothing is written to the run, and nobody else may write to it meanwhile.
    """
    from selfplay.analysis.credit.of_run import credit_of_run
    from selfplay.analysis.credit.table import write_csv

    say("loading the libraries and the model …", err=True)
    tables = []
    for table in credit_of_run(directory, method, by or (), top, preconditioner, tell):
        tables.append(table)
        if as_json:
            say_json(json.dumps(table.as_dict()))
        else:
            show(table)
    if as_csv is not None:
        write_csv(as_csv, tables)
        say(f"\nwritten to {as_csv}", err=as_json)


def tell(progress: Progress) -> None:
    """Says on the error stream how far it has come."""
    if progress.done == progress.total or progress.done % 10 == 0:
        say(f"{progress.stage}: round {progress.done} of {progress.total}", err=True)


def show(table: Attribution) -> None:
    """Prints one table."""
    say(f"\n{table.method} by {table.kind}, rounds 1 to {table.rounds}")
    say(table.note)
    say(f"\n{'':<18}{'groups':>9}{'gain':>9}   95 % interval")
    for row in table.rows:
        say(f"{line(row)}  {row.text}".rstrip())
    if len(table.rows) < table.labels:
        say(f"… {table.labels - len(table.rows)} more {table.kind}")
    if table.method == "influence":
        say(f"{'total':<18}{'':>9}{table.total:>+9.4f}")
    say(line(table.measured))


def line(row: Credit) -> str:
    """Label, groups, gain and interval, in columns."""
    ends = "" if math.isnan(row.low) else f"   {row.low:+.4f} to {row.high:+.4f}"
    return f"{row.label:<18}{row.groups:>9.1f}{row.gain:>+9.4f}{ends:<23}"
