"""How `selfplay prompts stats` lays out what it counted."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.table import Table

from selfplay.analysis.lineage import Statistics
from selfplay.analysis.lineage.stats import Diversity
from selfplay.cli.layout import NONE, new_console, new_table, number, plain

REASONS = 3
"""Reasons of rejection that are named for each operator."""


def show_statistics(found: Statistics, rounds: int) -> None:
    """Prints what operators yielded, then tasks, rounds and diversity."""
    console = new_console()
    if found.operators:
        console.print(_operators(found))
        console.print(
            "of the judged children: learnable, some of the first responses succeed and some "
            "fail; solved later, not at first, but in a later round",
            style="dim",
        )
    if found.turned_down:
        console.print(_turned_down(found))
    console.print(_tasks(found))
    if found.rounds:
        console.print(_rounds(found, rounds))
    if found.diversity:
        console.print(_diversity(found.diversity))


def _operators(found: Statistics) -> Table:
    right = ["tried", "admitted", "rejected", "judged", "learnable", "solved later"]
    table = new_table("operators", ["operator"], right)
    for name, made in found.operators.items():
        counts = (made.tried, made.admitted, made.tried - made.admitted, made.judged)
        shares = (_share(count, made.judged) for count in (made.learnable, made.solved_later))
        table.add_row(name, *(f"{n:,}" for n in counts), *shares)
    return table


def _turned_down(found: Statistics) -> Table:
    table = new_table("turned down", ["operator"], ["children"])
    table.add_column("reason", overflow="fold")
    ordered = sorted(found.turned_down, key=lambda turned: turned.operator)
    for operator, rows in groupby(ordered, key=lambda turned: turned.operator):
        reasons = list(rows)
        for turned in reasons[:REASONS]:
            table.add_row(operator, f"{turned.children:,}", plain(turned.reason))
        if rest := reasons[REASONS:]:
            others = f"{len(rest):,} other reason{'s' if len(rest) > 1 else ''}"
            table.add_row(operator, f"{sum(turned.children for turned in rest):,}", others)
    return table


def _tasks(found: Statistics) -> Table:
    table = new_table(
        "tasks", ["task"], ["originals", "held out", "children", "trained on", "reward"]
    )
    for task in found.tasks:
        counts = (task.originals, task.heldout, task.children, task.trained)
        table.add_row(plain(task.task), *(f"{n:,}" for n in counts), number(task.reward))
    return table


def _rounds(found: Statistics, most: int) -> Table:
    shown = found.rounds[-most:] if most else found.rounds
    part = f", the last {len(shown):,} of {len(found.rounds):,}"
    title = "rounds" + (part if len(shown) < len(found.rounds) else "")
    right = ["round", "asked", "born", "rejected", "mean estimate", "reward", "mixed groups"]
    table = new_table(title, [], right)
    for row in shown:
        counts = (row.round, row.asked, row.born, row.rejected)
        table.add_row(*(f"{n:,}" for n in counts), *map(number, (row.value, row.reward, row.mixed)))
    return table


def _diversity(measured: Sequence[Diversity]) -> Table:
    right = ["texts", "distinct-1", "distinct-2", "distinct-3"]
    embedded = any(found.spread is not None for found in measured)
    right += ["clusters", "spread"] if embedded else []
    table = new_table("diversity", ["prompts"], right)
    for found in measured:
        extra = (found.clusters, found.spread) if embedded else ()
        values = map(number, (*found.distinct, *extra))
        table.add_row(found.prompts, f"{found.sample:,}", *values)
    return table


def _share(count: int, of: int) -> str:
    return f"{count / of:.0%}" if of else NONE
