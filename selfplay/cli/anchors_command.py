"""`selfplay anchors`: trusted responses, made by a judge that is to be trusted, and counted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from selfplay.cli.as_json import print_json
from selfplay.cli.output import say
from selfplay.core.errors import ConfigError

if TYPE_CHECKING:
    from selfplay.core.types import Group

anchors = typer.Typer(
    help="Make trusted, scored responses that rubrics are tested on, or look at them.",
    no_args_is_help=True,
)

REASONS = 5
"""Reasons for missing verdicts that are listed."""


@anchors.command()
def make(
    out: Annotated[Path, typer.Argument(help="The anchor file (JSONL); one that is there grows.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="Who is trusted: judge=NAME judge.OPTION=VALUE rubric=FILE."),
    ] = None,
    run: Annotated[Path | None, typer.Option(help="A run directory: its responses.")] = None,
    label: Annotated[str, typer.Option(help="Which groups of the run.")] = "train",
    rounds: Annotated[str, typer.Option(help="Of the run: 3, 3-7, 3- or -7.")] = "-",
    groups: Annotated[
        Path | None, typer.Option(help="Recorded groups (JSONL), in place of a run.")
    ] = None,
    layout: Annotated[str, typer.Option(help="Of the recorded groups.")] = "groups",
    scorer: Annotated[
        str, typer.Option(help="The judge's name in the anchors, in place of its own.")
    ] = "",
    every: Annotated[
        bool, typer.Option("--all", help="Also prompts whose responses are all worth the same.")
    ] = False,
    limit: Annotated[int, typer.Option(min=0, help="Prompts at most; 0 for all.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Score responses of a run or of a file by a trusted judge, the verifier by default."""
    from selfplay.config import load_config
    from selfplay.review.anchor_sets import JudgingConfig, make_anchors

    config = load_config(None, overrides or [], JudgingConfig).config
    found = _responses(run, label, rounds, groups, layout)
    made = make_anchors(found, config.build(), out, scorer, not every, limit)
    if as_json:
        print_json(made.as_dict())
        return
    say(
        f"{made.responses:,} different responses to {made.prompts:,} prompts judged by "
        f"{config.judge.name}"
    )
    missing = sum(made.missing.values())
    if missing:
        say(f"{missing:,} have no verdict and are left out:")
    for reason, count in list(made.missing.items())[:REASONS]:
        say(f"  {count:,}: {' '.join(reason.split())}")
    if made.alike:
        say(f"{made.alike:,} prompts are left out: their responses are worth the same")
    say(
        f"{made.added:,} anchors added to {out}, which is at version {made.anchors.version} with "
        f"{len(made.anchors.anchors):,}"
    )


def _responses(
    run: Path | None, label: str, rounds: str, groups: Path | None, layout: str
) -> list[Group]:
    from selfplay.cli.prompts_command import parse_rounds
    from selfplay.review.anchor_sets import groups_of_file, groups_of_run

    if run is not None and groups is None:
        return groups_of_run(run, label, (0, 2**62) if rounds == "-" else parse_rounds(rounds))
    if groups is not None and run is None:
        return groups_of_file(groups, layout)
    raise ConfigError("expected --run or --groups, one of the two: whose responses are scored")


@anchors.command()
def show(
    place: Annotated[Path, typer.Argument(help="An anchor file, or a run directory.")],
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Count anchors by part, scorer and origin, and the pairs that they make."""
    from selfplay.review.anchor_sets import count_anchors, find_anchors

    counts = count_anchors(find_anchors(place))
    if as_json:
        print_json(counts.as_dict())
        return
    from selfplay.cli.anchors_shown import show_counts

    show_counts(counts)
