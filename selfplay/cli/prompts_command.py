"""`selfplay prompts`: where a run's prompts come from and what became of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from selfplay.cli.as_json import print_json
from selfplay.core.errors import ConfigError

if TYPE_CHECKING:
    from selfplay.analysis.lineage import Family

prompts = typer.Typer(
    help="Look at a run's prompts: one of them, its family, a search, what operators yielded.",
    no_args_is_help=True,
)

Run = Annotated[Path, typer.Argument(help="The run directory.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="A prompt's id, or its first digits.")]
Depth = Annotated[int, typer.Option(min=1, help="Generations.")]
Limit = Annotated[int, typer.Option(min=1, help="Prompts to list at most.")]
Json = Annotated[bool, typer.Option("--json", help="As one JSON object.")]


@prompts.command()
def show(
    directory: Run,
    id_: Id,
    responses: Annotated[bool, typer.Option("--responses", help="The responses too.")] = False,
    replies: Annotated[
        bool, typer.Option("--replies", help="And what judging models wrote of them.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show all that is known of a prompt: text, birth, estimates, groups, responses, replies."""
    from selfplay.analysis.lineage import story

    found = story(directory, id_, responses or replies, replies)
    if as_json:
        print_json(found.as_dict())
        return
    from selfplay.cli.prompts_shown import show_story

    show_story(found)


@prompts.command()
def ancestors(
    directory: Run, id_: Id, depth: Depth = 6, limit: Limit = 200, as_json: Json = False
) -> None:
    """Show the tree of prompts that a prompt descends from."""
    from selfplay.analysis.lineage import ancestors as walk

    _show(walk(directory, id_, depth, limit), as_json)


@prompts.command()
def descendants(
    directory: Run, id_: Id, depth: Depth = 6, limit: Limit = 200, as_json: Json = False
) -> None:
    """Show the tree of prompts that descend from a prompt."""
    from selfplay.analysis.lineage import descendants as walk

    _show(walk(directory, id_, depth, limit), as_json)


def _show(family: Family, as_json: bool) -> None:
    if as_json:
        print_json(family.as_dict())
        return
    from selfplay.cli.prompts_shown import show_family

    show_family(family)


@prompts.command()
def search(
    directory: Run,
    words: Annotated[
        list[str] | None, typer.Argument(help="What the text contains: each of them.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Only this task.")] = None,
    operator: Annotated[
        str | None, typer.Option(help="Only this operator's; or original, heldout, imported.")
    ] = None,
    born: Annotated[
        str | None, typer.Option("--round", help="Born in it: 3, 3-7, 3- or -7.")
    ] = None,
    min_value: Annotated[float | None, typer.Option(help="Least newest estimate.")] = None,
    max_value: Annotated[float | None, typer.Option(help="Greatest newest estimate.")] = None,
    order: Annotated[
        Literal["value", "round"], typer.Option(help="Highest value, or newest prompt, first.")
    ] = "round",
    probed: Annotated[
        bool, typer.Option("--probed", help="Also prompts that were never admitted.")
    ] = False,
    limit: Limit = 20,
    as_json: Json = False,
) -> None:
    """Find prompts by words, task, operator, round of birth or newest estimate."""
    from selfplay.analysis.lineage import find
    from selfplay.ledger.families import Filter

    rounds = parse_rounds(born) if born is not None else None
    values = (min_value, max_value)
    wanted = Filter(tuple(words or ()), task, operator, rounds, values, probed)
    found = find(directory, wanted, order, limit)
    if as_json:
        print_json(found.as_dict())
        return
    from selfplay.cli.prompts_shown import show_found

    show_found(found, directory)


@prompts.command()
def stats(
    directory: Run,
    success: Annotated[
        float, typer.Option(help="The lowest reward of a success, as a share of the judge's scale.")
    ] = 0.5,
    bar: Annotated[
        float, typer.Option(help="The success rate from which a prompt counts as solved.")
    ] = 0.5,
    embedder: Annotated[
        str | None,
        typer.Option(help="A sentence-transformers model, or packaged: diversity of meanings."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=0, help="Last rounds to list; 0 lists all.")] = 10,
    as_json: Json = False,
) -> None:
    """Count prompts by operator, task and round; say what operators yielded, and how diverse."""
    from selfplay.analysis.lineage import statistics

    found = statistics(directory, success, bar, embedder)
    if as_json:
        print_json(found.as_dict())
        return
    from selfplay.cli.prompts_shown import show_statistics

    show_statistics(found, rounds)


def parse_rounds(text: str) -> tuple[int, int]:
    """First and last round of `3`, `3-7`, `3-` or `-7`.

    Raises:
        ConfigError: it is none of these.
    """
    match = re.fullmatch(r"(\d*)(-?)(\d*)", text.strip())
    if not match or not (match[1] or match[3]):
        raise ConfigError(f"--round: expected a round or a range (3, 3-7, 3-, -7), found '{text}'")
    first = int(match[1] or 0)
    last = int(match[3]) if match[3] else first if not match[2] else 2**62
    return first, last
