"""`selfplay feedback`: what people say of a run's responses, brought into the run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfplay.cli.as_json import print_json
from selfplay.cli.output import say

feedback = typer.Typer(
    help="Have people score a run's responses, and bring what they say into the run.",
    no_args_is_help=True,
)

Run = Annotated[Path, typer.Argument(help="The run directory; it may be playing.")]

NOTES = {
    "blank": "rows have no score and are left out",
    "strangers": "prompts are not the run's; they become anchors all the same",
    "alone": (
        "responses stand alone in this file: nothing else of their prompt was scored with them"
    ),
}
"""What is to be noted of a file's rows, by its count."""


@feedback.command()
def sample(
    directory: Run,
    out: Annotated[Path, typer.Option(help="The file to write: .jsonl, or .csv for spreadsheets.")],
    count: Annotated[int, typer.Option(help="Responses at most.")] = 60,
    t: Annotated[int | None, typer.Option("--round", help="Which; the last one judged.")] = None,
    suspects: Annotated[
        bool, typer.Option("--suspects", help="What alarms suspect, and a response beside it.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Another one draws other responses.")] = 0,
) -> None:
    """Write responses with blank scores: a few of each prompt, low to high by the judge."""
    from selfplay.review.feedback import sample as draw
    from selfplay.review.feedback import write_sample

    rows = draw(directory, count, t, suspects, seed)
    write_sample(rows, out)
    prompts = len({row.prompt.id for row in rows})
    say(f"{len(rows):,} responses to {prompts:,} prompts written to {out}, scores blank")
    say(f"next: fill in scores, higher is better, then selfplay feedback add RUN {out}")


@feedback.command()
def add(
    directory: Run,
    path: Annotated[Path, typer.Argument(help="Scores and comparisons: JSONL, CSV or Parquet.")],
    scorer: Annotated[str, typer.Option(help="Of rows that name none.")] = "human",
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Put scores and comparisons into a run's inbox; its next review takes them in."""
    from selfplay.review.feedback import deliver

    delivery = deliver(directory, path, scorer)
    if as_json:
        print_json(delivery.as_dict())
        return
    name, counts = delivery.path.relative_to(directory), delivery.counts
    if not delivery.new:
        say(f"the run has this already, as {name}")
        return
    say(
        f"{counts['ratings']:,} scores and {counts['comparisons']:,} comparisons of responses to "
        f"{counts['prompts']:,} prompts delivered as {name}"
    )
    for count, words in NOTES.items():
        if counts[count]:
            say(f"note: {counts[count]:,} {words}")
    if not delivery.reviews:
        say("note: the run does not review its rubric (meta.review.enabled), so it waits")


@feedback.command("list")
def list_(
    directory: Run,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """List what waits in a run's inbox, what was taken in, and what was refused and why."""
    from selfplay.review.feedback import listing

    found = listing(directory)
    if as_json:
        print_json({"files": [entry.as_dict() for entry in found]})
        return
    if not found:
        say("no feedback; selfplay feedback sample writes responses to be scored")
        return
    from selfplay.cli.feedback_shown import show_listing

    show_listing(found)
