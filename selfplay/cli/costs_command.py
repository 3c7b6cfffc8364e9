"""`selfplay costs`: what a run took of model servers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfplay.cli.as_json import print_json
from selfplay.cli.output import say


def costs(
    directory: Annotated[Path, typer.Argument(help="The run directory.")],
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Say what a run took of model servers: requests, tokens and money, by role."""
    from selfplay.stages.costs import costs as costs_of

    found = costs_of(directory)
    if as_json:
        print_json({"costs": [cost.as_dict() for cost in found]})
        return
    if not found:
        say("no server was asked")
        return
    from selfplay.cli.layout import NONE, new_console, new_table

    table = new_table(
        "model servers",
        ["role", "model"],
        ["requests", "cached", "unanswered", "tokens in", "out", "money"],
    )
    for cost in found:
        figures = (cost.requests, cost.cached, cost.unanswered, cost.tokens_in, cost.tokens_out)
        money = NONE if cost.money is None else f"{cost.money:,.2f}"
        table.add_row(cost.role, cost.model, *(f"{figure:,}" for figure in figures), money)
    console = new_console()
    console.print(table)
    if any(cost.unmetered for cost in found):
        console.print("the servers did not say the tokens of all answers: the sums leave those out")
    if any(cost.money is None for cost in found):
        console.print(
            "money is known where price_in and price_out are set, and all tokens are told"
        )
