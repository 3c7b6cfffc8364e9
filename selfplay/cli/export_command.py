"""`selfplay export`: what a run has made, for the next tool."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from selfplay.cli.as_json import print_json
from selfplay.cli.output import say
from selfplay.core.errors import ConfigError

if TYPE_CHECKING:
    from selfplay.exports import Exported, ExportOptions

LINES = 20
"""About how many lines of progress there are in a step."""

Run = Annotated[
    Path, typer.Argument(help="The run directory, or policy/<version> with a reward head.")
]
Place = Annotated[
    Path, typer.Argument(help="A .jsonl or .parquet file, or a directory: it gets a data card.")
]
What = Annotated[
    Literal["prompts", "pairs", "unpaired", "sft", "rewards", "comparisons", "rubrics", "policy"],
    typer.Option(help="What is written."),
]
Form = Annotated[
    Literal["auto", "jsonl", "parquet", "datasets"],
    typer.Option("--as", help="auto: by the suffix, jsonl in a directory."),
]
Layout = Annotated[
    Literal["selfplay", "trl", "verl", "openrlhf", "axolotl", "llama_factory"],
    typer.Option(help="Whose columns."),
]
Rounds = Annotated[str | None, typer.Option("--round", help="Asked in it: 3, 3-7, 3- or -7.")]
Tasks = Annotated[list[str] | None, typer.Option(help="Only this task; may be repeated.")]
Operators = Annotated[
    list[str] | None, typer.Option(help="Only this operator's, or original; may be repeated.")
]
Difficulty = Annotated[
    str | None, typer.Option(help="Share of the newest responses that fail: 0.2-0.8, 0.5-, -0.5.")
]
Score = Annotated[str | None, typer.Option(help="Mean reward of the newest responses: 0.2-0.8.")]
Value = Annotated[str | None, typer.Option(help="Newest estimate of what can be gained: 0.1-.")]
Verified = Annotated[
    Literal["any", "checkable", "solved"],
    typer.Option(help="checkable: gold answer or generator; solved: and answered rightly."),
]
Success = Annotated[
    float, typer.Option(help="The lowest reward of a success, as a share of the judge's scale.")
]
Top = Annotated[int, typer.Option(min=0, help="Only so many, the most valuable; 0 for all.")]
Diversity = Annotated[
    Literal["cells", "maxmin", "none"], typer.Option(help="How --top spreads them.")
]
Embedder = Annotated[
    str | None, typer.Option(help="A sentence-transformers model for maxmin and --novelty.")
]
Deduplicate = Annotated[bool, typer.Option("--deduplicate", help="Leave near-duplicates out.")]
Novelty = Annotated[
    float, typer.Option(help="Leave out what is so near in meaning (cosine); 0: not compared.")
]
Against = Annotated[
    list[str] | None, typer.Option(help="A benchmark's file not to repeat; may be repeated.")
]
Validation = Annotated[
    float, typer.Option(help="Share of a validation split, made of whole families.")
]
Seed = Annotated[int, typer.Option(help="Of the split.")]
Licence = Annotated[
    list[str] | None, typer.Option(help="Of the seeds, such as apache-2.0; may be repeated.")
]
Pairing = Annotated[str, typer.Option(help="How groups become pairs: max_min, all_pairs, …")]
Version = Annotated[int | None, typer.Option(help="For policy; the newest kept if not said.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
Json = Annotated[bool, typer.Option("--json", help="What was written as one JSON object.")]


def export(
    directory: Run,
    path: Place,
    what: What = "prompts",
    form: Form = "auto",
    layout: Layout = "selfplay",
    rounds: Rounds = None,
    task: Tasks = None,
    operator: Operators = None,
    difficulty: Difficulty = None,
    score: Score = None,
    value: Value = None,
    verified: Verified = "any",
    success: Success = 0.5,
    top: Top = 0,
    diversity: Diversity = "cells",
    embedder: Embedder = None,
    deduplicate: Deduplicate = False,
    novelty: Novelty = 0.0,
    against: Against = None,
    validation: Validation = 0.0,
    seed: Seed = 0,
    licence: Licence = None,
    pairing: Pairing = "max_min",
    version: Version = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write what a run has made: prompts, data to learn from, rubrics or a policy.

    A directory gets a file for each split and a data card. Of policy/<version> with a reward head,
    write the reward model in transformers' layout.
    """
    from selfplay.core.components import chosen
    from selfplay.exports import Cleaning, ExportOptions, Filters
    from selfplay.exports import Top as TopOptions
    from solver.examples.table import PAIRINGS

    ranges: dict[str, Any] = {"difficulty": difficulty, "score": score, "value": value}
    parsed = {name: parse_range(f"--{name}", given) for name, given in ranges.items()}
    filters = Filters(
        parse_rounds(rounds),
        tuple(task or ()),
        tuple(operator or ()),
        **parsed,
        verified=verified,
        success=success,
    )
    cleaning = Cleaning(deduplicate, novelty=novelty, against=tuple(against or ()))
    if embedder is not None:
        cleaning = replace(cleaning, embedder=embedder)
    options = ExportOptions(
        what=what,
        format=form,
        layout=layout,
        filters=filters,
        cleaning=cleaning,
        top=TopOptions(top, diversity, embedder),
        validation=validation,
        seed=seed,
        licences=tuple(licence or ()),
        pairing=chosen(pairing, PAIRINGS),
        version=version,
        force=force,
    )
    _tell(_carried_out(directory, path, options), as_json)


