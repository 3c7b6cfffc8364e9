"""`selfplay replay`: whom other estimators and samplers would have chosen in a run's rounds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from selfplay.cli.as_json import print_json
from selfplay.cli.output import say

if TYPE_CHECKING:
    from selfplay.analysis.replay import Replay

COLUMNS = {
    "shared": "shared",
    "redrawn": "redrawn",
    "variation": "variation",
    "correlation": "rank corr.",
    "effective": "effective",
    "success": "success",
    "reward": "reward",
    "later": "later mixed",
    "followed": "followed",
}
"""Figures of the table, and their headings."""
WIDTH = 120
"""Columns of text where there is no terminal that says how many it has."""


def replay(
    directory: Annotated[Path, typer.Argument(help="The run directory.")],
    estimator: Annotated[
        list[str] | None,
        typer.Option(help="As after creator.estimator=, e.g. '{name: per_token}'; repeatable."),
    ] = None,
    sampler: Annotated[
        list[str] | None, typer.Option(help="As after creator.sampler=; repeatable.")
    ] = None,
    alternatives: Annotated[
        Path | None, typer.Option(help="YAML, alternatives: {NAME: [key=value, …]}.")
    ] = None,
    draws: Annotated[int, typer.Option(help="Draws in each round, for means.")] = 20,
    threshold: Annotated[
        float, typer.Option(help="The lowest reward of a success, as a share of the judge's scale.")
    ] = 0.5,
    out: Annotated[Path | None, typer.Option(help="CSV with every round.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Compare what other estimators and samplers would have chosen with what a run chose.

    Every estimator named is combined with every sampler named; where either is left out it is the
    run's own. Nothing is generated, learned or written to the run.
    """
    from selfplay.analysis.replay import alternatives_named
    from selfplay.analysis.replay import replay as replayed

    named = alternatives_named(estimator or [], sampler or [], alternatives)
    found = replayed(directory, named, draws, threshold)
    if out is not None:
        found.write_csv(out)
    if as_json:
        print_json(found.as_dict())
        return
    show(found, directory)
    if out is not None:
        say(f"{len(found.turns)} rows written to {out}")


def show(found: Replay, directory: Path) -> None:
    """Prints the means over the rounds as a table."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    means = found.means()
    if not means:
        say(f"{directory}: no round was judged in which there was anything to choose from")
        return
    rounds = sorted({turn.round for turn in found.turns})
    table = Table("alternative", box=None, padding=(0, 1))
    for heading in COLUMNS.values():
        table.add_column(heading, justify="right")
    for name, figures in means.items():
        shown = (figures[key] for key in COLUMNS)
        # Only NaN is not itself.
        table.add_row(escape(name), *(f"{v:.3f}" if v == v else "–" for v in shown))
    console = Console()
    console.width = console.width if console.is_terminal else WIDTH
    say(f"means over {len(rounds)} rounds, {rounds[0]} to {rounds[-1]}")
    console.print(table)
    say(
        f"the ledger names all parents of {found.recorded} of these rounds; the run's own choice, "
        f"replayed, is exactly theirs in {found.reproduced}"
    )
