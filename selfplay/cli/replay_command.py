"""`selfplay replay`: whom other estimators and samplers would have chosen in a run's rounds."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from selfplay.replay import Replay

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
    threshold: Annotated[float, typer.Option(help="The lowest reward of a success.")] = 0.5,
    out: Annotated[Path | None, typer.Option(help="CSV with every round.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Compare what other estimators and samplers would have chosen with what a run chose.

    Every estimator named is combined with every sampler named; where either is left out it is the
    run's own. Nothing is generated, learned or written to the run.
    """
    from selfplay.replay import replay as replayed

    named = combinations(estimator or [], sampler or []) | read_alternatives(alternatives)
    found = replayed(directory, named, draws, threshold)
    if out is not None:
        write_turns(found, out)
    if as_json:
        typer.echo(json.dumps(as_data(found), indent=1))
        return
    show(found, directory)
    if out is not None:
        typer.echo(f"{len(found.turns)} rows written to {out}")


def combinations(estimators: Sequence[str], samplers: Sequence[str]) -> dict[str, list[str]]:
    """Overrides by name, of every estimator with every sampler."""
    found: dict[str, list[str]] = {}
    for chosen in product(estimators or [""], samplers or [""]):
        keys = ("creator.estimator", "creator.sampler")
        overrides = [f"{key}={value}" for key, value in zip(keys, chosen, strict=True) if value]
        if overrides:
            found[" + ".join(filter(None, chosen))] = overrides
    return found


def read_alternatives(path: Path | None) -> dict[str, list[str]]:
    """The alternatives of a file; none without one.

    Raises:
        ConfigError: the file cannot be used.
    """
    from selfplay.config import load_config
    from selfplay.replay import ReplayConfig

    return {} if path is None else load_config(path, [], ReplayConfig).config.alternatives


def write_turns(found: Replay, path: Path) -> None:
    """One row for each alternative and round; what is unknown is empty.

    Raises:
        ResourceError: the file cannot be written.
    """
    from selfplay.policies import writing

    rows = as_data(found)["turns"]
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]) if rows else [])
            writer.writeheader()
            writer.writerows(rows)


def as_data(found: Replay) -> dict[str, Any]:
    """For JSON, which has no NaN: what is unknown is null."""
    from dataclasses import asdict

    return {
        "recorded": found.recorded,
        "reproduced": found.reproduced,
        "means": {name: known(figures) for name, figures in found.means().items()},
        "turns": [known(asdict(turn)) for turn in found.turns],
    }


def known(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The figures, None in place of NaN."""
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in figures.items()
    }


def show(found: Replay, directory: Path) -> None:
    """Prints the means over the rounds as a table."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    means = found.means()
    if not means:
        typer.echo(f"{directory}: no round was judged in which there was anything to choose from")
        return
    rounds = sorted({turn.round for turn in found.turns})
    table = Table("alternative", box=None, padding=(0, 1))
    for heading in COLUMNS.values():
        table.add_column(heading, justify="right")
    for name, figures in means.items():
        shown = known({key: figures[key] for key in COLUMNS}).values()
        table.add_row(escape(name), *("–" if value is None else f"{value:.3f}" for value in shown))
    console = Console()
    console.width = console.width if console.is_terminal else WIDTH
    typer.echo(f"means over {len(rounds)} rounds, {rounds[0]} to {rounds[-1]}")
    console.print(table)
    typer.echo(
        f"the ledger names all parents of {found.recorded} of these rounds; the run's own choice, "
        f"replayed, is exactly theirs in {found.reproduced}"
    )