def parse_rounds(given: str | None) -> tuple[int, int] | None:
    """First and last round of `3`, `3-7`, `3-` or `-7`; None for None."""
    from selfplay.cli.prompts_command import parse_rounds as parse

    return None if given is None else parse(given)


def parse_range(name: str, given: str | None) -> tuple[float | None, float | None]:
    """Both ends of `0.2-0.8`, `0.2-` or `-0.8`, of which one may be open; open for None.

    A negative end is written `-1:0.5` with a colon.

    Raises:
        ConfigError: it is none of these.
    """
    if given is None:
        return None, None
    plain = r"(\d+\.?\d*|\.\d+)"
    pattern = rf"{plain}?-{plain}?" if ":" not in given else rf"(-?{plain})?:(-?{plain})?"
    match = re.fullmatch(pattern, given.strip())
    low, high = (match[1], match[match.re.groups // 2 + 1]) if match else (None, None)
    if not low and not high:
        raise ConfigError(
            f"{name}: expected a range (0.2-0.8, 0.2-, -0.8; with negative numbers -1:0.5), "
            f"found '{given}'"
        )
    return float(low) if low else None, float(high) if high else None


def _carried_out(directory: Path, path: Path, options: ExportOptions) -> Exported:
    """Exports, and says how far it has come."""
    from selfplay.exports import exporting

    steps, told = exporting(directory, path, options), ("", -1)
    while True:
        try:
            progress = next(steps)
        except StopIteration as stop:
            exported: Exported = stop.value
            return exported
        line = (progress.step, progress.done * LINES // max(1, progress.total))
        if line != told:
            say(f"{progress.done:,} of {progress.total:,} {progress.step}", err=True)
        told = line


def _tell(exported: Exported, as_json: bool) -> None:
    if as_json:
        print_json(exported.as_dict())
        return
    if not exported.prompts:
        say(f"{exported.what.replace('_', ' ')} written to {exported.place}")
        say(f"next: {exported.use}")
        return
    rows = ", ".join(f"{count:,} {name}" for name, count in exported.rows.items())
    say(f"{rows} rows written to {exported.place}")
    say(f"{exported.prompts:,} prompts of {exported.families:,} families")
    for reason, count in exported.left_out.items():
        say(f"{count:>8,}  left out: {reason}")
    say(f"next: {exported.use}")
